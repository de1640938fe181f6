"""OTLP over gRPC, as real exporters and as broken senders speak it."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped] # ships no types
import psycopg
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # ships no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # ships no types
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace.export import SpanExportResult

from goldseam.collector import CollectorSettings

from .conftest import metric

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
NOWHERE = "postgresql://goldseam@127.0.0.1:1/goldseam"
StartCollector = Callable[[CollectorSettings], Any]


def call(
    server: Any, body: bytes, method: str = TRACES, compression: Any = None
) -> tuple[grpc.StatusCode, bytes, Status]:
    """Send raw bytes; give the code, the answer and the details of a refusal."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        export = channel.unary_unary(method)
        try:
            return grpc.StatusCode.OK, export(body, timeout=20, compression=compression), Status()
        except grpc.RpcError as error:
            refusal: Any = error
            trailers = dict(refusal.trailing_metadata() or ())
            details = trailers.get("grpc-status-details-bin", b"")
            return refusal.code(), b"", Status.FromString(details)


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_the_stock_grpc_exporter_stores_its_spans(
    collector: Any, recorder: Any, count_rows: Callable[..., int], compression: Any
) -> None:
    """A batch is in the table when the export returns, compressed or not."""
    exporter = OTLPSpanExporter(
        endpoint=collector.grpc_address, insecure=True, compression=compression
    )
    recorder.chats(20)

    result = exporter.export(recorder.take())

    exporter.shutdown()
    assert result is SpanExportResult.SUCCESS
    assert count_rows("provider_used = 'openai' AND tokens_used = 29") == 20
    assert (
        metric(collector.url, 'goldseam_collector_requests_total{status="OK",transport="grpc"}')
        == 1
    )


def test_a_span_without_a_key_is_refused_in_a_partial_success_over_grpc(
    collector: Any, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """The answer is the same as over HTTP."""
    recorder.chats(2)
    request = ExportTraceServiceRequest.FromString(recorder.body())
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""

    code, answer, _ = call(collector, request.SerializeToString())

    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (code, partial.rejected_spans, partial.error_message) == (
        grpc.StatusCode.OK,
        1,
        "1 x bad_id",
    )
    assert count_rows() == 1


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff\xff", b"\x1f\x8bno gzip", gzip.compress(b"0" * 100)[:-9]],
    ids=["protobuf", "no-gzip", "cut-gzip"],
)
def test_messages_that_cannot_be_read_are_invalid_arguments(collector: Any, body: bytes) -> None:
    """Senders drop them: repeating would not help."""
    code, _, status = call(collector, body)

    assert (code, status.code, len(status.details)) == (grpc.StatusCode.INVALID_ARGUMENT, 3, 0)


def test_a_message_over_the_limit_is_refused_before_it_is_inflated(
    database: str, start_collector: StartCollector
) -> None:
    """The limit holds for what a message inflates to, and for what comes over the wire."""
    server = start_collector(CollectorSettings(database_url=database, max_body_bytes=100_000))

    bomb = call(server, b"0" * 30_000_000, compression=grpc.Compression.Gzip)
    plain = call(server, b"0" * 200_000)

    assert bomb[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert "GOLDSEAM_MAX_BODY_BYTES" in bomb[2].message
    assert plain[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_database_that_is_away_is_unavailable_with_a_time_to_wait(
    start_collector: StartCollector, recorder: Any
) -> None:
    """Without a spool senders are told to repeat, in the one way that all of them understand."""
    server = start_collector(CollectorSettings(database_url=NOWHERE))
    recorder.chats(1)

    code, _, status = call(server, recorder.body())

    info = RetryInfo()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert status.details[0].Unpack(info)
    assert info.retry_delay.seconds == 1


def test_the_spool_answers_over_grpc_too(
    start_collector: StartCollector, recorder: Any, tmp_path: Path
) -> None:
    """The transport makes no difference to what is kept."""
    server = start_collector(CollectorSettings(database_url=NOWHERE, data_dir=tmp_path))
    recorder.chats(1)

    assert call(server, recorder.body())[0] is grpc.StatusCode.OK
    assert metric(server.url, "goldseam_collector_spool_bodies") == 1


@pytest.mark.parametrize("signal", ["Metrics", "Logs"])
def test_other_signals_are_accepted_over_grpc(collector: Any, signal: str) -> None:
    """A sender of all three signals needs no special settings."""
    method = f"/opentelemetry.proto.collector.{signal.lower()}.v1.{signal}Service/Export"

    assert call(collector, b"\x0a\x00", method)[:2] == (grpc.StatusCode.OK, b"")
    name = f'goldseam_collector_ignored_requests_total{{signal="{signal.lower()}"}}'
    assert metric(collector.url, name) == 1


def test_a_stop_answers_the_calls_that_are_open(
    database: str, start_collector: StartCollector, recorder: Any
) -> None:
    """A sender that waits for its commit when the collector stops gets its answer."""
    server = start_collector(CollectorSettings(database_url=database))
    recorder.chats(1)
    with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
        channel = grpc.insecure_channel(server.grpc_address)
        answer = channel.unary_unary(TRACES).future(recorder.body(), timeout=20)
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while blocker.execute(query).fetchone() == (0,):
            pass
        server.should_exit = True

    assert answer.result() == b""
    channel.close()
