"""The SQL of `writes`, built once at import from the records' field names; steps have their own.

Rows arrive in temporary tables and move on with INSERT … SELECT. Every statement that locks rows
does so in the order of their keys, and a transaction runs the statements in one order: so two
writers wait for each other but never deadlock. Nothing here needs more than PostgreSQL 15, and
`DO UPDATE` neither calls volatile functions nor sets `tenant_id`, as a distributed database asks.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Final

from psycopg import sql
from sqlalchemy.dialects import postgresql

from goldseam.storage.models import AIErrorRecovery, AIRequestLog, Base
from goldseam.storage.records import DEFAULT_TENANT, RecoveryRecord, RequestRecord
from goldseam.storage.rollup_statements import STATE
from goldseam.storage.transitions import FACTS, FINAL, METADATA

KEY: Final = ("tenant_id", "created_at", "id")

REQUEST_COLUMNS: Final = tuple(field.name for field in fields(RequestRecord))
RECOVERY_COLUMNS: Final = tuple(field.name for field in fields(RecoveryRecord))


def _staged_types(model: type[Base], names: tuple[str, ...]) -> list[str]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    columns = model.__table__.columns
    types = [columns[name].type.compile(dialect).lower() for name in names]
    # psycopg cuts a number too large for four bytes; from eight, PostgreSQL refuses to cut it.
    return ["bigint" if kind == "integer" else kind for kind in types]


REQUEST_TYPES: Final = _staged_types(AIRequestLog, REQUEST_COLUMNS)
"""Types of the staging table, as binary COPY needs them."""

RECOVERY_TYPES: Final = _staged_types(AIErrorRecovery, RECOVERY_COLUMNS)
"""Types of the staging table, as binary COPY needs them."""


def _list(names: tuple[str, ...], table: str | None = None) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.Identifier(table, name) if table else sql.Identifier(name) for name in names
    )


def _built(template: str, **parts: sql.Composable) -> str:
    return sql.SQL(template).format(**parts).as_string(None)


_FINAL: Final = sql.SQL(", ").join(sql.Literal(status) for status in FINAL)

STAGING_EXISTS: Final = "SELECT to_regclass('pg_temp.goldseam_staged_recoveries') IS NOT NULL"

CREATE_STAGING: Final = tuple(
    _built(
        "CREATE TEMPORARY TABLE {table} ({columns}) ON COMMIT DELETE ROWS",
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in zip(names, types, strict=True)
        ),
    )
    for table, names, types in (
        ("goldseam_staged_requests", REQUEST_COLUMNS, REQUEST_TYPES),
        ("goldseam_staged_recoveries", RECOVERY_COLUMNS, RECOVERY_TYPES),
    )
)

COPY_REQUESTS: Final = _built(
    "COPY goldseam_staged_requests ({columns}) FROM STDIN (FORMAT BINARY)",
    columns=_list(REQUEST_COLUMNS),
)

COPY_RECOVERIES: Final = _built(
    "COPY goldseam_staged_recoveries ({columns}) FROM STDIN (FORMAT BINARY)",
    columns=_list(RECOVERY_COLUMNS),
)

# A row counts in its pattern once it is final and no duplicate, mended or not. `moved` holds what
# the rows were (sign -1) and what they are (sign 1), and is noted for the roll-ups; a group without
# a pattern only counts rows.
_SUM_BY_PATTERN: Final = sql.SQL(
    """
    , noted AS (INSERT INTO goldseam_moved ({state}, sign) SELECT {state}, sign FROM moved)
    SELECT
        tenant_id,
        CASE WHEN status IN ({final}) AND duplicate_of IS NULL THEN error_pattern END AS pattern,
        count(*) FILTER (WHERE sign > 0) AS rows,
        sum(sign)::bigint AS occurrences,
        coalesce(sum(sign) FILTER (WHERE recovery_outcome = 'recovered'), 0)::bigint AS recovered,
        min(created_at) FILTER (WHERE sign > 0) AS first_seen,
        max(created_at + processing_time_ms * interval '1 millisecond')
            FILTER (WHERE sign > 0) AS last_occurred
    FROM moved
    GROUP BY 1, 2
    """
).format(final=_FINAL, state=_list(STATE))

INSERT_REQUESTS: Final = _built(
    """
    WITH moved AS (
        INSERT INTO ai_request_logs ({columns}, updated_at)
        SELECT {columns}, %(now)s FROM goldseam_staged_requests ORDER BY {key}
        ON CONFLICT ({key}) DO NOTHING
        RETURNING {state}, 1 AS sign
    )
    {sum_by_pattern}
    """,
    sum_by_pattern=_SUM_BY_PATTERN,
    columns=_list(REQUEST_COLUMNS),
    key=_list(KEY),
    state=_list(STATE),
)
"""Store what is new; sum it up by error pattern."""


def _merged_column(name: str) -> sql.Composable:
    """Return the SQL of `transitions.merge` for one column: s arrives, o is stored."""
    column = sql.Identifier(name)
    if name == "duplicate_of":
        template = "coalesce(o.{column}, s.{column})"
    elif name in FACTS:
        template = (
            "CASE WHEN NOT same THEN CASE WHEN wins THEN s.{column} ELSE o.{column} END "
            "WHEN wins THEN coalesce(s.{column}, o.{column}) "
            "ELSE coalesce(o.{column}, s.{column}) END"
        )
    elif name in METADATA:
        template = (
            "CASE WHEN NOT same THEN CASE WHEN wins THEN s.{column} ELSE o.{column} END "
            "WHEN wins THEN o.{column} || s.{column} "
            "ELSE s.{column} || o.{column} END"
        )
    else:
        template = "CASE WHEN wins THEN s.{column} ELSE o.{column} END"
    return sql.SQL(template + " AS {column}").format(column=column)


_PLAIN: Final = tuple(name for name in REQUEST_COLUMNS if name not in KEY)


def _taken_column(name: str) -> sql.Composable:
    """Return the SQL that takes one column as it was staged."""
    return sql.SQL("s.{0} AS {0}").format(sql.Identifier(name))


def _update(merged_column: Callable[[str], sql.Composable]) -> str:
    """Return the statement that moves stored rows to what `merged_column` makes of each column.

    The lateral query finds each row by its key, whatever the planner thinks of a staging table that
    has no statistics (a plain join was seen to take a thousand times as long), and locks it in its
    latest state. The upsert then always finds the row: it is an update that needs no join.
    """
    return _built(
        """
        WITH merged AS MATERIALIZED (
            SELECT {stored_key}, {merged}, {stored_state}
            FROM (SELECT * FROM goldseam_staged_requests ORDER BY {key}) AS s
            CROSS JOIN LATERAL (
                SELECT * FROM ai_request_logs AS l
                WHERE (l.tenant_id, l.created_at, l.id) = (s.tenant_id, s.created_at, s.id)
                    AND l.created_at BETWEEN %(earliest)s AND %(latest)s
                FOR UPDATE
            ) AS o
            CROSS JOIN LATERAL (
                SELECT
                    s.status IN ({final}) AND (
                        o.status NOT IN ({final}) OR s.processing_time_ms > o.processing_time_ms
                    ) AS wins,
                    s.status IN ({final}) AND s.status = o.status AS same
            ) AS rule
            CROSS JOIN LATERAL (SELECT {merged_columns}) AS m
            WHERE ROW({merged}) IS DISTINCT FROM ROW({stored})
        ), written AS (
            INSERT INTO ai_request_logs ({columns}, updated_at)
            SELECT {columns}, %(now)s FROM merged ORDER BY {key}
            ON CONFLICT ({key}) DO UPDATE SET {assignments}, updated_at = excluded.updated_at
        ), moved AS (
            SELECT {state}, 1 AS sign FROM merged
            UNION ALL
            SELECT {stored_state_names}, -1 FROM merged
        )
        {sum_by_pattern}
        """,
        sum_by_pattern=_SUM_BY_PATTERN,
        key=_list(KEY),
        columns=_list(REQUEST_COLUMNS),
        stored_key=_list(KEY, "o"),
        merged=_list(_PLAIN, "m"),
        stored=_list(_PLAIN, "o"),
        merged_columns=sql.SQL(", ").join(merged_column(name) for name in _PLAIN),
        stored_state=sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(sql.Identifier("o", name), sql.Identifier(f"stored_{name}"))
            for name in STATE
        ),
        stored_state_names=_list(tuple(f"stored_{name}" for name in STATE)),
        assignments=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in _PLAIN
        ),
        state=_list(STATE),
        final=_FINAL,
    )


UPDATE_REQUESTS: Final = _update(_merged_column)
"""Move stored rows along the allowed transitions; sum up what changed by error pattern."""

REPLACE_REQUESTS: Final = _update(_taken_column)
"""Write staged rows over stored ones that the transaction has read and locked; sum up likewise."""

FIND_NESTED: Final = _built(
    """
    SELECT pair.* FROM unnest(%(traces)s::text[]) AS t (trace_id)
    CROSS JOIN LATERAL (
        SELECT i.trace_id, i.id, o.id
        FROM ai_request_logs AS i
        JOIN ai_request_logs AS o ON o.trace_id = t.trace_id AND o.span_id = i.parent_span_id
            AND i.tenant_id || '' IN (o.tenant_id, {nobody})
        WHERE i.trace_id = t.trace_id AND i.parent_span_id IS NOT NULL
            AND i.trace_id >= t.trace_id AND o.trace_id >= t.trace_id
            AND i.created_at >= %(earliest)s AND i.created_at + '0' <= %(latest)s
            AND o.created_at >= %(earliest)s AND o.created_at + '0' <= %(latest)s
            AND i.duplicate_of IS NULL AND i.status IN ({final}) AND o.status IN ({final})
        OFFSET 0
    ) AS pair
    """,
    final=_FINAL,
    nobody=sql.Literal(DEFAULT_TENANT),
)
"""Find finished requests that started inside another finished request and still count.

