"""Drop what is older than retention: whole days, behind the collector's back and fast.

`goldseam db prune` and the collector's maintenance call `prune`, as `goldseam_owner`. Dropping a
day's partition costs the same however many rows it has; the roll-ups stay for 13 months, and what
comes again from a dropped day is refused (`horizon`). Writers go on: a day that cannot be had
within `partitions.LOCK_TIMEOUT_S` is left for the next round.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from goldseam.storage import horizon, partitions
from goldseam.storage.rollup_tables import NAME_LISTS, SUMS

ROLLUP_DAYS: Final = 400
"""Roll-ups are kept for 13 months and some days, so that a month compares with last year's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What `prune` dropped, or would drop.

    Attributes:
        before: Rows that started before this moment are gone, those of skipped days excepted.
        partitions: Names of the dropped partitions.
        requests: Rows of `ai_request_logs` that went, exactly.
        recoveries: Rows of `ai_error_recovery` that went, exactly.
        skipped: Partitions, a default one too, that could not be had now; the next run has them.
    """

    before: datetime
    partitions: tuple[str, ...] = ()
    requests: int = 0
    recoveries: int = 0
    skipped: int = 0


def oldest_kept(days: int, today: date) -> date:
    """Return the first UTC day that retention keeps; today is never dropped."""
    return today - timedelta(days=days)


def prune(
    conn: psycopg.Connection, *, days: int, today: date, dry_run: bool = False
) -> PruneReport:
    """Drop every day before the last `days` full days; commit per partition.

    Args:
        conn: Connection in role `goldseam_owner`, outside a transaction.
        days: Days that are kept besides today, at least 1.
        today: The current UTC day.
        dry_run: Only count.

    Raises:
        ValueError: `days` is less than 1.
        psycopg.OperationalError: The connection broke; what was dropped stays dropped.
    """
    if days < 1:
        raise ValueError("Retention must keep at least 1 day; to keep everything, do not prune.")
    first = oldest_kept(days, today)
    before = datetime(first.year, first.month, first.day, tzinfo=UTC)
    if not dry_run and _if_free(conn, lambda: _advance(conn, before), "Every old day") is None:
        return PruneReport(before=before, skipped=1)
    dropped: list[str] = []
    rows = dict.fromkeys(partitions.PARTITIONED, 0)
    skipped = 0
    for table, day in partitions.existing(conn):
        if day < first:
            name = partitions.name(table, day)
            count = _drop(conn, table, day, dry_run=dry_run)
            if count is None:
                skipped += 1
                continue
            dropped.append(name)
            rows[table] += count
    for table in partitions.PARTITIONED:
        count = _drain_default(conn, table, before, dry_run=dry_run)
        skipped += count is None
        rows[table] += count or 0
    if not dry_run:
        _forget_sums(conn, before, today)
    return PruneReport(
        before=before,
        partitions=tuple(dropped),
        requests=rows["ai_request_logs"],
        recoveries=rows["ai_error_recovery"],
        skipped=skipped,
    )


def _drop(conn: psycopg.Connection, table: str, day: date, *, dry_run: bool) -> int | None:
    """Return how many rows went with a day's partition; None if it could not be had."""
    partition = sql.Identifier(partitions.name(table, day))

    def count() -> int:
        return _count(conn, table, day)

    def drop() -> int:
        conn.execute(sql.SQL("DROP TABLE {}").format(partition))
        return 0

    # Behind the horizon nobody adds a row, so what is counted before the lock is what goes.
    rows = _if_free(conn, count, partitions.name(table, day))
    if rows is None or dry_run:
        return rows
    return None if _if_free(conn, drop, partitions.name(table, day)) is None else rows


def _advance(conn: psycopg.Connection, before: datetime) -> int:
    horizon.advance(conn, before)
    return 0


def _if_free(conn: psycopg.Connection, task: Callable[[], int], name: str) -> int | None:
    """Return what `task` returns in a transaction; None if others hold their locks for long."""
    timeout_ms = str(partitions.LOCK_TIMEOUT_S * 1000)
    try:
        with conn.transaction():
            conn.execute("SELECT set_config('lock_timeout', %s, true)", (timeout_ms,))
            return task()
    except psycopg.Error as error:
        if conn.broken:
            raise
        _log.warning("%s is kept until the next round: %s", name, error)
        return None


def _count(conn: psycopg.Connection, table: str, day: date) -> int:
    # Through the table: no policy lets anyone read a partition directly.
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    query = sql.SQL("SELECT count(*) FROM {table} WHERE {column} >= %s AND {column} < %s").format(
        table=sql.Identifier(table), column=sql.Identifier(partitions.PARTITIONED[table])
    )
    row = conn.execute(query, (start, start + timedelta(days=1)))
    return _number(row.fetchone())


def _drain_default(
    conn: psycopg.Connection, table: str, before: datetime, *, dry_run: bool
) -> int | None:
    """Delete what no partition held; return how many rows that were, None if they are in use."""
    default = f"{table}_default"
    where = sql.SQL("FROM {table} WHERE {column} < %s AND tableoid = %s::regclass").format(
        table=sql.Identifier(table), column=sql.Identifier(partitions.PARTITIONED[table])
    )

    def drain() -> int:
        if dry_run:
            query = sql.SQL("SELECT count(*) ") + where
            return _number(conn.execute(query, (before, default)).fetchone())
        return conn.execute(sql.SQL("DELETE ") + where, (before, default)).rowcount

    return _if_free(conn, drain, default)


def _forget_sums(conn: psycopg.Connection, before: datetime, today: date) -> None:
    """Delete sums that are too old, and the names that they tell apart.

    Their keys lead with the tenant: whose they are is asked first, of the lists of names, which are
    short and as old as the sums.
    """
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    oldest = min(midnight - timedelta(days=ROLLUP_DAYS), before)
    with conn.transaction():
        rows = conn.execute(_TENANTS, {"day": oldest.date()}).fetchall()
        tenants = [row[0] for row in rows]
        if not tenants:
            return
        for table in SUMS:
            conn.execute(_delete(table.name, "bucket"), (tenants, oldest))
        for table in NAME_LISTS:
            conn.execute(_delete(table.name, "day"), (tenants, oldest.date()))


_TENANTS: Final = " UNION ".join(
    f"SELECT tenant_id FROM {table} WHERE day < %(day)s"  # noqa: S608 - our own tables
    for table in NAME_LISTS
)


def _delete(table: str, column: str) -> sql.Composed:
    return sql.SQL("DELETE FROM {} WHERE tenant_id = ANY (%s) AND {} < %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )


def _number(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])
