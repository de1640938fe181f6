"""The SQL of `rollups`, built once at import from `measures`.

The writer notes in the temporary table `goldseam_moved` what rows were (sign -1) and what they are
(sign 1); everything here adds up that difference. Every statement runs under `LOCK`, so nobody
else moves a sum meanwhile and the order of the rows inside a statement does not matter.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from goldseam.storage.locks import AdvisoryLock
from goldseam.storage.measures import (
    ANSWERED,
    BIN,
    ERROR_MEASURES,
    EVERYBODY,
    HAS_PATTERN,
    MEASURES,
    MODEL,
    NAMES_PER_DAY,
    OTHER,
    Measure,
)
from goldseam.storage.models import AIRequestLog
from goldseam.storage.rollup_tables import (
    ERRORS,
    LATENCY,
    NAMES,
    ROLLUPS,
    SLOW,
    SLOWEST_KEPT,
    STATS,
)

STATE: Final = (
    "tenant_id",
    "created_at",
    "id",
    "module",
    "provider_used",
    "model_requested",
    "status",
    "error_code",
    "first_error_code",
    "error_pattern",
    "retry_count",
    "processing_time_ms",
    "recovery_outcome",
    "recovery_strategy",
    "recovery_time_ms",
    "recovery_wait_ms",
    "degraded",
    "cache_hit",
    "input_tokens",
    "output_tokens",
    "tokens_used",
    "cost_usd",
    "duplicate_of",
)
"""Columns that decide how a row counts, in patterns and in roll-ups."""


def _create_moved() -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    columns = AIRequestLog.__table__.columns
    typed = ", ".join(f"{name} {columns[name].type.compile(dialect)}" for name in STATE)
    return f"CREATE TEMPORARY TABLE goldseam_moved ({typed}, sign integer) ON COMMIT DELETE ROWS"


CREATE_MOVED: Final = _create_moved()

MOVED_EXISTS: Final = "SELECT to_regclass('pg_temp.goldseam_moved') IS NOT NULL"

LOCK: Final = f"SELECT pg_advisory_xact_lock({AdvisoryLock.ROLLUPS:d})"
"""Any number will do, as long as no other program locks the same.

Two writers would wait for each other anyway, at the sums of all tenants; one lock makes that wait
free of deadlocks, and what is decided by looking (names, slowest requests) exact.
"""

_HOUR: Final = "date_trunc('hour', created_at, 'UTC')"
_DAY_OF_HOUR: Final = "date_trunc('day', hour, 'UTC')"

_MISSING: Final = """
    coalesce(
        (array_agg(DISTINCT d.{kind}) FILTER (
            WHERE n.{kind}s IS NULL
            OR (cardinality(n.{kind}s) < {cap} AND d.{kind} <> ALL (n.{kind}s))
        ))[1:{cap}],
        '{{}}'
    ) AS {kind}s
"""

_KINDS: Final = ("provider", "model", "module")

ADMIT_NAMES: Final = f"""
    INSERT INTO {NAMES} AS t (tenant_id, day, providers, models, modules)
    SELECT * FROM (
        SELECT s.tenant_id, d.day,
            {", ".join(_MISSING.format(kind=kind, cap=NAMES_PER_DAY) for kind in _KINDS)}
        FROM (
            SELECT DISTINCT tenant_id, (created_at AT TIME ZONE 'UTC')::date AS day,
                provider_used AS provider, {MODEL} AS model, module
            FROM goldseam_moved
        ) AS d
        CROSS JOIN LATERAL (VALUES (d.tenant_id), ('{EVERYBODY}')) AS s (tenant_id)
        LEFT JOIN {NAMES} AS n ON (n.tenant_id, n.day) = (s.tenant_id, d.day)
        GROUP BY 1, 2
    ) AS missing
    WHERE cardinality(providers) + cardinality(models) + cardinality(modules) > 0
    ON CONFLICT (tenant_id, day) DO UPDATE SET
        {", ".join(f"{k}s = (t.{k}s || excluded.{k}s)[1:{NAMES_PER_DAY}]" for k in _KINDS)}
