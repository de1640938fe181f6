"""Recovery: what failed, what mended it, what it cost, what was lost?

What is counted comes from sums and rows, the pairs of failure and remedy from the rows alone.
"""

from typing import Final

from goldseam.grafana.dashboards.common import (
    ANNOTATIONS,
    ANY_IS_BAD,
    CHOSEN,
    TO_REQUEST,
    TO_TRACE,
    VARIABLES,
)
from goldseam.grafana.dashboards.sources import TIME, calls, errors, is_chosen
from goldseam.grafana.panels import Column, Dashboard, Panel, Threshold
from goldseam.storage.measures import STRATEGIES

_MENDED_RATE: Final = (Threshold(None, "red"), Threshold(50, "yellow"), Threshold(90, "green"))

_BY_STRATEGY: Final = ",\n       ".join(
    f"count(*) FILTER (WHERE recovery_strategy = '{strategy}') AS \"{strategy}\""
    for strategy in STRATEGIES
)

_STEPS_CHOSEN: Final = f"""$__timeFilter(created_at)
  AND {is_chosen("coalesce(provider, 'unknown')", "provider")}
  AND {is_chosen("coalesce(model, 'unknown')", "model")}
  AND {is_chosen("tenant_id", "tenant")}"""
"""Steps know no module, and their provider is the one that the step asked."""


_BY: Final = tuple(f"recovered_by_{strategy}" for strategy in STRATEGIES)
_SUMS: Final = ", ".join(
    (
        *(f"sum({name}) AS {name}" for name in _BY),
        f"sum(recovered_count - {' - '.join(_BY)}) AS recovered_by_sdk",
        "sum(error_count) AS lost",
    )
)
_OUTCOMES: Final = ", ".join(
    (
        *(f"('mended by {strategy}', recovered_by_{strategy})" for strategy in STRATEGIES),
        "('mended by the SDK', recovered_by_sdk)",
        "('lost', lost)",
    )
)


def _sum(expression: str, name: str) -> str:
    return f"SELECT ({expression})::float8 AS {name} FROM {calls(expression)}"


