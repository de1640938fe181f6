"""What changes rows that are stored already: calls that are tied together, or given up.

`writes` calls `link_batch` after each commit, the collector's maintenance calls `abandon`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import psycopg
from psycopg import Cursor

from goldseam.semconv.ids import log_id_time_ms
from goldseam.storage import pattern_counters, rollups, staging, step_statements
from goldseam.storage import write_statements as statements
from goldseam.storage.records import DEFAULT_TENANT, Batch, RecoveryRecord, RequestRecord
from goldseam.storage.transitions import link

NESTED_WITHIN: Final = timedelta(hours=1)
"""A request inside another, or a step of one, starts no later after it than this; it keeps the
search to a day or two of partitions."""

ABANDONED_AT_ONCE: Final = 1_000
"""Rows of one transaction that nobody waits for: short enough to be in nobody's way."""

_STEP_TENANT: Final = statements.RECOVERY_COLUMNS.index("tenant_id")
_STEP_CALL: Final = statements.RECOVERY_COLUMNS.index("request_log_id")

_Call: TypeAlias = "tuple[str, UUID]"
"""Tenant and row of a request."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def abandon(conn: psycopg.Connection, *, before: datetime, now: datetime) -> int:
    """Give up on requests that started before `before` and have not ended; commit.

    A late end still overwrites them.

    Args:
        conn: Connection in role `goldseam_writer`, outside a transaction.
        before: Requests that started at or after it may still end.
        now: Time of writing, for `updated_at`.

    Returns:
        How many requests were given up.

    Raises:
        psycopg.OperationalError: The database went away; the next run gives up the rest.
    """
    total = 0
    while True:
        with conn.transaction(), conn.cursor() as cursor:
            limits = {"before": before, "limit": ABANDONED_AT_ONCE}
            overdue = _read(cursor, statements.LOCK_OVERDUE, limits)
            _replace(
                cursor,
                [replace(r, status="abandoned", error_code="UNKNOWN") for r in overdue],
                now,
            )
        total += len(overdue)
        if len(overdue) < ABANDONED_AT_ONCE:
            return total


def link_batch(cursor: Cursor[Any], batch: Batch, now: datetime) -> None:
    """Tie what a batch has stored to what others have, by trace and parent span.

    In a transaction of its own: only rows that are committed are seen by whichever of two writers
    comes second, and locks taken at once in key order never wait in a circle. Should the process
    end in between, nothing of the batch has been acknowledged and its repetition links it.
    """
    calls = _calls(batch)
    steps_linked = False
    unlinked = [step for step in batch.recoveries if step.request_log_id is None]
    if batch.requests or unlinked:
        where = _near([*batch.requests, *unlinked])
        if batch.requests:
            calls |= _link_nested(cursor, where, now)
        found = _link_steps(cursor, where)
        steps_linked = bool(found)
        calls |= found
    if _name_call_errors(cursor, calls) or steps_linked:
        rollups.apply_steps(cursor)


def _near(records: Sequence[RequestRecord | RecoveryRecord]) -> dict[str, Any]:
    """Return where to look for what belongs to `records`."""
    times = [record.created_at for record in records]
    return {
        "traces": list({record.trace_id for record in records}),
        "tenants": list({DEFAULT_TENANT, *(record.tenant_id for record in records)}),
        "earliest": min(times) - NESTED_WITHIN,
        "latest": max(times) + NESTED_WITHIN,
        "within": NESTED_WITHIN,
    }


def _calls(batch: Batch) -> set[_Call]:
    """Return the calls of a batch that may have steps, and those of its steps."""
    met = {
        (request.tenant_id, request.id)
        for request in batch.requests
        if request.error_pattern or request.first_error_code or request.recovery_steps
    }
    return met | {
        (step.tenant_id, step.request_log_id)
        for step in batch.recoveries
        if step.request_log_id is not None and _is_near(step.created_at, step.request_log_id)
    }


def _is_near(step_start: datetime, row_id: UUID) -> bool:
    """Tell whether a step can be of the call that it names: else the search is in far days."""
    apart_ms = log_id_time_ms(row_id) - step_start.timestamp() * 1000
    return abs(apart_ms) <= step_statements.CALL_WITHIN / _MILLISECOND


def _link_nested(cursor: Cursor[Any], where: dict[str, Any], now: datetime) -> set[_Call]:
    """Make requests that tell of the same call duplicates of the outermost; return all of them."""
    pairs = cursor.execute(statements.FIND_NESTED, where).fetchall()
    if not pairs:
        return set()
    of_pairs = {
        "traces": list({trace_id for trace_id, *_ in pairs}),
        "ids": list({row_id for _, *pair in pairs for row_id in pair}),
    }
    related = _read(cursor, statements.LOCK_NESTED, where | of_pairs)
    _replace(cursor, link(related), now)
    return {(request.tenant_id, request.id) for request in related}


def _link_steps(cursor: Cursor[Any], where: dict[str, Any]) -> set[_Call]:
    """Find the requests of steps that do not name them; return those that were found.

    What ran before such a step is known only now, so its sums move.
    """
    if cursor.execute(step_statements.HAS_UNLINKED, where).fetchone() == (False,):
        return set()
    steps = cursor.execute(step_statements.FIND_UNLINKED, where).fetchall()
    if not steps:
        return set()
    staging.ensure(cursor)
    staging.recovery_rows(cursor, steps)
    rollups.lock(cursor)
    cursor.execute(step_statements.LINK_STEPS)
    cursor.execute(step_statements.ORDER_STEPS, where)
    return {(step[_STEP_TENANT], step[_STEP_CALL]) for step in steps}


def _name_call_errors(cursor: Cursor[Any], calls: set[_Call]) -> bool:
    """Tell the steps of `calls` what their call met; return whether one did not know it."""
    if not calls:
        return False
    tenants, ids = map(list, zip(*calls, strict=True))
    starts = [_EPOCH + log_id_time_ms(row_id) * _MILLISECOND for row_id in ids]
    where = {
        "tenants": tenants,
        "calls": ids,
        "starts": starts,
        "first": min(starts),
        "last": max(starts) + _MILLISECOND,
        "earliest": min(starts) - step_statements.CALL_WITHIN,
        "latest": max(starts) + step_statements.CALL_WITHIN,
    }
    if cursor.execute(step_statements.HAS_MISNAMED, where).fetchone() == (False,):
        return False
    staging.ensure(cursor)
    rollups.lock(cursor)
    cursor.execute(step_statements.NAME_CALL_ERRORS, where)
    return True


def _read(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> list[RequestRecord]:
    rows = cursor.execute(statement, parameters)
    return [RequestRecord(**dict(zip(statements.REQUEST_COLUMNS, r, strict=True))) for r in rows]


def _replace(cursor: Cursor[Any], records: list[RequestRecord], now: datetime) -> None:
    """Write `records` over the rows that they were read from; all their patterns are stored."""
    if not records:
        return
    staging.ensure(cursor)
    staging.requests(cursor, records)
    times = [record.created_at for record in records]
    span = {"now": now, "earliest": min(times), "latest": max(times)}
    _, changes = pattern_counters.moved(cursor, statements.REPLACE_REQUESTS, span)
    pattern_counters.count(cursor, changes, {}, now)
    rollups.apply(cursor)