"""
"""Give names a place of their own while there is room; a name that has none never gets one, so
what was added under `other` is also taken away there."""


def _named(kind: str) -> str:
    return f"CASE WHEN c.{kind} = ANY (n.{kind}s) THEN c.{kind} ELSE '{OTHER}' END AS {kind}"


def _add_up(
    tables: dict[tuple[str, bool], Table],
    dimensions: dict[str, str],
    measures: Iterable[Measure],
    condition: str,
) -> str:
    """Return the statement that adds the moved rows to the four tables of one kind.

    Args:
        tables: Tables by grain and by whether they hold everybody.
        dimensions: Column of the tables → its value in a row of `ai_request_logs`.
        measures: What is summed.
        condition: Which rows count.
    """
    names = [measure.name for measure in measures]
    sums = ", ".join(f"sum(sign * ({measure.sql})) AS {measure.name}" for measure in measures)
    kept = ", ".join(_named(d) if d in _KINDS else f"c.{d}" for d in dimensions)
    key = ", ".join(("tenant_id", "bucket", *dimensions))
    inserts = {
        (grain, everybody): f"""
            INSERT INTO {table} AS t ({key}, {", ".join(names)})
            SELECT tenant_id, {grain}, {", ".join(dimensions)},
                {", ".join(f"coalesce(sum({name}), 0)" for name in names)}
            FROM delta WHERE (tenant_id = '{EVERYBODY}') = {everybody}
            GROUP BY tenant_id, {grain}, {", ".join(dimensions)}
            ON CONFLICT ({key}) DO UPDATE SET
                {", ".join(f"{name} = t.{name} + excluded.{name}" for name in names)}
        """
        for (grain, everybody), table in tables.items()
    }
    last = inserts.pop(("day", True))
    others = ", ".join(
        f"{grain}_{'all' if everybody else 'each'} AS ({insert})"
        for (grain, everybody), insert in inserts.items()
    )
    return f"""
        WITH counted AS (
            SELECT tenant_id, {_HOUR} AS hour,
                {", ".join(f"{value} AS {name}" for name, value in dimensions.items())}, {sums}
            FROM goldseam_moved WHERE duplicate_of IS NULL AND {condition}
            GROUP BY tenant_id, hour, {", ".join(dimensions.values())}
        ), delta AS MATERIALIZED (
            SELECT s.tenant_id, c.hour, {_DAY_OF_HOUR} AS day, {kept}, {", ".join(names)}
            FROM counted AS c
            CROSS JOIN LATERAL (VALUES (c.tenant_id), ('{EVERYBODY}')) AS s (tenant_id)
            JOIN {NAMES} AS n ON n.tenant_id = s.tenant_id
                AND n.day = (c.hour AT TIME ZONE 'UTC')::date
        ), {others}
        {last}
    """


ADD_STATS: Final = _add_up(
    STATS, {"provider": "provider_used", "model": MODEL, "module": "module"}, MEASURES, "true"
)

ADD_LATENCY: Final = _add_up(
    LATENCY,
    {"provider": "provider_used", "module": "module", "bin": BIN},
    (Measure("request_count", "true", "1", "Requests in the bin"),),
    ANSWERED,
)

ADD_ERRORS: Final = _add_up(
    ERRORS,
    {"error_pattern": "error_pattern", "module": "module"},
    ERROR_MEASURES,
    HAS_PATTERN,
)

_LISTED: Final = f"{ANSWERED} AND duplicate_of IS NULL"
_ENTRY: Final = "tenant_id, bucket, created_at, id, processing_time_ms"


def _slow_group(*, everybody: bool) -> str:
    """Return the columns that one list of the slowest is kept for."""
    return "bucket" if everybody else "tenant_id, bucket"


def _forget_slow(*, everybody: bool) -> str:
    return f"""
        DELETE FROM {SLOW[everybody]} AS t USING goldseam_moved AS m
        WHERE m.sign < 0 AND t.bucket = {_HOUR.replace("created_at", "m.created_at")}
            AND (t.tenant_id, t.created_at, t.id) = (m.tenant_id, m.created_at, m.id)
        RETURNING t.tenant_id, t.bucket
    """


def _relist_slow(*, everybody: bool) -> str:
    mine = "true" if everybody else "l.tenant_id = touched.tenant_id"
    return f"""
        INSERT INTO {SLOW[everybody]} ({_ENTRY})
        SELECT l.tenant_id, touched.bucket, l.created_at, l.id, l.processing_time_ms
        FROM unnest(%(tenants)s::text[], %(buckets)s::timestamptz[]) AS touched (tenant_id, bucket)
        CROSS JOIN LATERAL (
            SELECT * FROM ai_request_logs AS l
            WHERE {mine} AND l.created_at >= touched.bucket
                AND l.created_at < touched.bucket + interval '1 hour' AND {_LISTED}
            ORDER BY l.processing_time_ms DESC LIMIT {SLOWEST_KEPT}
        ) AS l
        ON CONFLICT DO NOTHING
    """


def _list_slow(*, everybody: bool) -> str:
    group = _slow_group(everybody=everybody)
    return f"""
        WITH candidates AS (
            SELECT {_ENTRY}, row_number() OVER (
                PARTITION BY {group} ORDER BY processing_time_ms DESC
            ) AS place
            FROM (SELECT *, {_HOUR} AS bucket FROM goldseam_moved) AS m
            WHERE sign > 0 AND {_LISTED}
        ), bars AS (
            SELECT {group}, (
                SELECT t.processing_time_ms FROM {SLOW[everybody]} AS t
                WHERE ({_prefixed("t", group)}) = ({_prefixed("g", group)})
                ORDER BY 1 DESC OFFSET {SLOWEST_KEPT - 1} LIMIT 1
            ) AS bar_ms
            FROM (SELECT DISTINCT {group} FROM candidates) AS g
        ), listed AS (
            INSERT INTO {SLOW[everybody]} ({_ENTRY})
            SELECT {_ENTRY} FROM candidates JOIN bars USING ({group})
            WHERE place <= {SLOWEST_KEPT} AND (bar_ms IS NULL OR processing_time_ms > bar_ms)
            ON CONFLICT DO NOTHING
            RETURNING tenant_id, bucket
        )
        SELECT DISTINCT tenant_id, bucket FROM listed
    """


def _trim_slow(*, everybody: bool) -> str:
    group = _slow_group(everybody=everybody)
    mine = "true" if everybody else "tenant_id = ANY (%(tenants)s::text[])"
    return f"""
        DELETE FROM {SLOW[everybody]} AS t USING (
            SELECT {_ENTRY}, row_number() OVER (
                PARTITION BY {group} ORDER BY processing_time_ms DESC
            ) AS place
            FROM {SLOW[everybody]}
            WHERE bucket = ANY (%(buckets)s::timestamptz[]) AND {mine}
        ) AS ranked
        WHERE ranked.place > {SLOWEST_KEPT}
            AND (t.tenant_id, t.bucket, t.created_at, t.id)
                = (ranked.tenant_id, ranked.bucket, ranked.created_at, ranked.id)
    """


def _prefixed(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


FORGET_SLOW: Final = {everybody: _forget_slow(everybody=everybody) for everybody in SLOW}
"""Take listed rows that moved out of the lists; return where."""

RELIST_SLOW: Final = {everybody: _relist_slow(everybody=everybody) for everybody in SLOW}
"""Make a list anew from the rows, where a listed one has moved."""

LIST_SLOW: Final = {everybody: _list_slow(everybody=everybody) for everybody in SLOW}
"""List moved rows that are slow enough; return where."""

TRIM_SLOW: Final = {everybody: _trim_slow(everybody=everybody) for everybody in SLOW}
"""Cut lists that grew down to their length."""

MOVE_DAY: Final = f"""
    INSERT INTO goldseam_moved ({", ".join(STATE)}, sign)
    SELECT {", ".join(STATE)}, 1 FROM ai_request_logs
    WHERE created_at >= %(start)s AND created_at < %(end)s
"""
"""Note every row of a day as new."""

FORGET_DAY: Final = tuple(
    f"DELETE FROM {table} WHERE day = %(day)s"
    if table is NAMES
    else f"DELETE FROM {table} WHERE bucket >= %(start)s AND bucket < %(end)s"
    for table in ROLLUPS
)

DAYS_WITH_ROWS: Final = """
    WITH RECURSIVE days AS (
        SELECT date_trunc('day', min(created_at), 'UTC') AS day FROM ai_request_logs
        UNION ALL
        SELECT (
            SELECT date_trunc('day', min(created_at), 'UTC') FROM ai_request_logs
            WHERE created_at >= days.day + interval '1 day'
        )
        FROM days WHERE day IS NOT NULL
    )
    SELECT (day AT TIME ZONE 'UTC')::date FROM days WHERE day IS NOT NULL
"""
"""Every day that has rows, found by one index look-up a day."""
