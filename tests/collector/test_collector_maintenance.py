"""What the collector does by the clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from opentelemetry import trace

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.maintenance import (
    ensure_partitions,
    give_up_overdue,
    jobs,
    keep_partitions,
)
from goldseam.collector.mapping import map_spans
from goldseam.collector.settings import CollectorSettings
from goldseam.storage import Role, writes
from goldseam.storage.engine import connect

NOW = datetime(2026, 9, 21, 15, tzinfo=UTC)
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
TIMEOUT = timedelta(minutes=15)


def announce(database: str, recorder: Any, started: datetime) -> None:
    """Store the pending row of a request."""
    parent = trace.SpanContext(trace_id=7, span_id=9, is_remote=False, trace_flags=SAMPLED)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    start_ns = int(started.timestamp()) * 10**9
    span = recorder.tracer.start_span("chat gpt-4o", context=context, start_time=start_ns)
    span.set_attributes({"goldseam.span.type": "pending", "gen_ai.operation.name": "chat"})
    span.end(start_ns)
    batch = map_spans(decode_protobuf(recorder.body())).batch
    with connect(database, Role.WRITER) as connection:
        writes.write(connection, batch, started)


def statuses(database: str) -> list[str]:
    """Return the status of every row."""
    with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
        return [row[0] for row in connection.execute("SELECT status FROM ai_request_logs")]


def test_a_request_without_an_end_is_given_up_after_the_timeout(
    database: str, recorder: Any
) -> None:
    """Not a moment earlier: only time decides."""
    announce(database, recorder, NOW - TIMEOUT)

    assert give_up_overdue(database, NOW, timeout=TIMEOUT) == 0
    assert statuses(database) == ["pending"]

    assert give_up_overdue(database, NOW + timedelta(seconds=1), timeout=TIMEOUT) == 1
    assert statuses(database) == ["abandoned"]


def test_days_older_than_retention_go_and_stay_gone(database: str, recorder: Any) -> None:
    """The day of the row is dropped once it is two full days old, and its span refused then."""
    ensure_partitions(database, NOW)
    announce(database, recorder, NOW)
    keep_partitions(database, NOW + timedelta(days=1), retention_days=1)
    assert statuses(database) == ["pending"]

    keep_partitions(database, NOW + timedelta(days=2), retention_days=1)
    announce(database, recorder, NOW)

    assert statuses(database) == []


def test_zero_days_of_retention_keep_everything(database: str, recorder: Any) -> None:
    """However old it is."""
    announce(database, recorder, NOW)

    keep_partitions(database, NOW + timedelta(days=700), retention_days=0)

    assert statuses(database) == ["pending"]


def test_the_timeout_is_a_setting() -> None:
    """It must be longer than the longest time-out of a client."""
    settings = CollectorSettings(database_url="postgresql://x", pending_timeout_s=20)

    assert settings.pending_timeout_s == 20
    assert CollectorSettings(database_url="postgresql://x").pending_timeout_s == 900
    assert {job.period_s for job in jobs(settings)} == {3_600, 20}
    assert {job.name for job in jobs(settings)} == {
        "creating and dropping partitions",
        "giving up overdue requests",
    }
