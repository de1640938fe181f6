"""Requests that tell of the same call: the outermost counts, whatever the order of arrival."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from goldseam.storage import Batch, RequestRecord, Role, rewrites, writes
from goldseam.storage.engine import connect

MakeRequest = Callable[..., RequestRecord]
MakeBatch = Callable[..., Batch]

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
PATTERN = "TIMEOUT:openai:slow"
FAILED: dict[str, Any] = {"status": "error", "error_code": "TIMEOUT", "error_pattern": PATTERN}


@pytest.fixture
def chain(make_request: MakeRequest) -> list[RequestRecord]:
    """Give three requests of one call, each inside the one before it."""
    outer = make_request(1)
    inner = replace(make_request(2), trace_id=outer.trace_id, parent_span_id=outer.span_id)
    innermost = replace(make_request(3), trace_id=outer.trace_id, parent_span_id=inner.span_id)
    return [
        outer,
        replace(inner, input_tokens=19, dialect="OI", retry_count=1),
        replace(
            innermost,
            input_tokens=20,
            output_tokens=10,
            dialect="AN",
            response_metadata={"gen_ai.response.id": "msg_1"},
        ),
    ]


def stored(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Return all request rows in the order of their start."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM ai_request_logs ORDER BY created_at").fetchall()


def occurrences(connection: psycopg.Connection) -> int:
    """Return how often the one error pattern was counted."""
    with connection.transaction():
        row = connection.execute("SELECT occurrence_count FROM ai_error_analysis").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_outermost_counts_in_any_order_of_arrival(
    writer: psycopg.Connection,
    chain: list[RequestRecord],
    make_batch: MakeBatch,
    order: tuple[int, ...],
) -> None:
    """Each arrives alone; in the end the outer row alone counts and knows what the others knew."""
    for number in order:
        writes.write(writer, make_batch(chain[number]), NOW)

    outer, inner, innermost = stored(writer)
    assert outer["duplicate_of"] is None
    assert inner["duplicate_of"] == innermost["duplicate_of"] == chain[0].id
    assert (outer["input_tokens"], outer["output_tokens"]) == (19, 10)
    assert outer["retry_count"] == 1
    assert outer["response_metadata"] == {
        "gen_ai.response.id": "msg_1",
        "merged_from": ["AN", "OI"],
    }


def test_repeating_a_batch_of_nested_requests_changes_nothing(
    writer: psycopg.Connection, chain: list[RequestRecord], make_batch: MakeBatch
) -> None:
    """Duplicates stay as they are, `updated_at` included."""
    writes.write(writer, make_batch(*chain), NOW)
    before = stored(writer)

    writes.write(writer, make_batch(*chain), NOW + timedelta(minutes=1))

    assert stored(writer) == before


def test_an_error_told_twice_is_counted_once(
    writer: psycopg.Connection, chain: list[RequestRecord], make_batch: MakeBatch
) -> None:
    """The inner error is taken back from its pattern when the outer request arrives."""
    outer, inner, _ = (replace(record, **FAILED) for record in chain)
    writes.write(writer, make_batch(inner), NOW)
    assert occurrences(writer) == 1

    writes.write(writer, make_batch(outer), NOW)

    assert occurrences(writer) == 1
    assert [row["duplicate_of"] is None for row in stored(writer)] == [True, False]


def test_an_inner_call_that_ended_otherwise_tells_only_of_tries(
    writer: psycopg.Connection, chain: list[RequestRecord], make_batch: MakeBatch
) -> None:
    """A successful request does not get the status or the usage of a try that failed."""
    outer, inner, _ = chain
    failed = replace(inner, **FAILED, http_status=429)

    writes.write(writer, make_batch(outer, failed), NOW)

    row = stored(writer)[0]
    assert (row["http_status"], row["input_tokens"], row["retry_count"]) == (None, None, 1)


@pytest.mark.parametrize(
    ("inner_tenant", "nested"), [("acme", True), ("default", True), ("globex", False)]
)
def test_a_tenant_cannot_make_anothers_rows_vanish(
    writer: psycopg.Connection,
    chain: list[RequestRecord],
    make_batch: MakeBatch,
    inner_tenant: str,
    *,
    nested: bool,
) -> None:
    """Only rows of the same tenant, or of none, become duplicates."""
    outer, inner, _ = chain
    writes.write(writer, make_batch(outer, replace(inner, tenant_id=inner_tenant)), NOW)

    assert (stored(writer)[1]["duplicate_of"] is not None) is nested


def test_a_pending_request_is_no_outermost_yet(
    writer: psycopg.Connection, chain: list[RequestRecord], make_batch: MakeBatch
) -> None:
    """The inner row counts until the outer one has ended, for it may never end."""
    outer, inner, _ = chain
    pending = replace(outer, status="pending", processing_time_ms=0.0)
    writes.write(writer, make_batch(pending, inner), NOW)
    assert stored(writer)[1]["duplicate_of"] is None

    writes.write(writer, make_batch(outer), NOW)

    assert stored(writer)[1]["duplicate_of"] == outer.id
    assert stored(writer)[0]["input_tokens"] == 19


def test_parents_in_a_circle_stay_as_they_are(
    writer: psycopg.Connection, chain: list[RequestRecord], make_batch: MakeBatch
) -> None:
    """Broken senders get rows that count, not an endless search."""
    outer, inner, _ = chain
    writes.write(writer, make_batch(replace(outer, parent_span_id=inner.span_id), inner), NOW)

    assert [row["duplicate_of"] for row in stored(writer)] == [None, None]


def test_two_writers_miss_no_nested_request(
    database: str, writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Outer and inner requests that are committed at the same moment still find each other."""
    outers = [make_request(number) for number in range(60)]
    inners = [
        replace(make_request(1_000 + n), trace_id=o.trace_id, parent_span_id=o.span_id)
        for n, o in enumerate(outers)
    ]
    shuffled = sorted(inners, key=lambda record: record.span_id)
    together = Barrier(2)

    def run(records: list[RequestRecord]) -> None:
        with connect(database, Role.WRITER) as connection:
            for start in range(0, len(records), 5):
                together.wait(timeout=30)
                writes.write(connection, make_batch(*records[start : start + 5]), NOW)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run, records) for records in (outers, shuffled)]:
            done.result(timeout=60)

    assert sum(row["duplicate_of"] is not None for row in stored(writer)) == len(inners)


def test_a_request_whose_end_is_overdue_is_given_up(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """Only time decides; what started later, or has ended, stays as it is."""
    pending: dict[str, Any] = {"status": "pending", "processing_time_ms": 0.0}
    old, young, ended = make_request(1, **pending), make_request(9, **pending), make_request(2)
    writes.write(writer, make_batch(old, young, ended), NOW)

    assert rewrites.abandon(writer, before=young.created_at, now=NOW) == 1
    assert rewrites.abandon(writer, before=young.created_at, now=NOW) == 0

    assert [(row["status"], row["error_code"]) for row in stored(writer)] == [
        ("abandoned", "UNKNOWN"),
        ("success", None),
        ("pending", None),
    ]


def test_a_late_end_overwrites_what_was_given_up(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> None:
    """`abandoned` is a guess."""
    final = make_request(1)
    writes.write(writer, make_batch(replace(final, status="pending", processing_time_ms=0.0)), NOW)
    rewrites.abandon(writer, before=NOW, now=NOW)

    writes.write(writer, make_batch(final), NOW)

    (row,) = stored(writer)
    assert (row["status"], row["error_code"]) == ("success", None)