RECOVERY: Final = Dashboard(
    uid="goldseam-recovery",
    title="Goldseam / Recovery",
    description="What failed, what mended it, what it cost, what was lost.",
    variables=VARIABLES,
    annotations=ANNOTATIONS,
    panels=(
        Panel(
            title="Mended",
            question="How many calls failed first and got their answer all the same?",
            kind="stat",
            width=4,
            sql=_sum("coalesce(sum(recovered_count), 0)", "mended"),
        ),
        Panel(
            title="Lost",
            question="How many calls failed for good?",
            kind="stat",
            width=4,
            thresholds=ANY_IS_BAD,
            sql=_sum("coalesce(sum(error_count), 0)", "lost"),
        ),
        Panel(
            title="Mended of all failures",
            question="What share of the calls that failed at first was saved?",
            kind="stat",
            width=4,
            unit="percent",
            thresholds=_MENDED_RATE,
            sql=_sum(
                "100 * sum(recovered_count) / nullif(sum(recovered_count + error_count), 0)",
                "mended",
            ),
        ),
        Panel(
            title="Time to mend",
            question="How long does a mended call wait for its answer after the first failure?",
            kind="stat",
            width=4,
            unit="ms",
            sql=_sum(
                "sum(recovery_time_ms) / nullif(sum(recovered_count - spared_count), 0)", "mend"
            ),
        ),
        Panel(
            title="Extra requests",
            question="How many requests were sent beyond the first of each call?",
            kind="stat",
            width=4,
            sql=_sum(
                "coalesce(sum(attempt_count - success_count - error_count - cancelled_count"
                " - abandoned_count), 0)",
                "extra",
            ),
        ),
        Panel(
            title="Spent on lost calls",
            question="What was paid for calls that gave no answer, as far as prices are known?",
            kind="stat",
            width=4,
            unit="currencyUSD",
            sql=_sum("coalesce(sum(wasted_cost_usd), 0)", "wasted"),
        ),
        Panel(
            title="Outcomes of failures",
            question="When were calls mended, and how, or spared a provider that fails; which not?",
            kind="timeseries",
            width=24,
            height=9,
            stacked=True,
            sql=f"""SELECT time, metric, value::float8 AS value
FROM (SELECT {TIME}, {_SUMS} FROM {calls(_SUMS, graph=True)} GROUP BY 1) AS sums,
LATERAL (VALUES {_OUTCOMES}) AS outcomes (metric, value)
WHERE value > 0
UNION ALL
SELECT {TIME}, 'given up',
       sum(occurrence_count - recovered_count - failed_count)::float8
FROM {errors("occurrence_count, recovered_count, failed_count", graph=True)}
GROUP BY 1 HAVING sum(occurrence_count - recovered_count - failed_count) > 0
ORDER BY 1""",
        ),
        Panel(
            title="What failed, and what mended it",
            question="Which remedy helps against which failure, and what does none help against?",
            kind="table",
            width=12,
            height=10,
            columns=(
                Column(name="lost", thresholds=ANY_IS_BAD),
                Column(name="saved", unit="percent", thresholds=_MENDED_RATE),
            ),
            sql=f"""SELECT first_error_code AS error, count(*) AS failed,
       {_BY_STRATEGY},
       count(*) FILTER (WHERE status = 'error') AS lost,
       100.0 * count(*) FILTER (WHERE recovery_outcome = 'recovered') / count(*)::float8 AS saved
FROM ai_request_logs
WHERE first_error_code IS NOT NULL AND status <> 'pending' AND {CHOSEN}
GROUP BY 1 ORDER BY lost DESC, failed DESC LIMIT 50""",
        ),
        Panel(
            title="What it costs",
            question="What do mended calls cost in time, tokens and money, next to the others?",
            kind="table",
            width=12,
            height=10,
            columns=(
                Column(name="mean time", unit="ms"),
                Column(name="mean wait", unit="ms"),
                Column(name="mean cost", unit="currencyUSD"),
            ),
            sql=f"""SELECT CASE WHEN status = 'error' THEN 'lost'
            WHEN recovery_outcome = 'recovered'
            THEN 'mended by ' || coalesce(recovery_strategy, 'the SDK')
            ELSE 'answered at once' END AS calls,
       count(*) AS number, avg(processing_time_ms) AS "mean time",
       avg(recovery_wait_ms) AS "mean wait", avg(1 + retry_count)::float8 AS "requests per call",
       avg(tokens_used)::float8 AS "mean tokens", avg(cost_usd) AS "mean cost",
       count(*) FILTER (WHERE degraded) AS "at lower quality"
FROM ai_request_logs WHERE status IN ('success', 'error') AND {CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 20""",
        ),
        Panel(
            title="Strategies",
            question="How often does each recovery step work, and how long does it take?",
            kind="table",
            width=12,
            height=9,
            columns=(
                Column(name="worked", unit="percent", thresholds=_MENDED_RATE),
                Column(name="median", unit="ms"),
                Column(name="95 of 100", unit="ms"),
            ),
            sql=f"""SELECT strategy_name AS strategy, count(*) AS steps,
       100.0 * count(*) FILTER (WHERE was_successful) / count(*)::float8 AS worked,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY recovery_time_ms) AS median,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY recovery_time_ms) AS "95 of 100"
FROM ai_error_recovery WHERE {_STEPS_CHOSEN}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50""",
        ),
        Panel(
            title="Steps by provider",
            question="Which provider and model help out, and which do not?",
            kind="table",
            width=12,
            height=9,
            columns=(Column(name="worked", unit="percent", thresholds=_MENDED_RATE),),
            sql=f"""SELECT coalesce(provider, 'unknown') AS provider,
       coalesce(model, 'unknown') AS model,
       strategy_name AS strategy, count(*) AS steps,
       100.0 * count(*) FILTER (WHERE was_successful) / count(*)::float8 AS worked
FROM ai_error_recovery WHERE {_STEPS_CHOSEN}
GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 50""",
        ),
        Panel(
            title="Lost calls",
            question="Which calls could not be mended, and what was tried?",
            kind="table",
            width=24,
            height=9,
            columns=(
                Column(name="duration", unit="ms"),
                Column(name="cost", unit="currencyUSD"),
                Column(name="id", links=(TO_REQUEST,)),
                Column(name="trace_id", links=(TO_TRACE,)),
            ),
            sql=f"""SELECT created_at AS time, provider_requested AS "asked",
       provider_used AS "asked last",
       module, tenant_id AS tenant, first_error_code AS "first error", error_code AS error,
       recovery_outcome AS outcome, recovery_steps AS steps, processing_time_ms AS duration,
       cost_usd AS cost, error_message AS message, id::text AS id, trace_id
FROM ai_request_logs WHERE status = 'error' AND {CHOSEN}
ORDER BY created_at DESC LIMIT 200""",
        ),
    ),
)