One trace at a time (`OFFSET 0` keeps it so), by the index on traces: a join of all was seen to read
whole partitions. As long as a new partition has no statistics, the planner prefers any other index
and reads as much; what says nothing new here (`>=`, `|| ''`, `+ '0'`) keeps it from them.
"""

LOCK_NESTED: Final = _built(
    """
    SELECT {stored} FROM (
        SELECT related.* FROM unnest(%(traces)s::text[]) AS t (trace_id)
        CROSS JOIN LATERAL (
            SELECT {key} FROM ai_request_logs
            WHERE trace_id = t.trace_id AND trace_id >= t.trace_id
                AND created_at >= %(earliest)s AND created_at + '0' <= %(latest)s
                AND (
                    id = ANY(%(ids)s) OR duplicate_of = ANY(%(ids)s) OR id IN (
                        SELECT duplicate_of FROM ai_request_logs
                        WHERE trace_id = t.trace_id AND trace_id >= t.trace_id
                            AND id = ANY(%(ids)s)
                            AND created_at >= %(earliest)s AND created_at + '0' <= %(latest)s
                    )
                )
            OFFSET 0
        ) AS related
        ORDER BY {key}
    ) AS s
    CROSS JOIN LATERAL (
        SELECT * FROM ai_request_logs AS l
        WHERE (l.tenant_id, l.created_at, l.id) = (s.tenant_id, s.created_at, s.id)
            AND l.created_at BETWEEN %(earliest)s AND %(latest)s
        FOR UPDATE
    ) AS o
    """,
    stored=_list(REQUEST_COLUMNS, "o"),
    key=_list(KEY),
)
"""Read and lock rows, their duplicates and what they are duplicates of, in the order of their keys.

