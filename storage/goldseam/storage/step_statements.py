"""The SQL that stores recovery steps and keeps their sums.

`writes` runs the first half, `rollups` the second. What a step's success is conditional on, the
strategies that ran before it and the error that its call had met, is kept in the step's own row
(`after`, `call_error`): a step that comes late changes it in those that follow, a call that comes
late in all its steps, and the sums move with it. Whatever writes here runs under
`rollup_statements.LOCK`, or two writers would not see each other's steps of the same call.
"""

from datetime import timedelta
from typing import Final

from goldseam.storage.measures import STEP_MEASURES, STEP_PROVIDER
from goldseam.storage.models import AIErrorRecovery
from goldseam.storage.records import DEFAULT_TENANT, PARENT_SPAN_ID
from goldseam.storage.rollup_statements import (
    Source,
    add_up,
    admit_names,
    create_moved,
    forget_day,
    has_full_names,
    move_day,
    scope,
)
from goldseam.storage.rollup_tables import STEP_NAMES, STEPS
from goldseam.storage.write_statements import KEY, RECOVERY_COLUMNS

CALL_WITHIN: Final = timedelta(hours=1)
"""Steps of one call start no further apart than this; it keeps the search to a day or two of
partitions."""

_REMEMBERED: Final = 10
"""Steps that `after` tells of: no call needs as many, and no sender makes it long."""

_STATE: Final = (
    "tenant_id",
    "created_at",
    "strategy_name",
    "provider",
    "after",
    "call_error",
    "was_successful",
    "recovery_time_ms",
)
"""Columns that decide how a step counts."""

_MOVED: Final = Source(
    moved="goldseam_moved_steps",
    names=STEP_NAMES,
    named={"strategy": "strategy_name", "provider": STEP_PROVIDER, "after": "after"},
)

CREATE_MOVED_STEPS: Final = create_moved(_MOVED, AIErrorRecovery, _STATE)

_KEY: Final = ", ".join(KEY)
_COLUMNS: Final = ", ".join(RECOVERY_COLUMNS)
_LINKED: Final = ", ".join(
    "request.id" if name == "request_log_id" else f"step.{name}" for name in RECOVERY_COLUMNS
)
_COUNTED: Final = ", ".join(_STATE)

# A step whose call is unknown comes after nothing.
_BEFORE: Final = f"""
    coalesce(string_agg(strategy_name, ' ') FILTER (WHERE request_log_id IS NOT NULL) OVER (
        PARTITION BY tenant_id, request_log_id ORDER BY step_number, created_at, id
        ROWS BETWEEN {_REMEMBERED} PRECEDING AND 1 PRECEDING
    ), '')
"""

INSERT_RECOVERIES: Final = f"""
    WITH stored AS (
        INSERT INTO ai_error_recovery ({_COLUMNS}, after)
        SELECT {_COLUMNS}, {_BEFORE} FROM goldseam_staged_recoveries ORDER BY {_KEY}
        ON CONFLICT ({_KEY}) DO NOTHING
        RETURNING {_COUNTED}
    )
    INSERT INTO {_MOVED.moved} ({_COUNTED}, sign) SELECT {_COUNTED}, 1 FROM stored
"""
"""Store what is new, in the order of which the batch knows."""

HAS_UNLINKED: Final = """
    SELECT EXISTS (
        SELECT FROM ai_error_recovery
        WHERE request_log_id IS NULL AND trace_id = ANY(%(traces)s)
            AND tenant_id = ANY(%(tenants)s)
            AND created_at >= %(earliest)s AND created_at <= %(latest)s
    )
"""
"""Whether there are such steps at all; most batches have none, and this is planned far sooner."""

FIND_UNLINKED: Final = f"""
    SELECT {_LINKED}
    FROM ai_error_recovery AS step
    CROSS JOIN LATERAL (
        SELECT l.id FROM ai_request_logs AS l
        WHERE l.trace_id = step.trace_id AND l.trace_id >= step.trace_id
            AND l.span_id = step.recovery_result ->> '{PARENT_SPAN_ID}'
            AND step.tenant_id || '' IN (l.tenant_id, '{DEFAULT_TENANT}')
            AND l.created_at >= %(earliest)s AND l.created_at + '0' <= %(latest)s
            AND l.created_at + '0' >= step.created_at - %(within)s
            AND l.created_at + '0' <= step.created_at + %(within)s
        ORDER BY l.created_at, l.id
        LIMIT 1
    ) AS request
    WHERE step.request_log_id IS NULL AND step.trace_id = ANY(%(traces)s)
        AND step.tenant_id = ANY(%(tenants)s)
        AND step.created_at >= %(earliest)s AND step.created_at <= %(latest)s
"""
"""Find steps that do not know their request, and the row of their parent span.

That row is found as in `FIND_NESTED`, by the index on traces and for the same tenants.
"""

