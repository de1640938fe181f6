"""Where panels read their figures: as few rows as possible, so that a month is quick too.

A figure over the whole range comes from whole days and whole hours of the roll-ups and from the
rows at both ends, so that it is exact. A graph needs steps of equal width: it reads rows up to
`ROWS_UP_TO`, then the sums of hours, then those of days. Sums of all tenants together stand in for
those of each where the variable lets everybody through.

The dashboards put these subqueries behind FROM; `ui.frames` asks for the width of a step. Pure.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from goldseam.storage.measures import (
    ANSWERED,
    BIN,
    BIN_LAST,
    BIN_RATIO,
    ERROR_MEASURES,
    EVERYBODY,
    HAS_PATTERN,
    MEASURES,
    MODEL,
    Measure,
)

ANY: Final = "*"
"""An option that lets everything through. "All" contains it, so what the list has no room for is
counted too."""

ROWS_UP_TO: Final = timedelta(hours=36)
"""The longest range whose graphs are drawn from rows, in steps of any width."""

HOURS_UP_TO: Final = timedelta(days=60)
"""The longest range whose graphs are drawn from the sums of hours."""

_START: Final = "$__timeFrom()::timestamptz"
_END: Final = "$__timeTo()::timestamptz"
_JUST_AFTER: Final = f"{_END} + interval '1 microsecond'"
_RANGE: Final = f"{_END} - {_START}"
_IS_SHORT: Final = f"{_RANGE} <= interval '{ROWS_UP_TO.total_seconds():.0f} s'"
_IS_LONG: Final = f"{_RANGE} > interval '{HOURS_UP_TO.total_seconds():.0f} s'"

STEP: Final = (
    f"greatest($__interval_ms / 1000, CASE WHEN {_IS_SHORT} THEN 1"
    f" WHEN {_IS_LONG} THEN 86400 ELSE 3600 END)"
)
"""Width of a graph's steps, seconds: never narrower than what is read."""

TIME: Final = f'floor(extract(epoch from started) / {STEP}) * {STEP} AS "time"'
"""Start of the step that `started` is in, seconds since 1970."""


def step_s(interval_s: int, within: timedelta) -> int:
    """Return what `STEP` is in a range, seconds, where Grafana computed `interval_s`."""
    if within <= ROWS_UP_TO:
        return max(interval_s, 1)
    return max(interval_s, 86400 if within > HOURS_UP_TO else 3600)


def is_chosen(column: str, variable: str) -> str:
    """Return the condition that a column has one of a variable's chosen values."""
    return f"({_is_any(variable)} OR {column} = ANY({_chosen(variable)}))"


def calls(wanted: str, *, graph: bool = False, by_tenant: bool = False) -> str:
    """Return `started, tenant_id, provider, model, module` and measures, narrowed by the variables.

    Args:
        wanted: Text, such as an expression, that names what is needed of `MEASURES`; to be summed.
        graph: For a graph instead of a figure.
        by_tenant: Whether `tenant_id` is needed; else it may stand for everybody.
    """
    names, values = _measures(wanted, MEASURES)
    rolled, raw = f"provider, model, module, {names}", f"provider_used, {MODEL}, module, {values}"
    found = _parts("", rolled, raw, graph=graph, by_tenant=by_tenant)
    narrowed = _narrowed("provider", "model", "module")
    return f"({found}) AS calls\nWHERE {narrowed}"


def errors(wanted: str, *, graph: bool = False, by_tenant: bool = False) -> str:
    """Return `started, tenant_id, error_pattern, error, provider, module` and measures of failures.

    They are of calls that met an error pattern; the provider is the one that failed first. The
    roll-ups know no model, so a chosen one is looked for in the rows.

    Args:
        wanted: Text that names what is needed of `ERROR_MEASURES`; to be summed.
        graph: For a graph instead of a figure.
        by_tenant: Whether `tenant_id` is needed; else it may stand for everybody.
    """
    names, values = _measures(wanted, ERROR_MEASURES)
    columns, raw = f"error_pattern, module, {names}", f"error_pattern, module, {values}"
    condition = f"{HAS_PATTERN} AND {is_chosen(MODEL, 'model')}"
    found = _parts(
        "error_", columns, raw, condition, graph=graph, by_tenant=by_tenant, knows_model=False
    )
    return (
        "(SELECT *, split_part(error_pattern, ':', 1) AS error,"
        f" split_part(error_pattern, ':', 2) AS provider\nFROM ({found}) AS patterns) AS errors\n"
        f"WHERE {_narrowed('provider', 'module')}"
    )


