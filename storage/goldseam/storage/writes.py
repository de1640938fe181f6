"""Store a batch of records, exactly once however often it is delivered.

One transaction carries the rows and their counters; a second one ties them to what others have
stored (`rewrites.link_batch`).

Called by the collector's writer thread. When `write` returns, the rows are committed; when it
raises, nothing of the batch is stored and the connection is ready for the next batch. Whether a
row is new is asked of the table, never remembered: any number of writers may run at once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import Cursor
from psycopg.pq import TransactionStatus

from goldseam.storage import (
    horizon,
    pattern_counters,
    rewrites,
    rollups,
    staging,
    step_statements,
)
from goldseam.storage import write_statements as statements
from goldseam.storage.errors import BatchError
from goldseam.storage.patience import hung_up_after
from goldseam.storage.records import Batch, RecoveryRecord, RequestRecord
from goldseam.storage.transitions import merge_all

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
        staging.ensure(cursor)
        new, changed, changes = _store_requests(cursor, merge_all(batch.requests), now)
        patterns_new = pattern_counters.count(cursor, changes, batch.patterns, now)
        recoveries_new = _store_recoveries(cursor, batch.recoveries)
        if new or changed:
            rollups.apply(cursor)
        if recoveries_new:
            rollups.apply_steps(cursor)
    if batch:
        with hung_up_after(SILENCE_MAX_S, conn), conn.transaction(), conn.cursor() as cursor:
            rewrites.link_batch(cursor, batch, now)
    return WriteResult(
        requests_new=new,
        requests_changed=changed,
        recoveries_new=recoveries_new,
        patterns_new=patterns_new,
        gone=gone,
    )


def _check(conn: psycopg.Connection, batch: Batch) -> None:
    if conn.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        raise BatchError("A transaction is open on this connection; commit or roll it back first.")
    mentioned = {(r.tenant_id, r.error_pattern) for r in batch.requests if r.error_pattern}
    if missing := mentioned - batch.patterns.keys():
        raise BatchError(
            f"batch.patterns lacks {min(missing)}; add a PatternRecord for every "
            "error_pattern of batch.requests."
        )


def _store_requests(
    cursor: Cursor[Any], records: list[RequestRecord], now: datetime
) -> tuple[int, int, list[pattern_counters.PatternChange]]:
    if not records:
        return 0, 0, []
    staging.requests(cursor, records)
    new, changes = pattern_counters.moved(cursor, statements.INSERT_REQUESTS, {"now": now})
    if new == len(records):
        return new, 0, changes
    times = [record.created_at for record in records]
    span = {"now": now, "earliest": min(times), "latest": max(times)}
    changed, further = pattern_counters.moved(cursor, statements.UPDATE_REQUESTS, span)
    return new, changed, changes + further


def _store_recoveries(cursor: Cursor[Any], records: list[RecoveryRecord]) -> int:
    if not records:
        return 0
    staging.recoveries(cursor, records)
    # Whoever holds this lock waits for no row: so it comes after all that locks rows.
    rollups.lock(cursor)
    new = cursor.execute(step_statements.INSERT_RECOVERIES).rowcount
    if new:
        times = [record.created_at for record in records]
        within = step_statements.CALL_WITHIN
        span = {"earliest": min(times) - within, "latest": max(times) + within}
        cursor.execute(step_statements.ORDER_STEPS, span)
    return new
