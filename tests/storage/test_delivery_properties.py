"""Any sequence of deliveries leaves the tables as the rule of transitions says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldseam.storage import Batch, RequestRecord, writes
from goldseam.storage.transitions import FINAL, merge, merge_all
from goldseam.storage.write_statements import REQUEST_COLUMNS

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)

tenants = (f"tenant-{number}" for number in count())

metadata = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2))
deliveries = st.fixed_dictionaries(
    {
        "number": st.integers(0, 2),
        "status": st.sampled_from(["pending", "success", "error", "cancelled", "abandoned"]),
        "processing_time_ms": st.sampled_from([0.0, 1.0, 2.0]),
        "error_pattern": st.sampled_from([None, "TIMEOUT:openai:a", "SERVER_ERROR:openai:b"]),
        "error_code": st.sampled_from([None, "TIMEOUT"]),
        "recovery_outcome": st.sampled_from([None, "recovered", "failed"]),
        "input_tokens": st.sampled_from([None, 1, 2]),
        "user_id": st.sampled_from([None, "ana"]),
        "duplicate_of": st.sampled_from([None, None, None, UUID(int=1), UUID(int=2)]),
        "request_metadata": metadata,
        "response_metadata": metadata,
    }
)
batches_of_deliveries = st.lists(st.lists(deliveries, max_size=4), max_size=6)


def stored(connection: psycopg.Connection, tenant: str) -> list[RequestRecord]:
    """Return the tenant's rows as records."""
    columns = ", ".join(REQUEST_COLUMNS)
    query = f"SELECT {columns} FROM ai_request_logs WHERE tenant_id = %s ORDER BY created_at"  # noqa: S608 - names from the code
    with connection.transaction():
        rows = connection.execute(query, (tenant,)).fetchall()
    return [RequestRecord(**dict(zip(REQUEST_COLUMNS, row, strict=True))) for row in rows]


def counted(connection: psycopg.Connection, tenant: str) -> dict[str, tuple[Any, ...]]:
    """Return the tenant's counters by pattern, those at 0 left out."""
    with connection.transaction():
        rows = connection.execute(
            "SELECT error_pattern, occurrence_count, recovered_count, first_seen, last_occurred"
            " FROM ai_error_analysis WHERE tenant_id = %s AND occurrence_count <> 0",
            (tenant,),
        ).fetchall()
    return {pattern: tuple(counters) for pattern, *counters in rows}


def recounted(
    rows: list[RequestRecord], ever_counted: list[RequestRecord]
) -> dict[str, tuple[Any, ...]]:
    """Return what the counters should be; times are those of every row that ever counted."""
    found: dict[str, tuple[Any, ...]] = {}
    for pattern in {row.error_pattern for row in rows if counts(row)} - {None}:
        now = [row for row in rows if counts(row) and row.error_pattern == pattern]
        ever = [row for row in ever_counted if row.error_pattern == pattern]
        ends = [row.created_at + timedelta(milliseconds=row.processing_time_ms) for row in ever]
        mended = sum(row.recovery_outcome == "recovered" for row in now)
        starts = [row.created_at for row in ever]
        found[str(pattern)] = (len(now), mended, min(starts), max(ends))
    return found


def counts(row: RequestRecord) -> bool:
    """Tell whether a row counts in its pattern."""
    return row.status in FINAL and row.duplicate_of is None and row.error_pattern is not None


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=batches_of_deliveries)
def test_tables_and_counters_equal_a_recount(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
    sequence: list[list[dict[str, Any]]],
) -> None:
    """SQL and `transitions.merge` agree on every row, and the counters on the rows."""
    tenant = next(tenants)
    expected: dict[UUID, RequestRecord] = {}
    ever_counted: list[RequestRecord] = []
    for delivered in sequence:
        records = [make_request(**values, tenant_id=tenant) for values in map(dict, delivered)]
        result = writes.write(writer, make_batch(*records), NOW)
        before = dict(expected)
        for record in merge_all(records):
            known = expected.get(record.id)
            expected[record.id] = record if known is None else merge(known, record)
        changed = [row for key, row in expected.items() if before.get(key) != row]
        ever_counted += [row for row in changed if counts(row)]
        assert result.requests_new == len(expected) - len(before)
        assert result.requests_changed == len(changed) - result.requests_new

    rows = sorted(expected.values(), key=lambda row: row.created_at)
    assert stored(writer, tenant) == rows
    assert counted(writer, tenant) == recounted(rows, ever_counted)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=batches_of_deliveries)
def test_delivering_a_batch_once_more_changes_nothing(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
    sequence: list[list[dict[str, Any]]],
) -> None:
    """After each batch, delivering that batch again changes nothing at all."""
    tenant = next(tenants)
    for delivered in sequence:
        records = [make_request(**values, tenant_id=tenant) for values in map(dict, delivered)]
        batch = make_batch(*records)
        writes.write(writer, batch, NOW)
        rows, counters = stored(writer, tenant), counted(writer, tenant)

        assert writes.write(writer, batch, NOW) == writes.WriteResult()
        assert (stored(writer, tenant), counted(writer, tenant)) == (rows, counters)


def test_a_batch_is_the_same_as_its_records_one_by_one_for_two_copies(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """How a sender groups two copies of a span makes no difference."""
    first = make_request(1, status="success", processing_time_ms=1.0, input_tokens=5)
    second = replace(first, processing_time_ms=2.0, input_tokens=None, output_tokens=7)
    together = [replace(record, tenant_id="together") for record in (first, second)]
    apart = [replace(record, tenant_id="apart") for record in (first, second)]
    writes.write(writer, make_batch(*together), NOW)
    for record in apart:
        writes.write(writer, make_batch(record), NOW)

    [in_one], [in_two] = stored(writer, "together"), stored(writer, "apart")
    assert replace(in_one, tenant_id="") == replace(in_two, tenant_id="")
    assert (in_one.input_tokens, in_one.output_tokens) == (5, 7)
