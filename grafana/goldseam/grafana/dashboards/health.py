"""Health: is it us or the provider, and is anything being lost?"""

from typing import Final

from goldseam.grafana.dashboards.common import CHOSEN, VARIABLES
from goldseam.grafana.panels import Dashboard, Panel, Threshold

_ENDED: Final = "status IN ('success', 'error')"

_RATE: Final = (
    Threshold(None, "green"),
    Threshold(1, "yellow"),
    Threshold(5, "red"),
)

HEALTH: Final = Dashboard(
    uid="goldseam-health",
    title="Goldseam / Health",
    description="Whether calls get answers, and what it takes to get them.",
    variables=VARIABLES,
    panels=(
        Panel(
            title="Calls",
            question="How many calls ended?",
            kind="stat",
            sql=f"SELECT count(*) AS calls FROM ai_request_logs WHERE {_ENDED} AND {CHOSEN}",  # noqa: S608 - names are ours
        ),
        Panel(
            title="Lost",
            question="What share of the calls ended in an error, after all recovery?",
            kind="stat",
            unit="percent",
            thresholds=_RATE,
            sql=f"""SELECT 100.0 * count(*) FILTER (WHERE status = 'error')
       / nullif(count(*), 0)::float8 AS lost
FROM ai_request_logs WHERE {_ENDED} AND {CHOSEN}""",  # noqa: S608 - as above
        ),
        Panel(
            title="Failed at the first try",
            question="What share of the calls would have been lost without recovery?",
            kind="stat",
            unit="percent",
            sql=f"""SELECT 100.0 * count(*) FILTER (WHERE first_error_code IS NOT NULL)
       / nullif(count(*), 0)::float8 AS failed_first
FROM ai_request_logs WHERE {_ENDED} AND {CHOSEN}""",  # noqa: S608 - as above
        ),
        Panel(
            title="95th percentile",
            question="How long do the slower calls take, their recovery included?",
            kind="stat",
            unit="ms",
            sql=f"""SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms) AS p95
FROM ai_request_logs WHERE {_ENDED} AND {CHOSEN}""",  # noqa: S608 - as above
        ),
        Panel(
            title="Outcomes",
            question="When did calls fail, and were they mended?",
            kind="timeseries",
            width=24,
            height=9,
            sql=f"""SELECT $__timeGroupAlias(created_at, $__interval),
       CASE WHEN status = 'error' THEN 'lost'
            WHEN recovery_outcome = 'recovered' THEN 'mended'
            ELSE 'answered at once' END AS metric,
       count(*) AS value
FROM ai_request_logs WHERE {_ENDED} AND {CHOSEN}
GROUP BY 1, 2 ORDER BY 1""",  # noqa: S608 - as above
        ),
        Panel(
            title="Providers",
            question="Which provider answers, how fast, and which one fails?",
            kind="table",
            width=12,
            height=9,
            sql=f"""SELECT provider_used AS provider, count(*) AS calls,
       100.0 * count(*) FILTER (WHERE status = 'success') / count(*)::float8 AS "answered %",
       avg(processing_time_ms) AS "mean ms"
FROM ai_request_logs WHERE {_ENDED} AND {CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",  # noqa: S608 - as above
        ),
        Panel(
            title="What fails first",
            question="Which errors do calls meet, and how many of them are mended?",
            kind="table",
            width=12,
            height=9,
            sql=f"""SELECT first_error_code AS error, count(*) AS calls,
       count(*) FILTER (WHERE recovery_outcome = 'recovered') AS mended,
       count(*) FILTER (WHERE status = 'error') AS lost
FROM ai_request_logs WHERE first_error_code IS NOT NULL AND {_ENDED} AND {CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",  # noqa: S608 - as above
        ),
    ),
)
