"""The SQL of `rollups`, built once at import from `measures`; `step_statements` has that of steps.

The writer notes in the temporary table `goldseam_moved` what rows were (sign -1) and what they are
(sign 1); everything here adds up that difference. Every statement runs under `LOCK`, so nobody
else moves a sum meanwhile and the order of the rows inside a statement does not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from goldseam.storage.locks import AdvisoryLock
from goldseam.storage.measures import (
    ANSWERED,
    CODE,
    ERROR_MEASURES,
    EVERYBODY,
    MET_ERROR,
    MODEL,
    NAMES_PER_DAY,
    OTHER,
    PATTERN,
    TOTALS,
    Measure,
)
from goldseam.storage.models import AIRequestLog, Base
from goldseam.storage.rollup_tables import (
    BY_MODEL,
    ERRORS,
    LISTS,
    NAMES,
    SLOW,
    SLOWEST_KEPT,
    TOTALS_OF,
    is_full,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows that sums are made of.

    Attributes:
        moved: Temporary table that notes them, with their `sign`.
        names: Table that lists the names that are told apart.
        named: Column of the sums whose names are listed there → its value in a row.
    """

    moved: str
    names: Table
    named: dict[str, str]


REQUESTS: Final = Source(
    moved="goldseam_moved",
    names=NAMES,
    named={"provider": "provider_used", "model": MODEL, "module": "module"},
)


def create_moved(source: Source, model: type[Base], state: tuple[str, ...]) -> str:
    """Return the statement that makes the temporary table of a source."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    columns = model.__table__.columns
    typed = ", ".join(f"{name} {columns[name].type.compile(dialect)}" for name in state)
    return f"CREATE TEMPORARY TABLE {source.moved} ({typed}, sign integer) ON COMMIT DELETE ROWS"


CREATE_MOVED: Final = create_moved(REQUESTS, AIRequestLog, STATE)

LOCK: Final = f"SELECT pg_advisory_xact_lock({AdvisoryLock.ROLLUPS:d})"
"""Any number will do, as long as no other program locks the same.

Two writers would wait for each other anyway, at the sums of all tenants; one lock makes that wait
free of deadlocks, and what is decided by looking (names, slowest requests) exact.
"""

# date_bin is plain arithmetic; date_trunc looks its time zone up for every row.
_EPOCH: Final = "timestamptz '1970-01-01T00:00:00Z'"
_HOUR: Final = f"date_bin('1 hour', created_at, {_EPOCH})"
_DAY_OF_HOUR: Final = f"date_bin('1 day', hour, {_EPOCH})"


def scope(source: Source) -> str:
    """Return the question for the first and last hour of what moved, and whether rows changed."""
    return f"""
        SELECT min({_HOUR}), max({_HOUR}), coalesce(bool_or(sign < 0), false) FROM {source.moved}
    """


SCOPE: Final = scope(REQUESTS)

_MISSING: Final = """
    coalesce(
        (array_agg(DISTINCT d.{kind}) FILTER (
            WHERE n.{list} IS NULL
            OR (cardinality(n.{list}) < {cap} AND d.{kind} <> ALL (n.{list}))
        ))[1:{cap}],
        '{{}}'
    ) AS {list}
"""


_OF_THESE_DAYS: Final = """
    n.day >= (%(first)s AT TIME ZONE 'UTC')::date AND n.day <= (%(last)s AT TIME ZONE 'UTC')::date
