"""The pages by the last part of their address, each a dashboard.

Most are the dashboards as Grafana has them. Requests has a list that filters and goes on where
Grafana's ends; Error is about one pattern, which in Grafana is a row of Errors.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from goldseam.grafana.dashboards import COST, ERRORS, HEALTH, PIPELINE, RECOVERY, REQUEST, REQUESTS
from goldseam.grafana.dashboards.common import CHOSEN, STATUS, TO_REQUEST
from goldseam.grafana.dashboards.sources import is_chosen
from goldseam.grafana.panels import Column, Dashboard, Panel, TextBox
from goldseam.storage.measures import MODEL

PAGE_ROWS: Final = 100
"""Calls that the list shows at once; one more is asked for, to know whether there are more."""

_OUTCOME: Final = """CASE WHEN status = 'error' THEN 'lost'
            WHEN recovery_outcome = 'recovered' THEN 'mended'
            WHEN status = 'success' THEN 'answered at once' ELSE status END"""

# Written so that each condition also holds a plain constant while its box is empty.
_BEFORE: Final = """created_at <= coalesce(
        nullif(split_part(${before:sqlstring}, ' ', 1), '')::timestamptz, 'infinity')
  AND (${before:sqlstring} = '' OR (created_at, id) < (
        coalesce(nullif(split_part(${before:sqlstring}, ' ', 1), '')::timestamptz, 'infinity'),
        nullif(split_part(${before:sqlstring}, ' ', 2), '')::uuid))"""

_SOUGHT: Final = f"""(${{outcome:sqlstring}} = '' OR {_OUTCOME} = ${{outcome:sqlstring}})
  AND (${{error:sqlstring}} = '' OR ${{error:sqlstring}} IN (first_error_code, error_code))
  AND (${{find:sqlstring}} = '' OR ${{find:sqlstring}} IN (
         id::text, request_id, trace_id, user_id, conversation_id, correction_id)
       OR position(lower(${{find:sqlstring}}) IN lower(concat_ws(' ', task, error_message))) > 0)"""

CALLS: Final = Panel(
    title="Calls",
    question="Which calls were made, and what happened in each?",
    kind="table",
    width=24,
    no_value="No call matches. Widen the time range, or take a filter away.",
    columns=(
        Column(name="duration", unit="ms"),
        Column(name="cost", unit="currencyUSD"),
        Column(name="time", links=(TO_REQUEST,)),
    ),
    sql=f"""SELECT created_at AS time, {_OUTCOME} AS outcome, provider_requested AS asked,
       provider_used AS answered, {MODEL} AS model, module, task, tenant_id AS tenant,
       processing_time_ms AS duration, tokens_used AS tokens, cost_usd AS cost,
       coalesce(first_error_code, error_code) AS error, recovery_strategy AS "mended by",
       recovery_steps AS steps, id::text AS id, trace_id,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || id::text
         AS position
FROM ai_request_logs
WHERE {CHOSEN}
  AND {is_chosen("status", "status")}
  AND {_SOUGHT}
  AND {_BEFORE}
ORDER BY created_at DESC, id DESC LIMIT {PAGE_ROWS + 1}""",
)

_PATTERN: Final = """(tenant_id, error_pattern) IN (
    SELECT tenant_id, error_pattern FROM ai_error_analysis WHERE pattern_id = ${id:sqlstring})"""

ERROR: Final = Dashboard(
    uid="goldseam-error",
    title="Goldseam / Error",
    description="One error pattern: what helps, and whether applications correct it.",
    variables=(TextBox("id", "Pattern"),),
    annotations=ERRORS.annotations,
    time_from="now-24h",
    panels=(
        Panel(
            title="When it happened",
            question="When did calls meet this error, and were they mended?",
            kind="timeseries",
            width=24,
            height=7,
            stacked=True,
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval), {_OUTCOME} AS metric,
       count(*) AS value
FROM ai_request_logs WHERE $__timeFilter(created_at) AND {_PATTERN}
GROUP BY 1, 2 ORDER BY 1""",
        ),
        Panel(
            title="Latest calls that met it",
            question="Which calls were they, and how did each end?",
            kind="table",
            width=24,
            height=10,
            no_value="No call met it in this range. Widen the time range.",
            columns=(
                Column(name="duration", unit="ms"),
                Column(name="time", links=(TO_REQUEST,)),
            ),
            sql=f"""SELECT created_at AS time, {_OUTCOME} AS outcome, provider_requested AS asked,
       provider_used AS answered, module, recovery_strategy AS "mended by",
       recovery_steps AS steps, processing_time_ms AS duration, id::text AS id, trace_id
FROM ai_request_logs WHERE $__timeFilter(created_at) AND {_PATTERN}
ORDER BY created_at DESC LIMIT 50""",
        ),
    ),
)

_REQUESTS: Final = replace(
    REQUESTS,
    panels=(
        *(
            replace(panel, width=8)
            for panel in REQUESTS.panels
            if panel.kind == "timeseries" and panel.sql
        ),
        CALLS,
        *(replace(panel, width=24) for panel in REQUESTS.panels if not panel.sql),
    ),
    variables=(
        *(variable for variable in REQUESTS.variables if variable != STATUS),
        STATUS,
        TextBox("outcome", "Outcome"),
        TextBox("error", "Error"),
        TextBox("find", "Find"),
        TextBox("before", "Before"),
    ),
)

PAGES: Final[Mapping[str, Dashboard]] = MappingProxyType(
    {
        "health": HEALTH,
        "requests": _REQUESTS,
        "errors": ERRORS,
        "recovery": RECOVERY,
        "cost": COST,
        "pipeline": PIPELINE,
        "request": REQUEST,
        "error": ERROR,
    }
)

IN_MENU: Final = ("health", "requests", "errors", "recovery", "cost", "pipeline")
"""The other pages are about one thing, and links lead there."""