def percentile(percent: float) -> str:
    """Return the query for the duration that so many percent do not exceed, ms, within 5 %.

    The histograms know no model, so a chosen one is looked for in the rows.
    """
    condition = f"{ANSWERED} AND {is_chosen(MODEL, 'model')}"
    found = _parts(
        "latency_",
        "provider, module, bin, request_count",
        f"provider_used, module, {BIN}, 1",
        condition,
        knows_model=False,
    )
    lower = f"power({BIN_RATIO}::float8, bin - 1)"
    return f"""WITH bins AS (
  SELECT bin, sum(request_count) AS number FROM ({found}) AS calls
  WHERE {_narrowed("provider", "module")} GROUP BY bin),
running AS (
  SELECT bin, sum(number) OVER (ORDER BY bin) AS number, sum(number) OVER () AS total FROM bins)
SELECT CASE bin WHEN 0 THEN 0.5 WHEN {BIN_LAST} THEN {lower}
            ELSE {lower} * {2 * BIN_RATIO / (1 + BIN_RATIO):.6f} END AS p{percent:g}
FROM running WHERE number >= ceil(total * {percent / 100}) ORDER BY bin LIMIT 1"""


def _measures(wanted: str, known: Iterable[Measure]) -> tuple[str, str]:
    """Return the columns of the roll-ups that a text names, and what a row adds to them."""
    named = [measure for measure in known if re.search(rf"\b{measure.name}\b", wanted)]
    values = [f"coalesce({measure.sql}, 0) AS {measure.name}" for measure in named]
    return ", ".join(measure.name for measure in named), ", ".join(values)


def _parts(
    stem: str,
    rolled: str,
    raw: str,
    condition: str = "true",
    *,
    graph: bool = False,
    by_tenant: bool = False,
    knows_model: bool = True,
) -> str:
    """Return the selects of roll-ups and rows, of which those that are not needed cost nothing."""
    summed = "" if knows_model else f" AND {_is_any('model')}"
    in_rows, in_hours, in_days = _graph_pieces() if graph else _figure_pieces()
    if not knows_model:
        in_rows = f"(NOT {_is_any('model')} AND $__timeFilter(created_at) OR {in_rows})"
    everybody = f"ARRAY['{EVERYBODY}']"
    wanted = f"CASE WHEN {_is_any('tenant')} THEN {everybody} ELSE {_chosen('tenant')} END"
    tenant = is_chosen("tenant_id", "tenant") if by_tenant else f"tenant_id = ANY({wanted})"
    parts = [
        f"SELECT bucket AS started, tenant_id, {rolled} FROM ai_stats_{stem}{grain}{suffix}"
        f"\n  WHERE {tenant} AND {piece}{summed}"
        for grain, piece in (("day", in_days), ("hour", in_hours))
        for suffix in (("",) if by_tenant else ("_all", ""))
    ]
    parts.append(
        f"SELECT created_at, tenant_id, {raw} FROM ai_request_logs\n  WHERE {in_rows}"
        f"\n  AND {is_chosen('tenant_id', 'tenant')} AND {condition}"
    )
    return "\n  UNION ALL ".join(parts)


def _figure_pieces() -> tuple[str, str, str]:
    """Return which rows, hours and days make up the range. A bucket begins where a step does.

    Both ends are bounded on both sides without a common condition, or the planner would take that
    out and read all between them.
    """
    first_hour, last_hour = _after(_START, "1 hour"), _before(_END, "1 hour")
    first_day, last_day = _after(_START, "1 day"), _before(_END, "1 day")
    rows = (
        f"(created_at >= {_START} AND created_at < least({first_hour}, {_JUST_AFTER})"
        f"\n    OR created_at >= greatest({last_hour}, {_START}) AND created_at <= {_END})"
    )
    hours = (
        f"(bucket >= {_START} AND bucket < least({first_day}, {last_hour})"
        f"\n    OR bucket >= greatest({last_day}, {_START}) AND bucket < {last_hour})"
    )
    return rows, hours, f"bucket >= {_START} AND bucket < {last_day}"


def _graph_pieces() -> tuple[str, str, str]:
    """Return the same for a graph, which has one of them only."""
    sums = f"bucket >= {_START} AND bucket < {_END}"
    return (
        f"({_IS_SHORT} AND $__timeFilter(created_at))",
        f"NOT ({_IS_SHORT} OR {_IS_LONG}) AND {sums}",
        f"{_IS_LONG} AND {sums}",
    )


def _before(moment: str, step: str) -> str:
    return f"date_bin('{step}', {moment}, 'epoch')"


def _after(moment: str, step: str) -> str:
    return _before(f"{moment} + interval '{step}' - interval '1 microsecond'", step)


def _narrowed(*columns: str) -> str:
    return "\n  AND ".join(is_chosen(column, column) for column in columns)


def _is_any(variable: str) -> str:
    return f"'{ANY}' = ANY({_chosen(variable)})"


def _chosen(variable: str) -> str:
    return f"ARRAY[${{{variable}:sqlstring}}]::text[]"
