"""Acknowledged means stored: through a stopped database and a killed collector."""

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import psycopg
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from goldseam.collector import CollectorSettings
from goldseam.storage.embedded import EmbeddedPostgres

CollectorProcess = Callable[[str], AbstractContextManager[tuple[subprocess.Popen[str], str]]]
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def test_a_stopped_database_costs_a_retry(
    own_postgres: EmbeddedPostgres,
    start_collector: Callable[[CollectorSettings], Any],
    recorder: Any,
) -> None:
    """While it is away senders get 503 at once; when it is back the same body is stored."""
    server = start_collector(CollectorSettings(database_url=own_postgres.url))
    recorder.chats(2)
    body = recorder.body()
    own_postgres.stop()

    for _ in range(3):
        began_s = time.monotonic()
        answer = httpx.post(f"{server.url}/v1/traces", content=body, headers=PROTOBUF)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert time.monotonic() - began_s < 2
    ready = httpx.get(f"{server.url}/readyz")
    assert ready.status_code == 503
    assert "connect" in ready.text

    own_postgres.start()
    recorder.chats(2)
    exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces")
    assert exporter.export(recorder.take()) is SpanExportResult.SUCCESS
    again = httpx.post(f"{server.url}/v1/traces", content=body, headers=PROTOBUF)

    assert again.status_code == 200
    with psycopg.connect(own_postgres.url, options="-c role=goldseam_writer") as connection:
        assert connection.execute("SELECT count(*) FROM ai_request_logs").fetchone() == (4,)


def test_the_collector_starts_without_a_database(
    own_postgres: EmbeddedPostgres,
    start_collector: Callable[[CollectorSettings], Any],
    recorder: Any,
) -> None:
    """The order in which programs start does not matter; the exporter's own retries bridge it."""
    own_postgres.stop()
    server = start_collector(CollectorSettings(database_url=own_postgres.url))
    assert httpx.get(f"{server.url}/readyz").status_code == 503
    recorder.chats(1)
    exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces")
    starter = threading.Thread(target=own_postgres.start)
    starter.start()

    result = exporter.export(recorder.take())

    starter.join()
    assert result is SpanExportResult.SUCCESS


def test_kill_9_after_an_acknowledgement_loses_nothing(
    database: str,
    recorder: Any,
    count_rows: Callable[..., int],
    collector_process: CollectorProcess,
) -> None:
    """The process dies the moment the sender has its answer, and every span is there."""
    acknowledged = 0
    for round_ in range(3):
        with collector_process(database) as (process, url):
            exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
            recorder.chats(50 * (round_ + 1))
            assert exporter.export(recorder.take()) is SpanExportResult.SUCCESS
            process.kill()
            acknowledged += 50 * (round_ + 1)
            process.wait()

    assert count_rows() == acknowledged


def test_kill_9_under_load_loses_nothing_that_was_acknowledged(
    database: str, recorder: Any, collector_process: CollectorProcess
) -> None:
    """Senders on several connections write down what was acknowledged; the table has it all."""
    acknowledged: set[str] = set()
    enough = threading.Event()
    bodies = []
    for number in range(200):
        recorder.chats(10, **{"goldseam.request.id": str(number)})
        bodies.append(recorder.body())

    def send(url: str, numbers: range) -> None:
        with httpx.Client() as client:
            for number in numbers:
                try:
                    answer = client.post(
                        f"{url}/v1/traces", content=bodies[number], headers=PROTOBUF
                    )
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    acknowledged.add(str(number))
                if len(acknowledged) > 40:
                    enough.set()

    with collector_process(database) as (process, url):
        senders = [
            threading.Thread(target=send, args=(url, range(first, 200, 4))) for first in range(4)
        ]
        for sender in senders:
            sender.start()
        assert enough.wait(timeout=30)
        process.kill()
        for sender in senders:
            sender.join()

    with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
        rows = connection.execute("SELECT request_id, count(*) FROM ai_request_logs GROUP BY 1")
        stored: dict[str, int] = dict(rows.fetchall())
    assert {number: stored.get(number) for number in acknowledged} == dict.fromkeys(
        acknowledged, 10
    )


def test_sigterm_answers_what_is_in_flight(
    database: str, recorder: Any, collector_process: CollectorProcess
) -> None:
    """A sender that waits for its commit when the signal comes still gets its 200."""
    recorder.chats(1)
    answers: list[int] = []
    with collector_process(database) as (process, url):
        with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
            blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
            sender = threading.Thread(
                target=lambda: answers.append(
                    httpx.post(
                        f"{url}/v1/traces", content=recorder.body(), headers=PROTOBUF, timeout=20
                    ).status_code
                )
            )
            sender.start()
            _wait_for_lock_waiter(blocker)
            process.terminate()
        sender.join()
        process.wait(timeout=20)

    assert answers == [200]


def _wait_for_lock_waiter(connection: "psycopg.Connection[Any]") -> None:
    """Return when another session waits for the lock, which is when the body is being written."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while connection.execute(query).fetchone() == (0,):
        time.sleep(0.01)
