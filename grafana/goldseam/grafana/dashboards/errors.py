"""Errors: what fails, why, and what to do about it."""

from typing import Final

from goldseam.grafana.dashboards.common import (
    ANNOTATIONS,
    ANY_IS_BAD,
    CHOSEN,
    PATTERNS,
    TO_REQUEST,
    TO_TRACE,
    VARIABLES,
)
from goldseam.grafana.dashboards.sources import TIME, calls, errors, is_chosen
from goldseam.grafana.panels import Column, Dashboard, Panel

_FAILED: Final = "first_error_code IS NOT NULL AND status <> 'pending'"

ERRORS: Final = Dashboard(
    uid="goldseam-errors",
    title="Goldseam / Errors",
    description="What fails, its probable cause, and what to do.",
    variables=VARIABLES,
    annotations=ANNOTATIONS,
    panels=(
        Panel(
            title="Lost",
            question="How many calls failed for good?",
            kind="stat",
            thresholds=ANY_IS_BAD,
            sql=f"""SELECT coalesce(sum(error_count), 0)::float8 AS lost
FROM {calls("error_count")}""",
        ),
        Panel(
            title="Time-outs",
            question="How many of them waited in vain?",
            kind="stat",
            sql=f"""SELECT coalesce(sum(timeout_count), 0)::float8 AS timeouts
FROM {calls("timeout_count")}""",
        ),
        Panel(
            title="New kinds of error",
            question="How many error patterns appeared for the first time in this range?",
            kind="stat",
            thresholds=ANY_IS_BAD,
            sql=f"""SELECT count(*) AS patterns FROM ai_error_analysis
WHERE $__timeFilter(first_seen)
  AND {is_chosen("provider", "provider")} AND {is_chosen("tenant_id", "tenant")}""",
        ),
        Panel(
            title="Errors that no rule knows",
            question="How many failures could not be classified?",
            kind="stat",
            sql=f"""SELECT coalesce(sum(occurrence_count), 0)::float8 AS unknown
FROM {errors("occurrence_count")} AND error = 'UNKNOWN'""",
        ),
        Panel(
            title="Failures by kind",
            question="What do calls fail with at first, and when?",
            kind="timeseries",
            width=12,
            height=9,
            stacked=True,
            sql=f"""SELECT {TIME}, error AS metric, sum(occurrence_count)::float8 AS value
FROM {errors("occurrence_count", graph=True)}
GROUP BY 1, 2 ORDER BY 1""",
        ),
        Panel(
            title="Lost by kind",
            question="Which first failures could not be mended, and when?",
            kind="timeseries",
            width=12,
            height=9,
            stacked=True,
            sql=f"""SELECT {TIME}, error AS metric, sum(failed_count)::float8 AS value
FROM {errors("failed_count", graph=True)}
GROUP BY 1, 2 HAVING sum(failed_count) > 0 ORDER BY 1""",
        ),
        Panel(
            title="Patterns",
            question="Which errors share a cause, what is it, and what should I do?",
            kind="table",
            width=24,
            height=10,
            columns=(Column(name="lost", thresholds=ANY_IS_BAD),),
            sql=PATTERNS,
        ),
        Panel(
            title="Failed calls",
            question="Which calls failed last, and were they mended?",
            kind="table",
            width=24,
            height=10,
            columns=(
                Column(name="id", links=(TO_REQUEST,)),
                Column(name="trace_id", links=(TO_TRACE,)),
            ),
            sql=f"""SELECT created_at AS time, status, provider_requested AS "asked", module,
       tenant_id AS tenant, first_error_code AS "first error", http_status,
       recovery_outcome AS outcome, recovery_strategy AS "mended by", error_message AS message,
       id::text AS id, trace_id
FROM ai_request_logs WHERE {_FAILED} AND {CHOSEN}
ORDER BY created_at DESC LIMIT 200""",
        ),
    ),
)
