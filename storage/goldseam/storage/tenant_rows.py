"""Delete old rows of one tenant, in batches, while everybody else's stay.

`DELETE /logs/old-logs` calls it for a tenant's key; whole days of all tenants go by `retention`.
The roll-ups keep the tenant's sums: they are figures, not rows. What comes again is refused.
"""

from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from goldseam.storage import horizon
from goldseam.storage.retention import PruneReport, oldest_kept
from goldseam.storage.rollup_tables import SLOW

BATCH_ROWS: Final = 5_000
"""Few enough that writers wait for milliseconds."""


def prune_tenant(
    conn: psycopg.Connection, tenant: str, *, days: int, now: datetime, dry_run: bool = False
) -> PruneReport:
    """Delete a tenant's rows of before the last `days` full days; commit per batch.

    Args:
        conn: Connection in role `goldseam_owner`, outside a transaction.
        tenant: Whose rows.
        days: Days that are kept besides today, at least 1.
        now: The current time.
        dry_run: Only count.
    """
    first = oldest_kept(days, now.astimezone(UTC).date())
    before = datetime(first.year, first.month, first.day, tzinfo=UTC)
    place = {"tenant": tenant, "before": before, "batch": BATCH_ROWS}
    if not dry_run:
        with conn.transaction():
            horizon.advance(conn, before, tenant=tenant)
    handle = _count if dry_run else _delete
    requests = handle(conn, "ai_request_logs", place)
    recoveries = handle(conn, "ai_error_recovery", place)
    if not dry_run:
        _forget_slow(conn, place)
    return PruneReport(before=before, requests=requests, recoveries=recoveries)


_MINE: Final = sql.SQL("FROM {table} WHERE tenant_id = %(tenant)s AND created_at < %(before)s")

_BATCH: Final = sql.SQL("""
    DELETE FROM {table} WHERE tenant_id = %(tenant)s AND created_at < %(before)s
        AND (created_at, id) IN (SELECT created_at, id {mine} LIMIT %(batch)s)
""")

_SLOW: Final = sql.SQL("DELETE FROM {table} WHERE tenant_id = %(tenant)s AND bucket < %(before)s")


def _count(conn: psycopg.Connection, table: str, place: dict[str, Any]) -> int:
    query = sql.SQL("SELECT count(*) ") + _MINE.format(table=sql.Identifier(table))
    with conn.transaction():
        row = conn.execute(query, place).fetchone()
    return 0 if row is None else int(row[0])


def _delete(conn: psycopg.Connection, table: str, place: dict[str, Any]) -> int:
    name = sql.Identifier(table)
    statement = _BATCH.format(table=name, mine=_MINE.format(table=name))
    total = 0
    while True:
        with conn.transaction():
            gone = conn.execute(statement, place).rowcount
        total += gone
        if gone < BATCH_ROWS:
            return total


def _forget_slow(conn: psycopg.Connection, place: dict[str, Any]) -> None:
    with conn.transaction():
        for table in SLOW.values():
            conn.execute(_SLOW.format(table=sql.Identifier(table.name)), place)
