"""The queue is bounded in bytes, never waits for room, and groups what waits."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from goldseam.collector.queue import IngestQueue, Stored
from goldseam.collector.refusals import QueueFull, StorageAway, Unavailable
from goldseam.storage.records import Batch, RequestRecord

ROW = RequestRecord(
    tenant_id="default",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    id=UUID(int=1),
    request_id="r",
    trace_id="a" * 32,
    span_id="b" * 16,
    status="success",
)


def batch(rows: int) -> Batch:
    """Build a batch of some rows."""
    return Batch(requests=[replace(ROW, id=UUID(int=n)) for n in range(rows)])


def sizes(queue: IngestQueue, max_rows: int) -> list[int]:
    """Take a group and show how many rows its batches have."""
    return [len(item.batch) for item in queue.take(max_rows)]


def test_what_waits_is_taken_together_up_to_a_number_of_rows() -> None:
    """A group never splits a batch and never exceeds the limit by adding one."""
    queue = IngestQueue(max_bytes=1_000)
    for rows in (2, 2, 2, 9, 1):
        queue.put(batch(rows), size_bytes=1)

    assert [sizes(queue, 5) for _ in range(4)] == [[2, 2], [2], [9], [1]]


def test_take_waits_for_something_to_come() -> None:
    """The writer sleeps while nothing is there."""
    queue = IngestQueue(max_bytes=1_000)
    taken: list[int] = []
    writer = threading.Thread(target=lambda: taken.extend(sizes(queue, 5)))
    writer.start()

    queue.put(batch(3), size_bytes=1)

    writer.join(timeout=10)
    assert taken == [3]


def test_a_full_queue_refuses_at_once() -> None:
    """Bytes count until the sender has its answer, not until they are taken."""
    queue = IngestQueue(max_bytes=100)
    first = queue.put(batch(1), size_bytes=60)
    queue.take(5)

    with pytest.raises(QueueFull):
        queue.put(batch(1), size_bytes=60)

    first.set_result(Stored())
    assert queue.held_bytes == 0
    queue.put(batch(1), size_bytes=60)


def test_a_body_larger_than_the_queue_passes_alone() -> None:
    """A limit below the size of a body delays, it does not refuse for ever."""
    queue = IngestQueue(max_bytes=10)

    queue.put(batch(1), size_bytes=60)

    assert sizes(queue, 5) == [1]


def test_a_shut_queue_refuses_what_waits_and_what_comes() -> None:
    """While the database is away nobody waits."""
    queue = IngestQueue(max_bytes=100)
    waiting = queue.put(batch(1), size_bytes=1)

    queue.shut(StorageAway("away"))

    assert isinstance(waiting.exception(timeout=0), StorageAway)
    with pytest.raises(StorageAway):
        queue.put(batch(1), size_bytes=1)
    queue.open()
    queue.put(batch(1), size_bytes=1)


def test_a_closed_queue_gives_out_what_it_holds() -> None:
    """At stop nothing that was taken in is forgotten, and nothing more is taken in."""
    queue = IngestQueue(max_bytes=100)
    queue.put(batch(1), size_bytes=1)

    queue.close(Unavailable("stopping"))
    queue.open()

    with pytest.raises(Unavailable, match="stopping"):
        queue.put(batch(1), size_bytes=1)
    assert sizes(queue, 5) == [1]
    assert sizes(queue, 5) == []


def test_a_sender_that_stopped_waiting_is_skipped() -> None:
    """A cancelled batch costs no transaction; its sender repeats it."""
    queue = IngestQueue(max_bytes=100)
    queue.put(batch(1), size_bytes=1).cancel()
    queue.put(batch(2), size_bytes=1)

    assert sizes(queue, 5) == [2]
    assert queue.held_bytes == 1
