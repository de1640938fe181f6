"""Daily partitions of the tables that grow and go with their days.

The collector's maintenance calls `ensure` at start and every hour, for some days ahead. A day
without a partition loses nothing: its rows go to the default partition, and move out of it when
the day's own is made. Days are UTC.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql

from goldseam.storage.engine import connect
from goldseam.storage.locks import AdvisoryLock
from goldseam.storage.roles import Role

_log = logging.getLogger(__name__)

PARTITIONED: Final = {
    "ai_request_logs": "created_at",
    "ai_error_recovery": "created_at",
    "ai_stats_slow_hour": "bucket",
    "ai_stats_slow_hour_all": "bucket",
}
"""Table → column that decides the day: the rows, and the lists that name some of them."""

LOCK_TIMEOUT_S: Final = 2
"""Attaching waits for whoever uses the default partition, and everybody else waits behind it: a
day that cannot be had soon is left for the next round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReport:
    """What `ensure` did.

    Attributes:
        created: Names of the partitions that it made.
        rows_moved: Rows that it moved out of the default partitions.
        skipped: Partitions that could not be made now; a warning in the log says why.
    """

    created: tuple[str, ...] = ()
    rows_moved: int = 0
    skipped: int = 0


def ensure(
    conn_or_url: psycopg.Connection | str, first_day: date, last_day: date
) -> PartitionReport:
    """Make the partitions of all days from `first_day` to `last_day`, both included.

    Several processes may do this at once. A day that cannot be made is skipped and counted.

    Args:
        conn_or_url: Connection in role `goldseam_owner`, outside a transaction, or a URL.
        first_day: First UTC day.
        last_day: Last UTC day.

    Raises:
        StorageError: Connecting to the URL failed.
        psycopg.OperationalError: The connection broke.
    """
    created: list[str] = []
    rows_moved = skipped = 0
    with _connection(conn_or_url) as conn:
        for table, day in _missing(conn, first_day, last_day):
            try:
                moved = _create(conn, table, day)
            except psycopg.Error as error:
                if conn.broken:
                    raise
                _log.warning("Partition %s is left for later: %s", name(table, day), error)
                skipped += 1
                continue
            if moved is not None:
                created.append(name(table, day))
                rows_moved += moved
    return PartitionReport(created=tuple(created), rows_moved=rows_moved, skipped=skipped)


@contextmanager
def _connection(conn_or_url: psycopg.Connection | str) -> Iterator[psycopg.Connection]:
    if isinstance(conn_or_url, str):
        with connect(conn_or_url, Role.OWNER) as conn:
            yield conn
    else:
        yield conn_or_url


def existing(conn: psycopg.Connection) -> list[tuple[str, date]]:
    """Return table and day of every daily partition, oldest first."""
    with conn.transaction():
        rows = conn.execute(
            "SELECT inhparent::regclass::text, right(inhrelid::regclass::text, 8) FROM pg_inherits"
            " WHERE inhparent::regclass::text = ANY (%s)"
            " AND inhrelid::regclass::text ~ '_p[0-9]{8}$'",
            (list(PARTITIONED),),
        ).fetchall()
    return sorted(
        ((table, date.fromisoformat(digits)) for table, digits in rows), key=lambda found: found[1]
    )


def _missing(conn: psycopg.Connection, first_day: date, last_day: date) -> list[tuple[str, date]]:
    present = set(existing(conn))
    days = [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]
    return [(table, day) for day in days for table in PARTITIONED if (table, day) not in present]


def _create(conn: psycopg.Connection, table: str, day: date) -> int | None:
    """Make one partition in one transaction.

    Returns:
        Rows that were moved into it; None if another process made it meanwhile.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    names = {
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "partition": sql.Identifier(name(table, day)),
        "column": sql.Identifier(PARTITIONED[table]),
        "start": sql.Literal(start),
        "end": sql.Literal(start + timedelta(days=1)),
    }
    with conn.transaction():
        conn.execute("SELECT set_config('lock_timeout', %s, true)", (str(LOCK_TIMEOUT_S * 1000),))
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (AdvisoryLock.PARTITIONS.value,))
        row = conn.execute("SELECT to_regclass(%s)", (name(table, day),)).fetchone()
        if row is not None and row[0] is not None:
            return None
        for statement in _PREPARE:
            conn.execute(sql.SQL(statement).format(**names))
        moved = conn.execute(sql.SQL(_MOVE).format(**names)).rowcount
        for statement in _ATTACH:
            conn.execute(sql.SQL(statement).format(**names))
    return moved


# ATTACH lets readers and writers of the other days go on, which CREATE … PARTITION OF does not.
_PREPARE: Final = (
    "LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE",
    "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
    """
    CREATE TABLE {partition} (
        LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING COMMENTS
    )
    """,
)

# Through the table: no policy lets anyone, not even its owner, read a partition directly.
_MOVE: Final = """
    WITH moved AS (
        DELETE FROM {table} WHERE {column} >= {start} AND {column} < {end} RETURNING *
    )
    INSERT INTO {partition} SELECT * FROM moved
"""

_ATTACH: Final = (
    "ALTER TABLE {partition} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {partition} FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})",
)


def name(table: str, day: date) -> str:
    """Return the name of the partition of a table and a UTC day."""
    return f"{table}_p{day:%Y%m%d}"
