"""Where panels read their figures: as few rows as possible, so that a month is quick too.

A figure over the whole range comes from whole days and whole hours of the roll-ups and from the
rows at both ends, so that it is exact. A graph needs steps of equal width: it reads rows up to
`ROWS_UP_TO`, then the sums of hours, then those of days. Sums of all tenants, and of all models,
together stand in for those of each where the variable lets everything through.

The dashboards put these subqueries behind FROM; `ui.frames` asks for the width of a step. Pure.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple

from goldseam.storage.measures import (
    ANSWERED,
    BIN,
    BIN_DIGITS,
    BIN_LAST,
    BIN_VALUE_MS,
    DURATIONS,
    ERROR_MEASURES,
    EVERYBODY,
    MEASURES,
    MET_ERROR,
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

_UNION: Final = "\n  UNION ALL "

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


def calls(
    wanted: str, *, graph: bool = False, by_model: bool = False, by_tenant: bool = False
) -> str:
    """Return `started, tenant_id, provider, model, module` and measures, narrowed by the variables.

    Args:
        wanted: Text, such as an expression, that names what is needed of `MEASURES`; to be summed.
        graph: For a graph instead of a figure.
        by_model: Whether `model` is needed; else it may stand for any.
        by_tenant: Whether `tenant_id` is needed; else it may stand for everybody.
    """
    names, values = _measures(wanted, MEASURES)
    pieces = _pieces(graph=graph)
    any_model, models = f"provider, '{ANY}', module, {names}", f"provider, model, module, {names}"
    sums = [_Sums("hour", models, pieces.whole)]
    if not by_model:
        sums = [
            *_sums_of_any_model("total", any_model, pieces),
            _Sums("hour", models, f"{pieces.whole} AND NOT {_is_any('model')}"),
        ]
    rows = _rows(f"provider_used AS provider, {MODEL} AS model, module, {values}", pieces.rows)
    found = _UNION.join((rows, *_rolled(sums, by_tenant=by_tenant)))
    return f"({found}) AS calls\nWHERE {_narrowed('provider', 'model', 'module')}"


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
    pieces = _pieces(graph=graph)
    sums = _sums_of_any_model("error", f"error_pattern, module, {names}", pieces)
    rows = _rows_of_models(f"error_pattern, module, {values}", pieces.rows, MET_ERROR)
    found = _UNION.join((rows, *_rolled(sums, by_tenant=by_tenant)))
    return f"""(SELECT *, split_part(error_pattern, ':', 1) AS error,
    split_part(error_pattern, ':', 2) AS provider
  FROM ({found}) AS met WHERE error_pattern <> '') AS errors
WHERE {_narrowed("provider", "module")}"""


def percentile(percent: float) -> str:
    """Return the query for the duration that so many percent do not exceed, ms, within 5 %.

    The histograms know no model, so a chosen one is looked for in the rows.
    """
    pieces = _pieces(graph=False)
    sums = _sums_of_any_model("total", f"provider, module, {DURATIONS.name}", pieces)
    rows = _rows_of_models(
        f"provider_used AS provider, module, {BIN} AS bin", pieces.rows, ANSWERED
    )
    narrowed = _narrowed("provider", "module")
    return f"""WITH sums AS (
  SELECT sum({DURATIONS.name}) AS durations
  FROM ({_UNION.join(_rolled(sums))}) AS calls WHERE {narrowed}),
bins AS (
  SELECT bin, div(durations, ('1e' || {BIN_DIGITS} * bin)::numeric) % 1e{BIN_DIGITS} AS number
  FROM sums, generate_series(0, {BIN_LAST}) AS bin
  UNION ALL
  SELECT bin, count(*) FROM ({rows}) AS calls WHERE {narrowed} GROUP BY bin),
running AS (
  SELECT bin, sum(number) OVER (ORDER BY bin) AS number, sum(number) OVER () AS total FROM bins)
SELECT {BIN_VALUE_MS} AS p{percent:g}
FROM running WHERE total > 0 AND number >= ceil(total * {percent / 100}) ORDER BY bin LIMIT 1"""


class _Pieces(NamedTuple):
    """Which rows, hours and days a range is read from; `whole` are all its hours."""

    rows: str
    hours: str
    days: str
    whole: str


class _Sums(NamedTuple):
    """What to read of one kind of roll-up: its name, columns and condition."""

    name: str
    columns: str
    condition: str


def _measures(wanted: str, known: Iterable[Measure]) -> tuple[str, str]:
    """Return the columns of the roll-ups that a text names, and what a row adds to them."""
    named = [measure for measure in known if re.search(rf"\b{measure.name}\b", wanted)]
    values = [f"coalesce({measure.sql}, 0) AS {measure.name}" for measure in named]
    return ", ".join(measure.name for measure in named), ", ".join(values)


def _sums_of_any_model(stem: str, columns: str, pieces: _Pieces) -> list[_Sums]:
    """Return days and hours of roll-ups that know no model, unread where one is chosen."""
    return [
        _Sums(f"{stem}_{grain}", columns, f"{piece} AND {_is_any('model')}")
        for grain, piece in (("day", pieces.days), ("hour", pieces.hours))
    ]


def _rolled(sums: Iterable[_Sums], *, by_tenant: bool = False) -> list[str]:
    """Return the selects of roll-ups; of both copies, one is empty for any choice of tenants."""
    everybody = f"ARRAY['{EVERYBODY}']"
    wanted = f"CASE WHEN {_is_any('tenant')} THEN {everybody} ELSE {_chosen('tenant')} END"
    tenant = is_chosen("tenant_id", "tenant") if by_tenant else f"tenant_id = ANY({wanted})"
    return [
        f"SELECT bucket AS started, tenant_id, {columns} FROM ai_stats_{name}{suffix}"
        f"\n  WHERE {tenant} AND {condition}"
        for name, columns, condition in sums
        for suffix in (("",) if by_tenant else ("_all", ""))
    ]


def _rows(columns: str, condition: str) -> str:
    return (
        f"SELECT created_at AS started, tenant_id, {columns}"
        f" FROM ai_request_logs\n  WHERE {condition} AND {is_chosen('tenant_id', 'tenant')}"
    )


def _rows_of_models(columns: str, piece: str, condition: str) -> str:
    """Return the select of rows where the sums know no model: all, if one is chosen."""
    where = f"(NOT {_is_any('model')} AND $__timeFilter(created_at) OR {piece})"
    return _rows(columns, f"{where} AND {is_chosen(MODEL, 'model')} AND {condition}")


def _pieces(*, graph: bool) -> _Pieces:
    return _of_graph() if graph else _of_figure()


def _of_figure() -> _Pieces:
    """Return what makes up the range. A bucket begins where a step does.

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
    return _Pieces(
        rows=rows,
        hours=hours,
        days=f"bucket >= {_START} AND bucket < {last_day}",
        whole=f"bucket >= {_START} AND bucket < {last_hour}",
    )


def _of_graph() -> _Pieces:
    """Return the same for a graph, which has one of them only."""
    sums = f"bucket >= {_START} AND bucket < {_END}"
    return _Pieces(
        rows=f"({_IS_SHORT} AND $__timeFilter(created_at))",
        hours=f"NOT ({_IS_SHORT} OR {_IS_LONG}) AND {sums}",
        days=f"{_IS_LONG} AND {sums}",
        whole=f"NOT ({_IS_SHORT}) AND {sums}",
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
