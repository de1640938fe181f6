"""Store a batch of records, exactly once however often it is delivered.

One transaction carries the rows and their counters; a second one, only where the batch has a part
in it, makes requests that tell of the same call duplicates of one another, gives recovery steps
that do not know their request the row of their parent span, and tells steps what their call met.

Called by the collector's writer thread. When `write` returns, the rows are committed; when it
raises, nothing of the batch is stored and the connection is ready for the next batch. Whether a
row is new is asked of the table, never remembered: any number of writers may run at once.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, TypeAlias
from uuid import UUID

import psycopg
from psycopg import Cursor
from psycopg.pq import TransactionStatus

from goldseam.semconv.ids import log_id_time_ms
from goldseam.storage import horizon, rollups, step_statements
from goldseam.storage import write_statements as statements
from goldseam.storage.errors import BatchError
from goldseam.storage.patience import hung_up_after
from goldseam.storage.records import (
    DEFAULT_TENANT,
    Batch,
    PatternRecord,
    RecoveryRecord,
    RequestRecord,
)
from goldseam.storage.transitions import link, merge_all

NESTED_WITHIN: Final = timedelta(hours=1)
"""A request inside another, or a step of one, starts no later after it than this; it keeps the
search to a day or two of partitions."""

ABANDONED_AT_ONCE: Final = 1_000
"""Rows of one transaction that nobody waits for: short enough to be in nobody's way."""

_request_values: Final = attrgetter(*statements.REQUEST_COLUMNS)
_recovery_values: Final = attrgetter(*statements.RECOVERY_COLUMNS)
_STEP_TENANT: Final = statements.RECOVERY_COLUMNS.index("tenant_id")
_STEP_CALL: Final = statements.RECOVERY_COLUMNS.index("request_log_id")

