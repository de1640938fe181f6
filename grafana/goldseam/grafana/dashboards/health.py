"""Health: is it us or the provider, and is anything being lost?"""

from typing import Final

from goldseam.grafana.dashboards.common import (
    ANNOTATIONS,
    ANY_IS_BAD,
    CHOSEN,
    ENDED,
    LOST_RATE,
    PATTERNS,
    TO_ERRORS,
    VARIABLES,
)
from goldseam.grafana.panels import Column, Dashboard, Panel, Threshold

HEALTH: Final = Dashboard(
    uid="goldseam-health",
    title="Goldseam / Health",
    description="Whether calls get answers, and what it takes to get them.",
    variables=VARIABLES,
    annotations=ANNOTATIONS,
    panels=(
        Panel(
            title="Calls",
            question="How many calls ended?",
            kind="stat",
            sql=f"SELECT count(*) AS calls FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}",
        ),
        Panel(
            title="Lost",
            question="What share of the calls ended in an error, after all recovery?",
            kind="stat",
            unit="percent",
            thresholds=LOST_RATE,
            sql=f"""SELECT 100.0 * count(*) FILTER (WHERE status = 'error')
       / nullif(count(*), 0)::float8 AS lost
FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}""",
        ),
        Panel(
            title="Failed at the first try",
            question="What share of the calls would have been lost without recovery?",
            kind="stat",
            unit="percent",
            sql=f"""SELECT 100.0 * count(*) FILTER (WHERE first_error_code IS NOT NULL)
       / nullif(count(*), 0)::float8 AS failed_first
FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}""",
        ),
        Panel(
            title="95th percentile",
            question="How long do the slower calls take, their recovery included?",
            kind="stat",
            unit="ms",
            sql=f"""SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms) AS p95
FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}""",
        ),
        Panel(
            title="Outcomes",
            question="When did calls fail, and were they mended?",
            kind="timeseries",
            width=24,
            height=9,
            stacked=True,
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval),
       CASE WHEN status = 'error' THEN 'lost'
            WHEN recovery_outcome = 'recovered' THEN 'mended'
            ELSE 'answered at once' END AS metric,
       count(*) AS value
FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}
GROUP BY 1, 2 ORDER BY 1""",
        ),
        Panel(
            title="Providers over time",
            question="When did which provider fail, as a share of the calls it was asked first?",
            kind="state-timeline",
            unit="percent",
            width=24,
            height=7,
            thresholds=(Threshold(None, "green"), Threshold(5, "yellow"), Threshold(50, "red")),
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval), provider_requested AS metric,
       100.0 * count(*) FILTER (WHERE first_error_code IS NOT NULL) / count(*)::float8 AS value
FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}
GROUP BY 1, 2 ORDER BY 1""",
        ),
        Panel(
            title="Providers",
            question="Which provider answers, how fast, and which one fails?",
            kind="table",
            width=12,
            height=9,
            columns=(Column(name="answered", unit="percent"), Column(name="mean", unit="ms")),
            sql=f"""SELECT provider_used AS provider, count(*) AS calls,
       100.0 * count(*) FILTER (WHERE status = 'success') / count(*)::float8 AS answered,
       avg(processing_time_ms) AS mean
FROM ai_request_logs WHERE {ENDED} AND {CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",
        ),
        Panel(
            title="What fails first",
            question="Which errors do calls meet, and how many of them are mended?",
            kind="table",
            width=12,
            height=9,
            columns=(Column(name="lost", thresholds=ANY_IS_BAD),),
            sql=f"""SELECT first_error_code AS error, count(*) AS calls,
       count(*) FILTER (WHERE recovery_outcome = 'recovered') AS mended,
       count(*) FILTER (WHERE status = 'error') AS lost
FROM ai_request_logs WHERE first_error_code IS NOT NULL AND {ENDED} AND {CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",
        ),
        Panel(
            title="What to do",
            question="What is the probable cause of the errors, and what should I do about them?",
            kind="table",
            width=24,
            height=9,
            columns=(
                Column(name="error", links=(TO_ERRORS,)),
                Column(name="lost", thresholds=ANY_IS_BAD),
            ),
            sql=PATTERNS,
        ),
    ),
)
