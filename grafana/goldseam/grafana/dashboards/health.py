"""Health: is it us or the provider, and is anything being lost?"""

from typing import Final

from goldseam.grafana.dashboards.common import (
    ANNOTATIONS,
    ANY_IS_BAD,
    LOST_RATE,
    PATTERNS,
    TO_ERRORS,
    VARIABLES,
)
from goldseam.grafana.dashboards.sources import TIME, calls, errors, percentile
from goldseam.grafana.panels import Column, Dashboard, Panel, Threshold

_ENDED: Final = "success_count + error_count"
_MENDED: Final = "recovered_count - spared_count"
_FAILED_FIRST: Final = f"{_MENDED} + error_count"

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
            sql=f"""SELECT coalesce(sum({_ENDED}), 0)::float8 AS calls
FROM {calls(_ENDED)}""",
        ),
        Panel(
            title="Lost",
            question="What share of the calls ended in an error, after all recovery?",
            kind="stat",
            unit="percent",
            thresholds=LOST_RATE,
            sql=f"""SELECT (100.0 * sum(error_count)
       / nullif(sum({_ENDED}), 0))::float8 AS lost
FROM {calls(_ENDED)}""",
        ),
        Panel(
            title="Failed at the first try",
            question="What share of the calls would have been lost without recovery?",
            kind="stat",
            unit="percent",
            sql=f"""SELECT (100.0 * sum({_FAILED_FIRST})
       / nullif(sum({_ENDED}), 0))::float8 AS failed_first
FROM {calls(f"{_ENDED}, {_MENDED}")}""",
        ),
        Panel(
            title="95th percentile",
            question="How long do the slower calls take, their recovery included, within 5 %?",
            kind="stat",
            unit="ms",
            sql=percentile(95),
        ),
        Panel(
            title="Outcomes",
            question="When did calls fail, and were they mended?",
            kind="timeseries",
            width=24,
            height=9,
            stacked=True,
            sql=f"""SELECT time, metric, value::float8 AS value
FROM (SELECT {TIME}, sum(success_count - ({_MENDED})) AS at_once, sum({_MENDED}) AS mended,
             sum(error_count) AS lost
      FROM {calls(f"{_ENDED}, {_MENDED}", graph=True)} GROUP BY 1) AS sums,
LATERAL (VALUES ('answered at once', at_once), ('mended', mended), ('lost', lost))
  AS outcomes (metric, value)
WHERE value > 0 ORDER BY 1""",
        ),
        Panel(
            title="Providers over time",
            question="When did which provider fail, as a share of the calls it was asked first?",
            kind="state-timeline",
            unit="percent",
            width=24,
            height=7,
            thresholds=(Threshold(None, "green"), Threshold(5, "yellow"), Threshold(50, "red")),
            sql=f"""SELECT {TIME}, provider AS metric,
       (100 * sum(failed) / sum(failed + answered))::float8 AS value
FROM (SELECT started, provider, 0 AS failed, first_try_count AS answered
      FROM {calls("first_try_count", graph=True)}
      UNION ALL
      SELECT started, provider, occurrence_count, 0
      FROM {errors("occurrence_count", graph=True)}) AS asked
GROUP BY 1, 2 HAVING sum(failed + answered) > 0 ORDER BY 1""",
        ),
        Panel(
            title="Providers",
            question="Which provider answers, how fast, and which one fails?",
            kind="table",
            width=12,
            height=9,
            columns=(Column(name="answered", unit="percent"), Column(name="mean", unit="ms")),
            sql=f"""SELECT provider, sum({_ENDED})::float8 AS calls,
       (100.0 * sum(success_count) / sum({_ENDED}))::float8 AS answered,
       (sum(duration_ms) / sum({_ENDED}))::float8 AS mean
FROM {calls(f"{_ENDED}, duration_ms")}
GROUP BY 1 HAVING sum({_ENDED}) > 0 ORDER BY 2 DESC LIMIT 50""",
        ),
        Panel(
            title="What fails first",
            question="Which errors do calls meet, and how many of them are mended?",
            kind="table",
            width=12,
            height=9,
            columns=(Column(name="lost", thresholds=ANY_IS_BAD),),
            sql=f"""SELECT error, sum(occurrence_count)::float8 AS calls,
       sum(recovered_count)::float8 AS mended, sum(failed_count)::float8 AS lost
FROM {errors("occurrence_count, recovered_count, failed_count")}
GROUP BY 1 HAVING sum(occurrence_count) > 0 ORDER BY 2 DESC LIMIT 50""",
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