_Call: TypeAlias = "tuple[str, UUID]"
"""Tenant and row of a request."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

SILENCE_MAX_S: Final = 60.0
"""Twice what the collector allows a statement; whoever waits longer has lost the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What a batch did to the tables, in rows.

    Attributes:
        requests_new: Request rows that were not there before.
        requests_changed: Request rows that moved along an allowed transition.
        recoveries_new: Recovery steps that were not there before.
        patterns_new: Error patterns that the tenant had never had.
        gone: Records from before the horizon: their days were deleted, they are not stored.
    """

    requests_new: int = 0
    requests_changed: int = 0
    recoveries_new: int = 0
    patterns_new: int = 0
    gone: tuple[RequestRecord | RecoveryRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class _PatternChange:
    tenant_id: str
    error_pattern: str
    occurrences: int
    recovered: int
    first_seen: datetime | None
    last_occurred: datetime | None


def write(conn: psycopg.Connection, batch: Batch, now: datetime) -> WriteResult:
    """Store `batch` and commit.

    Args:
        conn: Connection in role `goldseam_writer`, outside a transaction.
        batch: Records; a key that comes twice is merged as if it came in two batches.
        now: Time of writing, for `updated_at` of rows that change.

    Raises:
        BatchError: An error pattern has no `PatternRecord`, or a transaction is open on `conn`.
        psycopg.DataError: A value does not fit its column's type.
        psycopg.IntegrityError: A value is not allowed in its column.
        psycopg.OperationalError: The database went away, or was silent for too long, before or
            after the commit; writing the batch again is safe.
    """
    _check(conn, batch)
    if not batch:
        return WriteResult()
    with hung_up_after(SILENCE_MAX_S, conn), conn.transaction(), conn.cursor() as cursor:
        batch, gone = horizon.split(cursor, batch)
        _ensure_staging(cursor)
        new, changed, changes = _store_requests(cursor, merge_all(batch.requests), now)
        patterns_new = _count_patterns(cursor, changes, batch.patterns, now)
        recoveries_new = _store_recoveries(cursor, batch.recoveries)
        if new or changed:
            rollups.apply(cursor)
        if recoveries_new:
            rollups.apply_steps(cursor)
    if batch:
        with hung_up_after(SILENCE_MAX_S, conn), conn.transaction(), conn.cursor() as cursor:
            _link(cursor, batch, now)
    return WriteResult(
        requests_new=new,
        requests_changed=changed,
        recoveries_new=recoveries_new,
        patterns_new=patterns_new,
        gone=gone,
    )


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


def pattern_id(tenant_id: str, error_pattern: str) -> str:
    """Return the key of an error pattern: 16 hex digits, the same everywhere."""
    return hashlib.sha256(f"{tenant_id}/{error_pattern}".encode()).hexdigest()[:16]


def _check(conn: psycopg.Connection, batch: Batch) -> None:
    if conn.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        raise BatchError("A transaction is open on this connection; commit or roll it back first.")
    mentioned = {(r.tenant_id, r.error_pattern) for r in batch.requests if r.error_pattern}
    if missing := mentioned - batch.patterns.keys():
        raise BatchError(
            f"batch.patterns lacks {min(missing)}; add a PatternRecord for every "
            "error_pattern of batch.requests."
        )


def _ensure_staging(cursor: Cursor[Any]) -> None:
    # Asked each time: a pool or a rolled back transaction may have taken the tables away.
    row = cursor.execute(statements.STAGING_EXISTS).fetchone()
    if row is None or not row[0]:
        for statement in statements.CREATE_STAGING:
            cursor.execute(statement)
    rollups.prepare(cursor)


def _store_requests(
    cursor: Cursor[Any], records: list[RequestRecord], now: datetime
) -> tuple[int, int, list[_PatternChange]]:
    if not records:
        return 0, 0, []
    values = map(_request_values, records)
    _copy(cursor, statements.COPY_REQUESTS, statements.REQUEST_TYPES, values)
    new, changes = _moved(cursor, statements.INSERT_REQUESTS, {"now": now})
    if new == len(records):
        return new, 0, changes
    times = [record.created_at for record in records]
    span = {"now": now, "earliest": min(times), "latest": max(times)}
    changed, further = _moved(cursor, statements.UPDATE_REQUESTS, span)
    return new, changed, changes + further


def _link(cursor: Cursor[Any], batch: Batch, now: datetime) -> None:
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
    _ensure_staging(cursor)
    _copy(cursor, statements.COPY_RECOVERIES, statements.RECOVERY_TYPES, steps)
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
    _ensure_staging(cursor)
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
    _ensure_staging(cursor)
    values = map(_request_values, records)
    _copy(cursor, statements.COPY_REQUESTS, statements.REQUEST_TYPES, values)
    times = [record.created_at for record in records]
    span = {"now": now, "earliest": min(times), "latest": max(times)}
    _, changes = _moved(cursor, statements.REPLACE_REQUESTS, span)
    _count_patterns(cursor, changes, {}, now)
    rollups.apply(cursor)


def _copy(
    cursor: Cursor[Any], statement: str, types: list[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            try:
                copy.write_row(row)
            except psycopg.Error:
                raise
            except Exception as error:  # each type's encoder fails in a way of its own
                raise psycopg.DataError(f"A value does not fit its column: {error}") from error


def _moved(
    cursor: Cursor[Any], statement: str, parameters: dict[str, Any]
) -> tuple[int, list[_PatternChange]]:
    """Run `statement`; return how many rows it wrote and what that means for the patterns."""
    rows_written, changes = 0, []
    for tenant_id, pattern, rows, *counters in cursor.execute(statement, parameters):
        rows_written += rows
        if pattern is not None:
            changes.append(_PatternChange(tenant_id, pattern, *counters))
    return rows_written, changes


def _store_recoveries(cursor: Cursor[Any], records: list[RecoveryRecord]) -> int:
    if not records:
        return 0
    values = map(_recovery_values, records)
    _copy(cursor, statements.COPY_RECOVERIES, statements.RECOVERY_TYPES, values)
    # Whoever holds this lock waits for no row: so it comes after all that locks rows.
    rollups.lock(cursor)
    new = cursor.execute(step_statements.INSERT_RECOVERIES).rowcount
    if new:
        times = [record.created_at for record in records]
        within = step_statements.CALL_WITHIN
        span = {"earliest": min(times) - within, "latest": max(times) + within}
        cursor.execute(step_statements.ORDER_STEPS, span)
    return new


def _count_patterns(
    cursor: Cursor[Any],
    changes: list[_PatternChange],
    patterns: dict[tuple[str, str], PatternRecord],
    now: datetime,
) -> int:
    if not changes:
        return 0
    summed = _summed(changes)
    patterns_new = _insert_patterns(cursor, summed, patterns, now)
    columns = zip(*(astuple(change) for change in summed), strict=True)
    names = ("tenant_id", "error_pattern", "occurrences", "recovered", "first_seen")
    parameters = dict(zip((*names, "last_occurred"), map(list, columns), strict=True))
    cursor.execute(statements.LOCK_PATTERNS, parameters)
    cursor.execute(statements.UPDATE_PATTERNS, {**parameters, "now": now})
    return patterns_new


def _summed(changes: list[_PatternChange]) -> list[_PatternChange]:
    """Return one change per pattern."""
    grouped: dict[tuple[str, str], list[_PatternChange]] = {}
    for change in changes:
        grouped.setdefault((change.tenant_id, change.error_pattern), []).append(change)
    return [
        _PatternChange(
            *key,
            occurrences=sum(change.occurrences for change in group),
            recovered=sum(change.recovered for change in group),
            first_seen=min((c.first_seen for c in group if c.first_seen), default=None),
            last_occurred=max((c.last_occurred for c in group if c.last_occurred), default=None),
        )
        for key, group in grouped.items()
    ]


def _insert_patterns(
    cursor: Cursor[Any],
    changes: list[_PatternChange],
    patterns: dict[tuple[str, str], PatternRecord],
    now: datetime,
) -> int:
    # A pattern that the batch does not mention was counted, and so stored, by an earlier one.
    seen = [c for c in changes if c.first_seen and (c.tenant_id, c.error_pattern) in patterns]
    records = [patterns[change.tenant_id, change.error_pattern] for change in seen]
    parameters = {
        "tenant_id": [change.tenant_id for change in seen],
        "pattern_id": [pattern_id(change.tenant_id, change.error_pattern) for change in seen],
        "error_pattern": [change.error_pattern for change in seen],
        "error_code": [record.error_code for record in records],
        "error_message_pattern": [record.error_message_pattern for record in records],
        "provider": [record.provider for record in records],
        "normaliser_version": [record.normaliser_version for record in records],
        "first_seen": [change.first_seen for change in seen],
        "last_occurred": [change.last_occurred for change in seen],
        "probable_cause": [record.probable_cause for record in records],
        "suggested_action": [record.suggested_action for record in records],
        "now": now,
    }
    return cursor.execute(statements.INSERT_PATTERNS, parameters).rowcount
