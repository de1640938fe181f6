"""Cost and tokens: where do the tokens and the money go, and is any of it wasted?

Costs are known only of calls whose model has a known price; the share is shown.
"""

from typing import Final

from goldseam.grafana.dashboards.common import ANNOTATIONS, LOST_RATE, VARIABLES
from goldseam.grafana.dashboards.sources import TIME, calls
from goldseam.grafana.panels import Column, Dashboard, Panel

_USD: Final = "currencyUSD"


def _total(expression: str, name: str) -> str:
    return f"SELECT ({expression})::float8 AS {name} FROM {calls(expression)}"


def _over_time(dimension: str, measure: str) -> str:
    return f"""SELECT {TIME}, {dimension} AS metric, sum({measure})::float8 AS value
FROM {calls(measure, graph=True, by_model=dimension == "model")}
GROUP BY 1, 2 ORDER BY 1"""


_SUMS: Final = """sum(success_count + error_count)::float8 AS calls,
       sum(cost_usd)::float8 AS cost,
       (sum(cost_usd) / nullif(sum(cost_known_count), 0))::float8 AS "per call",
       sum(input_tokens)::float8 AS "input tokens", sum(output_tokens)::float8 AS "output tokens",
       sum(wasted_cost_usd)::float8 AS wasted"""


def _by(dimension: str, label: str) -> str:
    return f"""SELECT {dimension} AS {label},
       {_SUMS}
FROM {calls(_SUMS, by_model=dimension == "model", by_tenant=dimension == "tenant_id")}
GROUP BY 1 ORDER BY cost DESC, "input tokens" DESC LIMIT 50"""


def _table(title: str, question: str, sql: str) -> Panel:
    money = tuple(Column(name=name, unit=_USD) for name in ("cost", "per call", "wasted"))
    return Panel(
        title=title, question=question, kind="table", width=12, height=9, columns=money, sql=sql
    )


COST: Final = Dashboard(
    uid="goldseam-cost",
    title="Goldseam / Cost and tokens",
    description="Where tokens and money go.",
    variables=VARIABLES,
    annotations=ANNOTATIONS,
    time_from="now-7d",
    panels=(
        Panel(
            title="Cost",
            question="What did the calls cost, as far as prices are known?",
            kind="stat",
            width=4,
            unit=_USD,
            sql=_total("coalesce(sum(cost_usd), 0)", "cost"),
        ),
        Panel(
            title="Per answered call",
            question="What does one answer cost, lost calls included?",
            kind="stat",
            width=4,
            unit=_USD,
            sql=_total("sum(cost_usd) / nullif(sum(success_count), 0)", "cost"),
        ),
        Panel(
            title="Wasted",
            question="What share of the cost went into calls that gave no answer?",
            kind="stat",
            width=4,
            unit="percent",
            thresholds=LOST_RATE,
            sql=_total("100 * sum(wasted_cost_usd) / nullif(sum(cost_usd), 0)", "wasted"),
        ),
        Panel(
            title="Calls of unknown cost",
            question="Of what share of the calls with tokens is the price unknown?",
            kind="stat",
            width=4,
            unit="percent",
            sql=_total(
                "100.0 * greatest(0, sum(tokens_known_count - cost_known_count))"
                " / nullif(sum(tokens_known_count), 0)",
                "unknown",
            ),
        ),
        Panel(
            title="Input tokens",
            question="How many tokens were read?",
            kind="stat",
            width=4,
            sql=_total("coalesce(sum(input_tokens), 0)", "tokens"),
        ),
        Panel(
            title="Output tokens",
            question="How many tokens were written?",
            kind="stat",
            width=4,
            sql=_total("coalesce(sum(output_tokens), 0)", "tokens"),
        ),
        Panel(
            title="Cost over time",
            question="When does which provider cost how much?",
            kind="timeseries",
            width=12,
            height=9,
            unit=_USD,
            stacked=True,
            sql=_over_time("provider", "cost_usd"),
        ),
        Panel(
            title="Tokens over time",
            question="When does which model use how many tokens?",
            kind="timeseries",
            width=12,
            height=9,
            stacked=True,
            sql=_over_time("model", "tokens_used"),
        ),
        _table("Models", "Which model costs most, and per call?", _by("model", "model")),
        _table("Modules", "Which part of the application spends most?", _by("module", "module")),
        _table("Tenants", "For whom is most spent?", _by("tenant_id", "tenant")),
        _table("Providers", "Which provider gets most?", _by("provider", "provider")),
    ),
)
