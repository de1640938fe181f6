"""OTLP over HTTP, as real exporters and as broken senders speak it."""

import gzip
import json
import threading
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from dirty_equals import IsStr
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # ships no types
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace.export import SpanExportResult

from goldseam.collector import CollectorSettings
from goldseam.storage import Role, retention
from goldseam.storage.engine import connect

from .conftest import metric

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json; charset=utf-8"}


def post(url: str, body: bytes, **headers: str) -> httpx.Response:
    """Send a trace request in protobuf, unless the headers say otherwise."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return httpx.post(f"{url}/v1/traces", content=body, headers=PROTOBUF | named, timeout=20)


def chat_json(**span: Any) -> bytes:
    """Write one chat request as OTLP/JSON."""
    attributes = [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]
    chat = {
        "traceId": "0AF7651916CD43DD8448EB211C80319C",
        "spanId": "b7ad6b7169203331",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": attributes,
        **span,
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [chat]}]}]}).encode()


@pytest.mark.parametrize(
    "compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate]
)
def test_the_stock_exporter_stores_its_spans(
    collector: Any, recorder: Any, count_rows: Callable[..., int], compression: Compression
) -> None:
    """A batch of the OTLP exporter is in the table when the export returns."""
    exporter = OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces", compression=compression)
    recorder.chats(20)

    result = exporter.export(recorder.take())

    assert result is SpanExportResult.SUCCESS
    assert count_rows("provider_used = 'openai' AND tokens_used = 29") == 20


def test_a_large_batch_is_stored_whole(
    collector: Any, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """A body that is decoded beside the event loop goes the same way."""
    recorder.chats(1_000)
    body = recorder.body()
    assert len(body) > 64 * 1024

    assert post(collector.url, body).status_code == 200
    assert count_rows() == 1_000


def test_json_is_stored_and_answered_in_json(
    collector: Any, count_rows: Callable[..., int]
) -> None:
    """The answer speaks the sender's encoding."""
    answer = post(collector.url, chat_json(), **JSON)

    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    assert count_rows("trace_id = '0af7651916cd43dd8448eb211c80319c'") == 1


def test_redelivery_changes_nothing(collector: Any, recorder: Any, database: str) -> None:
    """The same bytes again give one row, an unchanged counter and an unchanged `updated_at`."""
    recorder.chats(1, **{"error.type": "openai.RateLimitError"})
    body = recorder.body()
    seen = []
    for _ in range(3):
        assert post(collector.url, body).status_code == 200
        with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
            seen.append(
                connection.execute(
                    "SELECT count(*), max(r.updated_at), max(a.occurrence_count)"
                    " FROM ai_request_logs r JOIN ai_error_analysis a USING (error_pattern)"
                ).fetchone()
            )

    assert seen[0] is not None
    assert (seen[0][0], seen[0][2]) == (1, 1)
    assert seen[0] == seen[1] == seen[2]


def test_foreign_spans_are_accepted_and_not_stored(
    collector: Any, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """A sender that sends everything is not punished for it."""
    recorder.tracer.start_span("GET /").end()

    assert post(collector.url, recorder.body()).status_code == 200
    assert count_rows() == 0
    assert metric(collector.url, 'goldseam_collector_spans_total{result="ignored"}') == 1


def test_a_span_without_a_key_is_refused_alone(
    collector: Any, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """Partial success names how many spans and why; the others are stored."""
    recorder.chats(3)
    request = ExportTraceServiceRequest.FromString(recorder.body())
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].trace_id = b""
    spans[1].start_time_unix_nano = 0

    answer = post(collector.url, request.SerializeToString())

    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert answer.status_code == 200
    assert (partial.rejected_spans, partial.error_message) == (2, "1 x bad_id; 1 x bad_time")
    assert count_rows() == 1
    assert metric(collector.url, 'goldseam_collector_rejected_total{reason="bad_id"}') == 1


def test_a_span_of_a_dropped_day_is_refused(
    collector: Any, recorder: Any, database: str, count_rows: Callable[..., int]
) -> None:
    """The sender is told, and a counter counts it."""
    with connect(database, Role.OWNER) as owner:
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        retention.prune(owner, days=1, today=tomorrow + timedelta(days=1))
    recorder.chats(2)

    answer = post(collector.url, recorder.body())

    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 2)
    assert "its day was deleted by retention" in partial.error_message
    assert count_rows() == 0
    assert metric(collector.url, 'goldseam_collector_spans_total{result="rejected"}') == 2