LINK_STEPS: Final = f"""
    INSERT INTO ai_error_recovery AS step ({_COLUMNS})
    SELECT {_COLUMNS} FROM goldseam_staged_recoveries ORDER BY {_KEY}
    ON CONFLICT ({_KEY}) DO UPDATE SET request_log_id = excluded.request_log_id
    WHERE step.request_log_id IS NULL
"""
"""Give staged steps, which the transaction has read, the request that was found for them."""


def _set(column: str, value: str, changed: str) -> str:
    """Return the statement that sets `column` of the `changed` steps to their `value`.

    The sums move by the difference. The upsert always finds the row: it is an update that needs no
    join.
    """
    return f"""
        WITH changed AS MATERIALIZED ({changed}), written AS (
            INSERT INTO ai_error_recovery ({_COLUMNS}, {column})
            SELECT {_COLUMNS}, {value} FROM changed ORDER BY {_KEY}
            ON CONFLICT ({_KEY}) DO UPDATE SET {column} = excluded.{column}
        )
        INSERT INTO {_MOVED.moved} ({_COUNTED}, sign)
        SELECT {_COUNTED}, -1 FROM changed
        UNION ALL
        SELECT {", ".join(value if name == column else name for name in _STATE)}, 1 FROM changed
    """


ORDER_STEPS: Final = _set(
    "after",
    "before",
    f"""
    SELECT * FROM (
        SELECT step.*, {_BEFORE} AS before
        FROM (
            SELECT DISTINCT tenant_id, request_log_id FROM goldseam_staged_recoveries
            WHERE request_log_id IS NOT NULL
        ) AS call (tenant, request)
        CROSS JOIN LATERAL (
            SELECT {_COLUMNS}, after, call_error FROM ai_error_recovery AS r
            WHERE r.tenant_id = tenant AND r.request_log_id = request
                AND r.request_log_id >= request
                AND r.created_at >= %(earliest)s AND r.created_at + '0' <= %(latest)s
            OFFSET 0
        ) AS step
    ) AS ran
    WHERE after <> before
    """,
)
"""Set right what comes after what in the calls that the batch touches.

The lateral query finds a call's steps by their index, as `FIND_NESTED` does and for its reasons.
"""

_MISNAMED: Final = f"""
    SELECT step.*, call.error
    FROM unnest(%(tenants)s::text[], %(calls)s::uuid[], %(starts)s::timestamptz[])
        AS known (tenant, id, start)
    CROSS JOIN LATERAL (
        SELECT coalesce(l.error_pattern, l.first_error_code, '') AS error
        FROM ai_request_logs AS l
        WHERE l.tenant_id = known.tenant AND l.id = known.id
            AND l.created_at >= known.start
            AND l.created_at < known.start + interval '1 millisecond'
            AND l.created_at >= %(first)s AND l.created_at + '0' <= %(last)s
        OFFSET 0
    ) AS call
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS}, after, call_error FROM ai_error_recovery AS r
        WHERE r.tenant_id = known.tenant AND r.request_log_id = known.id
            AND r.request_log_id >= known.id
            AND r.created_at >= %(earliest)s AND r.created_at + '0' <= %(latest)s
        OFFSET 0
    ) AS step
    WHERE step.call_error <> call.error
"""

HAS_MISNAMED: Final = f"SELECT EXISTS ({_MISNAMED})"
"""Whether a step of these calls tells of another error than its call does."""

NAME_CALL_ERRORS: Final = _set("call_error", "error", _MISNAMED)
"""Tell the steps of these calls what their call had met."""

STEP_SCOPE: Final = scope(_MOVED)

ADMIT_STEP_NAMES: Final = admit_names(_MOVED)

HAS_FULL_STEP_NAMES: Final = has_full_names(_MOVED)

ADD_STEPS: Final = add_up(
    _MOVED, (STEPS,), {**_MOVED.named, "call_error": "call_error"}, STEP_MEASURES, "true"
)

MOVE_STEPS: Final = move_day(_MOVED, "ai_error_recovery", _STATE)

FORGET_STEPS: Final = forget_day(_MOVED, STEPS.values())
