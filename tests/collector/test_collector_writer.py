"""The writing thread stores what waits and refuses only the rows that are at fault."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest

from goldseam.collector.mapping import map_spans
from goldseam.collector.metrics import create_metrics
from goldseam.collector.queue import IngestQueue
from goldseam.collector.refusals import StorageAway, Unavailable
from goldseam.collector.spans import Span
from goldseam.collector.writer import Writer
from goldseam.storage.engine import connect
from goldseam.storage.records import Batch, RequestRecord
from goldseam.storage.roles import Role

START_NS = 1_790_000_000_000_000_000


def rows(count: int, *, first: int = 1) -> list[RequestRecord]:
    """Map failed chat requests with consecutive span ids, each with a pattern."""
    return batch(count, first=first).requests


def batch(count: int, *, first: int = 1) -> Batch:
    """Map failed chat requests to a batch."""
    spans = [
        Span(
            trace_id="a" * 32,
            span_id=f"{number:016x}",
            start_ns=START_NS,
            end_ns=START_NS + 1,
            attributes={"gen_ai.operation.name": "chat", "error.type": "openai.RateLimitError"},
        )
        for number in range(first, first + count)
    ]
    return map_spans(spans).batch


def spoil(good: Batch, *numbers: int) -> Batch:
    """Give some rows a value that no PostgreSQL text takes."""
    requests = [
        replace(record, task="\0") if index in numbers else record
        for index, record in enumerate(good.requests)
    ]
    return Batch(requests=requests, patterns=good.patterns)


@pytest.fixture
def queue() -> IngestQueue:
    """Give a queue that is larger than any test."""
    return IngestQueue(max_bytes=10_000_000)


@pytest.fixture
def writer(queue: IngestQueue, database: str) -> Iterator[Writer]:
    """Run a writer over an empty, migrated database."""
    writer = Writer(
        queue,
        connect=partial(connect, database, Role.WRITER),
        max_rows=100,
        metrics=create_metrics(),
        clock=lambda: datetime(2026, 9, 22, tzinfo=UTC),
    )
    writer.start()
    writer.wait_tried(20)
    yield writer
    writer.stop(20)


def test_a_batch_is_stored_when_its_future_is_done(
    writer: Writer, queue: IngestQueue, count_rows: Callable[..., int]
) -> None:
    """The promise is kept after the commit, so another session sees the rows."""
    stored = queue.put(batch(3), size_bytes=1).result(timeout=20)

    assert stored.refused == ()
    assert count_rows() == 3


@pytest.mark.parametrize("bad", [(0,), (6,), (2, 3), (0, 1, 2, 3, 4, 5, 6)], ids=str)
def test_bad_rows_are_refused_alone(
    writer: Writer, queue: IngestQueue, count_rows: Callable[..., int], bad: tuple[int, ...]
) -> None:
    """The rows that the database refuses are told, all others are stored."""
    stored = queue.put(spoil(batch(7), *bad), size_bytes=1).result(timeout=20)

    assert len(stored.refused) == len(bad)
    assert all("NUL" in reason or "0x00" in reason for reason in stored.refused)
    assert count_rows() == 7 - len(bad)


def test_a_bad_row_is_told_to_its_own_sender(
    writer: Writer, queue: IngestQueue, count_rows: Callable[..., int]
) -> None:
    """Senders whose batches shared a transaction do not hear of each other's faults."""
    batches = [batch(2, first=1), spoil(batch(2, first=3), 0), batch(2, first=5)]

    done = [queue.put(each, size_bytes=1) for each in batches]

    assert [len(each.result(timeout=20).refused) for each in done] == [0, 1, 0]
    assert count_rows() == 5


def test_a_connection_that_died_while_idle_costs_nothing(
    writer: Writer, queue: IngestQueue, database: str, count_rows: Callable[..., int]
) -> None:
    """The first batch after a restart of the database is stored, not refused."""
    queue.put(batch(1), size_bytes=1).result(timeout=20)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    queue.put(batch(1, first=2), size_bytes=1).result(timeout=20)

    assert count_rows() == 2


def test_without_a_database_every_batch_is_refused_at_once(queue: IngestQueue) -> None:
    """The writer keeps looking in the background, and stops when told to."""

    def nowhere() -> psycopg.Connection:
        raise psycopg.OperationalError("nobody there")

    writer = Writer(
        queue, connect=nowhere, max_rows=1, metrics=create_metrics(), clock=datetime.now
    )
    writer.start()
    writer.wait_tried(20)

    with pytest.raises(StorageAway, match="nobody there"):
        queue.put(batch(1), size_bytes=1)
    assert writer.away == "nobody there"
    assert writer.stop(20)


def test_what_waits_at_stop_is_stored(
    writer: Writer, queue: IngestQueue, count_rows: Callable[..., int]
) -> None:
    """A clean stop writes the queue to its end and then takes nothing more."""
    done = [queue.put(batch(50, first=1 + 50 * n), size_bytes=1) for n in range(10)]

    assert writer.stop(20)

    assert all(each.result(timeout=0).refused == () for each in done)
    assert count_rows() == 500
    with pytest.raises(Unavailable, match="stopping"):
        queue.put(batch(1), size_bytes=1)
