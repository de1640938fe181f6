"""Requests: which calls were made, by whom, and how did they end?"""

from typing import Final

from goldseam.grafana.dashboards.common import (
    ANNOTATIONS,
    CHOSEN,
    ENDED,
    STATUS,
    TO_REQUEST,
    TO_TRACE,
    VARIABLES,
)
from goldseam.grafana.dashboards.sources import is_chosen
from goldseam.grafana.panels import Column, Dashboard, Panel, Series
from goldseam.storage.measures import MODEL

_CHOSEN: Final = f"{CHOSEN}\n  AND {is_chosen('status', 'status')}"

_ROWS_MAX: Final = 500
"""More rows make the page slow; a narrower range shows the rest."""

REQUESTS: Final = Dashboard(
    uid="goldseam-requests",
    title="Goldseam / Requests",
    description="Every call, newest first, and the way to its trace.",
    variables=(*VARIABLES, STATUS),
    annotations=ANNOTATIONS,
    time_from="now-6h",
    panels=(
        Panel(
            title="Calls by status",
            question="How many calls were made when, and how did they end?",
            kind="timeseries",
            width=12,
            height=8,
            stacked=True,
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval), status AS metric,
       count(*) AS value
FROM ai_request_logs WHERE {_CHOSEN}
GROUP BY 1, 2 ORDER BY 1""",
        ),
        Panel(
            title="Calls by module",
            question="Which part of the application makes the calls?",
            kind="timeseries",
            width=12,
            height=8,
            stacked=True,
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval), module AS metric,
       count(*) AS value
FROM ai_request_logs WHERE {_CHOSEN}
GROUP BY 1, 2 ORDER BY 1""",
        ),
        Panel(
            title="Duration",
            question="How long do calls take, their recovery included?",
            kind="timeseries",
            unit="ms",
            width=12,
            height=8,
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY processing_time_ms) AS median,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms) AS "95 of 100",
       percentile_cont(0.99) WITHIN GROUP (ORDER BY processing_time_ms) AS "99 of 100"
FROM ai_request_logs WHERE {ENDED} AND {_CHOSEN}
GROUP BY 1 ORDER BY 1""",
        ),
        Panel(
            title="Duration with examples",
            question="Which trace stands behind a slow call?",
            kind="timeseries",
            unit="s",
            width=12,
            height=8,
            no_value="no metrics",
            series=(
                Series(
                    "{{gen_ai_provider_name}}",
                    "histogram_quantile(0.95, sum by (le, gen_ai_provider_name) "
                    "(rate(gen_ai_client_operation_duration_seconds_bucket[$__rate_interval])))",
                ),
            ),
        ),
        Panel(
            title="Calls",
            question=f"Which are the latest {_ROWS_MAX} calls, and what happened in each?",
            kind="table",
            width=24,
            height=14,
            columns=(
                Column(name="duration", unit="ms"),
                Column(name="cost", unit="currencyUSD"),
                Column(name="id", links=(TO_REQUEST,)),
                Column(name="trace_id", links=(TO_TRACE,)),
            ),
            sql=f"""SELECT created_at AS time, status, provider_used AS provider, {MODEL} AS model,
       module, task, tenant_id AS tenant, user_id AS "user", processing_time_ms AS duration,
       tokens_used AS tokens, cost_usd AS cost, first_error_code AS "first error",
       recovery_strategy AS "mended by", error_code AS error, id::text AS id, trace_id
FROM ai_request_logs WHERE {_CHOSEN}
ORDER BY created_at DESC LIMIT {_ROWS_MAX}""",
        ),
    ),
)