def test_partial_success_in_json(collector: Any) -> None:
    """64-bit numbers are text in JSON."""
    answer = post(collector.url, chat_json(traceId="0" * 32), **JSON)

    assert answer.json() == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "1 x bad_id"}}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (PROTOBUF, b"\xff\xff\xff"),
        (JSON, b"{"),
        (JSON | {"Content-Encoding": "gzip"}, b"no gzip"),
        (JSON | {"Content-Encoding": "gzip"}, gzip.compress(b"{}" * 100)[:-9]),
    ],
    ids=["protobuf", "json", "no-gzip", "cut-gzip"],
)
def test_bodies_that_cannot_be_read_are_bad_requests(
    collector: Any, headers: dict[str, str], body: bytes
) -> None:
    """The sender drops them, told so by a status in its own encoding."""
    answer = post(collector.url, body, **headers)

    assert answer.status_code == 400
    assert "Retry-After" not in answer.headers
    if headers is PROTOBUF:
        assert Status.FromString(answer.content).code == 3
    else:
        assert answer.json() == {"code": 3, "message": IsStr(min_length=10)}


def test_an_empty_request_is_stored_easily(collector: Any) -> None:
    """No spans is no fault."""
    assert post(collector.url, b"").content == b""
    assert post(collector.url, b"", **JSON).json() == {}


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "br"}],
    ids=str,
)
def test_what_the_collector_does_not_read_is_unsupported(
    collector: Any, headers: dict[str, str]
) -> None:
    """The message lists what can be sent."""
    answer = post(collector.url, chat_json(), **headers)

    assert answer.status_code == 415
    assert b"send " in answer.content


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)],
    ids=["plain", "gzip", "deflate"],
)
def test_a_body_over_the_limit_is_too_large(
    database: str,
    start_collector: Callable[[CollectorSettings], Any],
    encoding: str,
    compress: Callable[[bytes], bytes],
) -> None:
    """The limit holds for what a body inflates to."""
    server = start_collector(CollectorSettings(database_url=database, max_body_bytes=100_000))
    fits, bomb = b'{"x":"' + b"0" * 99_992 + b'"}', b"0" * 30_000_000

    assert post(server.url, compress(fits), **JSON, Content_Encoding=encoding).status_code == 200
    answer = post(server.url, compress(bomb), **JSON, Content_Encoding=encoding)

    assert answer.status_code == 413
    assert "GOLDSEAM_MAX_BODY_BYTES" in answer.json()["message"]


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_other_signals_are_accepted_and_counted(collector: Any, signal: str) -> None:
    """A sender of all three signals needs no special settings."""
    answer = httpx.post(f"{collector.url}/v1/{signal}", content=b"\x0a\x00", headers=PROTOBUF)

    assert (answer.status_code, answer.content) == (200, b"")
    name = f'goldseam_collector_ignored_requests_total{{signal="{signal}"}}'
    assert metric(collector.url, name) == 1


def test_a_lock_on_the_table_turns_into_503(
    database: str, start_collector: Callable[[CollectorSettings], Any], recorder: Any
) -> None:
    """A sender never waits longer than the time-out of the acknowledgement."""
    server = start_collector(CollectorSettings(database_url=database, ack_timeout_s=0.2))
    recorder.chats(1)
    body = recorder.body()
    with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")

        answer = post(server.url, body)

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert Status.FromString(answer.content).code == 14
    assert post(server.url, body).status_code in (200, 503)


def test_a_full_queue_turns_into_503(
    database: str, start_collector: Callable[[CollectorSettings], Any], recorder: Any
) -> None:
    """Whoever comes when too much waits is told to come again."""
    server = start_collector(CollectorSettings(database_url=database, queue_bytes=1))
    recorder.chats(1)
    body = recorder.body()
    codes: list[int] = []
    first = threading.Thread(target=lambda: codes.append(post(server.url, body).status_code))
    with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
        first.start()
        while metric(server.url, "goldseam_collector_queue_bytes") == 0:
            pass

        answer = post(server.url, body)

        assert answer.status_code == 503
        assert "wait for the database" in Status.FromString(answer.content).message
    first.join()
    assert codes == [200]


def test_a_healthy_collector_says_so(collector: Any) -> None:
    """Both probes are green and the metrics are readable by Prometheus."""
    assert httpx.get(f"{collector.url}/healthz").text == "ok\n"
    assert httpx.get(f"{collector.url}/readyz").text == "ready\n"
    assert metric(collector.url, "goldseam_collector_database_up") == 1


def test_metrics_speak_openmetrics_when_asked(collector: Any) -> None:
    """Prometheus negotiates the format."""
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}

    answer = httpx.get(f"{collector.url}/metrics", headers=accept)

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_database_without_tables_is_named_as_the_reason(
    empty_database: str, start_collector: Callable[[CollectorSettings], Any], recorder: Any
) -> None:
    """The collector starts, refuses, and says what to run."""
    server = start_collector(CollectorSettings(database_url=empty_database))
    recorder.chats(1)

    ready = httpx.get(f"{server.url}/readyz")

    assert ready.status_code == 503
    assert "goldseam db upgrade" in ready.text
    assert post(server.url, recorder.body()).status_code == 503
    assert httpx.get(f"{server.url}/healthz").status_code == 200