They are found as in `FIND_NESTED`, one trace at a time, and locked by their keys.
"""

LOCK_OVERDUE: Final = _built(
    """
    SELECT {columns} FROM ai_request_logs
    WHERE status = 'pending' AND created_at < %(before)s
    ORDER BY {key}
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
    """,
    columns=_list(REQUEST_COLUMNS),
    key=_list(KEY),
)
"""Read requests whose end is overdue; a row that a writer holds is about to end."""

_CHANGES: Final = sql.SQL(
    """
    unnest(
        %(tenant_id)s::text[], %(error_pattern)s::text[], %(occurrences)s::bigint[],
        %(recovered)s::bigint[], %(first_seen)s::timestamptz[], %(last_occurred)s::timestamptz[]
    ) AS c (tenant_id, error_pattern, occurrences, recovered, first_seen, last_occurred)
    """
)

INSERT_PATTERNS: Final = """
    INSERT INTO ai_error_analysis (
        tenant_id, pattern_id, error_pattern, error_code, error_message_pattern, provider,
        normaliser_version, first_seen, last_occurred, probable_cause, suggested_action,
        created_at, updated_at
    )
    SELECT n.*, %(now)s, %(now)s
    FROM unnest(
        %(tenant_id)s::text[], %(pattern_id)s::text[], %(error_pattern)s::text[],
        %(error_code)s::text[], %(error_message_pattern)s::text[], %(provider)s::text[],
        %(normaliser_version)s::int[], %(first_seen)s::timestamptz[],
        %(last_occurred)s::timestamptz[], %(probable_cause)s::text[], %(suggested_action)s::text[]
    ) AS n (tenant_id, pattern_id, error_pattern)
    ORDER BY n.tenant_id, n.error_pattern
    ON CONFLICT DO NOTHING
"""
"""Make rows for patterns seen for the first time; their counters start at 0."""

LOCK_PATTERNS: Final = _built(
    """
    SELECT count(*) FROM (
        SELECT FROM ai_error_analysis AS a
        JOIN {changes} USING (tenant_id, error_pattern)
        ORDER BY tenant_id, error_pattern
        FOR UPDATE OF a
    ) AS locked
    """,
    changes=_CHANGES,
)

_REOPENED: Final = sql.SQL(
    "a.resolution_status = 'resolved' AND c.occurrences > 0"
    " AND c.last_occurred > coalesce(a.resolved_at, '-infinity'::timestamptz)"
)

UPDATE_PATTERNS: Final = _built(
    """
    UPDATE ai_error_analysis AS a
    SET occurrence_count = a.occurrence_count + c.occurrences,
        recovered_count = a.recovered_count + c.recovered,
        first_seen = least(a.first_seen, c.first_seen),
        last_occurred = greatest(a.last_occurred, c.last_occurred),
        resolution_status = CASE
            WHEN {reopened} THEN 'open' ELSE a.resolution_status
        END,
        updated_at = %(now)s
    FROM {changes}
    WHERE (a.tenant_id, a.error_pattern) = (c.tenant_id, c.error_pattern)
        AND (
            c.occurrences <> 0 OR c.recovered <> 0
            OR c.first_seen < a.first_seen OR c.last_occurred > a.last_occurred
        )
    """,
    changes=_CHANGES,
    reopened=_REOPENED,
)
"""Move the counters; an occurrence after `resolved_at` opens the pattern again, a late span of an
earlier one does not. `resolved_at` stays: that the mend did not hold is worth an alert."""