"""
"""Without it the names of thirteen months are read for each batch."""


def admit_names(source: Source) -> str:
    """Return the statement that gives names a place of their own while there is room.

    A name that has none never gets one, so what was added under `other` is also taken away there.
    """
    kinds, lists = tuple(source.named), [LISTS[kind] for kind in source.named]
    missing = (_MISSING.format(kind=k, list=LISTS[k], cap=NAMES_PER_DAY) for k in kinds)
    return f"""
        INSERT INTO {source.names} AS t (tenant_id, day, {", ".join(lists)})
        SELECT * FROM (
            SELECT s.tenant_id, d.day, {", ".join(missing)}
            FROM (
                SELECT DISTINCT tenant_id, (created_at AT TIME ZONE 'UTC')::date AS day,
                    {", ".join(f"{value} AS {kind}" for kind, value in source.named.items())}
                FROM {source.moved}
            ) AS d
            CROSS JOIN LATERAL (VALUES (d.tenant_id), ('{EVERYBODY}')) AS s (tenant_id)
            LEFT JOIN {source.names} AS n ON (n.tenant_id, n.day) = (s.tenant_id, d.day)
                AND {_OF_THESE_DAYS}
            WHERE n.day IS NULL OR {" OR ".join(f"d.{k} <> ALL (n.{LISTS[k]})" for k in kinds)}
            GROUP BY 1, 2
        ) AS missing
        WHERE {" + ".join(f"cardinality({names})" for names in lists)} > 0
        ON CONFLICT (tenant_id, day) DO UPDATE SET
            {", ".join(f"{n} = (t.{n} || excluded.{n})[1:{NAMES_PER_DAY}]" for n in lists)}
    """


ADMIT_NAMES: Final = admit_names(REQUESTS)


def has_full_names(source: Source) -> str:
    """Return the question whether a name of these hours may count as `other`."""
    return f"""
        SELECT EXISTS (
            SELECT FROM {source.names} AS n WHERE {is_full(*source.named)} AND {_OF_THESE_DAYS}
        )
    """


HAS_FULL_NAMES: Final = has_full_names(REQUESTS)


def _named(kind: str) -> str:
    """Return a name that has a place, or `other`; a list with room holds every name of its day."""
    names = f"n.{LISTS[kind]}"
    has_place = f"cardinality({names}) < {NAMES_PER_DAY} OR r.{kind} = ANY ({names})"
    return f"CASE WHEN {has_place} THEN r.{kind} ELSE '{OTHER}' END AS {kind}"


_COUNTS: Final = "CASE WHEN duplicate_of IS NULL AND {condition} THEN true ELSE false END"
"""A condition by which the planner, that knows nothing of the temporary table, expects many rows;
else it takes each by a look-up of its own."""


def _conditions(measures: tuple[Measure, ...]) -> list[str]:
    return list(dict.fromkeys(measure.condition for measure in measures))


def _values(measures: tuple[Measure, ...]) -> list[str]:
    return list(dict.fromkeys(m.whole for m in measures if m.value != "1"))


def _marked(
    source: Source, dimensions: dict[str, str], measures: tuple[Measure, ...], condition: str
) -> str:
    """Return the query for what the moved rows add: each condition and value worked out once."""
    columns = [
        *(f"{value} AS {name}" for name, value in dimensions.items()),
        *(f"({each}) AS is_{n}" for n, each in enumerate(_conditions(measures))),
        *(f"{value} AS value_{n}" for n, value in enumerate(_values(measures))),
    ]
    # OFFSET 0: otherwise every use of a column would work it out again.
    return f"""
        SELECT tenant_id, {_HOUR} AS hour, sign, {", ".join(columns)}
        FROM {source.moved} WHERE {condition} OFFSET 0
    """


def _sum_of_marked(measure: Measure, measures: tuple[Measure, ...]) -> str:
    """Return the sum of one measure over the rows of `_marked`."""
    added = "sign"
    if measure.value != "1":
        added = f"sign * value_{_values(measures).index(measure.whole)}"
    counted = f"is_{_conditions(measures).index(measure.condition)}"
    total = f"coalesce(sum({added}) FILTER (WHERE {counted}), 0)"
    return f"{total}::{measure.whole_type} AS {measure.name}"


def _sums_of_sums(measures: Iterable[Measure]) -> str:
    return ", ".join(f"sum({m.name})::{m.whole_type} AS {m.name}" for m in measures)


def add_up(
    source: Source,
    kinds: Iterable[dict[tuple[str, bool], Table]],
    dimensions: dict[str, str],
    measures: tuple[Measure, ...],
    condition: str,
) -> dict[tuple[bool, bool], str]:
    """Return the statement that adds the moved rows to all tables of some kinds.

    It comes in four forms: by whether all rows are of one hour, whose sums are then the day's, and
    whether there may be names that count as `other`, for which every row has to be looked at.

    Args:
        source: Whose rows.
        kinds: For each kind its tables by grain and by whether they hold everybody.
        dimensions: Column of the tables → its value in a row; a kind may leave some out.
        measures: What is summed; a kind may leave some out.
        condition: Which rows count.
    """
    return {
        (one_hour, full): _add_up(
            source, kinds, dimensions, measures, condition, one_hour=one_hour, full=full
        )
        for one_hour in (False, True)
        for full in (False, True)
    }


def _add_up(
    source: Source,
    kinds: Iterable[dict[tuple[str, bool], Table]],
    dimensions: dict[str, str],
    measures: tuple[Measure, ...],
    condition: str,
    *,
    one_hour: bool,
    full: bool,
) -> str:
    kept = ", ".join(_named(d) if full and d in source.named else f"r.{d}" for d in dimensions)
    places = ", ".join(str(n) for n in range(1, len(dimensions) + 3))
    marked = _marked(source, dimensions, measures, condition)
    names = mine = everybodys = ""
    if full:
        names = f"JOIN {source.names} AS n ON n.day = (r.hour AT TIME ZONE 'UTC')::date"
        mine, everybodys = "AND n.tenant_id = r.tenant_id", f"AND n.tenant_id = '{EVERYBODY}'"
    upserts: list[str] = []
    for tables in kinds:
        upserts += _upserts(tables, tuple(dimensions), measures, one_hour=one_hour)
    return f"""
        WITH each AS MATERIALIZED (
            SELECT r.tenant_id, r.hour, {kept},
                {", ".join(_sum_of_marked(measure, measures) for measure in measures)}
            FROM ({marked}) AS r {names} {mine}
            GROUP BY {places}
        ), everybody AS MATERIALIZED (
            SELECT '{EVERYBODY}' AS tenant_id, r.hour, {kept}, {_sums_of_sums(measures)}
            FROM each AS r {names} {everybodys}
            GROUP BY {places}
        ), {", ".join(upserts)}
        SELECT
    """


def _upserts(
    tables: dict[tuple[str, bool], Table],
    dimensions: tuple[str, ...],
    measures: tuple[Measure, ...],
    *,
    one_hour: bool,
) -> list[str]:
    """Return the parts of the statement that add to the tables of one kind."""
    parts = []
    for everybody, finest in ((False, "each"), (True, "everybody")):
        hourly = tables["hour", everybody]
        kept = tuple(name for name in dimensions if name in hourly.columns)
        source = finest if kept == dimensions else f"of_{hourly}"
        if source != finest:
            key = ", ".join(("tenant_id", "hour", *kept))
            grouped = f"SELECT {key}, {_sums_of_sums(measures)} FROM {finest} GROUP BY {key}"
            parts.append(f"{source} AS MATERIALIZED ({grouped})")
        parts.append(f"in_{hourly} AS ({_upsert(hourly, 'hour', source, kept, measures)})")
        if ("day", everybody) in tables:
            daily = tables["day", everybody]
            key = ", ".join(("tenant_id", "day", *kept))
            days = f"(SELECT *, {_DAY_OF_HOUR} AS day FROM {source}) AS days"
            if not one_hour:
                days = f"(SELECT {key}, {_sums_of_sums(measures)} FROM {days} GROUP BY {key}) AS d"
            parts.append(f"in_{daily} AS ({_upsert(daily, 'day', days, kept, measures)})")
    return parts


def _upsert(
    table: Table, grain: str, source: str, kept: Iterable[str], measures: Iterable[Measure]
) -> str:
    """Return the statement that adds the sums in `source`, one row a key, to one table."""
    key = ", ".join(kept)
    summed = [measure for measure in measures if measure.name in table.columns]
    names = [measure.name for measure in summed]
    return f"""
        INSERT INTO {table} AS t (tenant_id, bucket, {key}, {", ".join(names)})
        SELECT tenant_id, {grain}, {key}, {", ".join(m.of_whole(m.name) for m in summed)}
        FROM {source} WHERE true
        ON CONFLICT (tenant_id, bucket, {key}) DO UPDATE SET
            {", ".join(f"{name} = t.{name} + excluded.{name}" for name in names)}
    """


ADD_STATS: Final = add_up(
    REQUESTS, (BY_MODEL, TOTALS_OF), REQUESTS.named, TOTALS, _COUNTS.format(condition="true")
)

ADD_ERRORS: Final = add_up(
    REQUESTS,
    (ERRORS,),
    {"error_pattern": PATTERN, "module": "module", "error_code": CODE},
    ERROR_MEASURES,
    _COUNTS.format(condition=MET_ERROR),
)

_LISTED: Final = f"{ANSWERED} AND duplicate_of IS NULL"
_ENTRY: Final = "tenant_id, bucket, created_at, id, processing_time_ms"

_NEAR: Final = "t.bucket >= %(first)s AND t.bucket <= %(last)s"
"""What every search in the lists asks for: so that it looks into the partitions of these hours."""


def _forget_slow(*, everybody: bool) -> str:
    return f"""
        DELETE FROM {SLOW[everybody]} AS t USING goldseam_moved AS m
        WHERE {_NEAR} AND m.sign < 0 AND t.bucket = {_HOUR.replace("created_at", "m.created_at")}
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
                AND l.created_at >= %(first)s AND l.created_at < %(last)s + interval '1 hour'
            ORDER BY l.processing_time_ms DESC LIMIT {SLOWEST_KEPT}
        ) AS l
        ON CONFLICT DO NOTHING
    """


def _bar(*, everybody: bool, of: str) -> str:
    """Return the query for the duration of the last request that a list has to hold."""
    mine = "true" if everybody else f"t.tenant_id = {of}.tenant_id"
    return f"""
        SELECT t.processing_time_ms FROM {SLOW[everybody]} AS t
        WHERE {_NEAR} AND t.bucket = {of}.bucket AND {mine}
        ORDER BY 1 DESC OFFSET {SLOWEST_KEPT - 1} LIMIT 1
    """


def _listing(source: str, *, everybody: bool) -> str:
    """Return the parts of a statement that list what is slow enough in `source`, as `…_listed`."""
    group = "bucket" if everybody else "tenant_id, bucket"
    name = "all" if everybody else "each"
    return f"""
        {name}_bars AS MATERIALIZED (
            SELECT {group}, ({_bar(everybody=everybody, of="g")}) AS bar_ms
            FROM (SELECT DISTINCT {group} FROM {source}) AS g
        ), {name}_listed AS (
            INSERT INTO {SLOW[everybody]} ({_ENTRY})
            SELECT {_ENTRY} FROM (
                SELECT {_ENTRY}, row_number() OVER (
                    PARTITION BY {group} ORDER BY processing_time_ms DESC
                ) AS place
                FROM {source} JOIN {name}_bars USING ({group})
                WHERE bar_ms IS NULL OR processing_time_ms > bar_ms
            ) AS ranked
            WHERE place <= {SLOWEST_KEPT}
            ON CONFLICT DO NOTHING
            RETURNING {_ENTRY}
        )
    """


def _trim_slow(*, everybody: bool) -> str:
    touched = "unnest(%(buckets)s::timestamptz[]) AS touched (bucket)"
    mine = "true"
    if not everybody:
        touched = (
            "unnest(%(tenants)s::text[], %(buckets)s::timestamptz[]) AS touched (tenant_id, bucket)"
        )
        mine = "t.tenant_id = touched.tenant_id"
    # Materialized: otherwise the bar of a list is looked for anew for each of its entries.
    return f"""
        WITH touched AS MATERIALIZED (
            SELECT touched.*, ({_bar(everybody=everybody, of="touched")}) AS bar_ms
            FROM {touched}
            WHERE (
                SELECT count(*) FROM {SLOW[everybody]} AS t
                WHERE {_NEAR} AND t.bucket = touched.bucket AND {mine}
            ) > {2 * SLOWEST_KEPT}
        )
        DELETE FROM {SLOW[everybody]} AS t USING touched
        WHERE {_NEAR} AND t.bucket = touched.bucket AND {mine}
            AND t.processing_time_ms < bar_ms
    """


FORGET_SLOW: Final = {everybody: _forget_slow(everybody=everybody) for everybody in SLOW}
"""Take listed rows that moved out of the lists; return where."""

RELIST_SLOW: Final = {everybody: _relist_slow(everybody=everybody) for everybody in SLOW}
"""Make a list anew from the rows, where a listed one has moved."""

LIST_SLOW: Final = f"""
    WITH moved AS (
        SELECT tenant_id, {_HOUR} AS bucket, created_at, id, processing_time_ms FROM goldseam_moved
        WHERE {_COUNTS.format(condition=f"sign > 0 AND {ANSWERED}")}
    ), {_listing("moved", everybody=False)}, {_listing("each_listed", everybody=True)}
    SELECT DISTINCT 'each' AS list, tenant_id, bucket FROM each_listed
    UNION ALL SELECT DISTINCT 'all', '', bucket FROM all_listed
"""
"""List moved rows that are slow enough, among everybody's only what was among a tenant's; return
where."""

TRIM_SLOW: Final = {everybody: _trim_slow(everybody=everybody) for everybody in SLOW}
"""Cut lists that have grown to twice their length; what is as slow as the last one stays."""


def move_day(source: Source, table: str, state: tuple[str, ...]) -> str:
    """Return the statement that notes every row of a day as new."""
    return f"""
        INSERT INTO {source.moved} ({", ".join(state)}, sign)
        SELECT {", ".join(state)}, 1 FROM {table}
        WHERE created_at >= %(start)s AND created_at < %(end)s
    """


def forget_day(source: Source, tables: Iterable[Table]) -> tuple[str, ...]:
    """Return the statements that delete a day's sums and the names that they tell apart."""
    return (
        f"DELETE FROM {source.names} WHERE day = %(day)s",
        *(f"DELETE FROM {t} WHERE bucket >= %(start)s AND bucket < %(end)s" for t in tables),
    )


MOVE_DAY: Final = move_day(REQUESTS, "ai_request_logs", STATE)

FORGET_DAY: Final = forget_day(
    REQUESTS, (*BY_MODEL.values(), *TOTALS_OF.values(), *ERRORS.values(), *SLOW.values())
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
