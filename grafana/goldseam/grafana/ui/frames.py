"""Turn the rows of a query into what the page draws: a table, or lines over one time grid.

Pure; called by `data`. JSON knows no decimals and no times, so figures become floats and times
milliseconds since 1970.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from goldseam.grafana.dashboards import sources
from goldseam.grafana.dashboards.sources import STEP
from goldseam.grafana.ui.ranges import Range

SERIES_MAX: Final = 12
"""More lines than that cannot be told apart; the smaller ones become one."""

REST: Final = "others"

_GRID_MAX: Final = 5_000

Json = dict[str, Any]


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Json:
    """Return columns with their types and rows of plain values."""
    found = [[plain(value) for value in row] for row in rows]
    kinds = [_kind(row) for row in zip(*found, strict=True)] or ["text"] * len(names)
    stamps = _times(names, rows)
    columns = [
        {"name": name, "type": "time" if name in stamps else kind}
        for name, kind in zip(names, kinds, strict=True)
    ]
    return {"columns": columns, "rows": found}


def series(
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    within: Range,
    step_s: int,
    is_sum: bool,
) -> Json:
    """Return one line for each value of `metric`, or for each further column.

    Args:
        names: Columns: `time`, seconds since 1970, and figures, among them a text `metric` or not.
        rows: In order of time.
        within: What the grid covers.
        step_s: Width of the grid, seconds.
        is_sum: Whether the figures add up, so that nothing is 0 and lines may be put together.
    """
    grid = _grid(within, step_s)
    position = {moment: index for index, moment in enumerate(grid)}
    empty = 0.0 if is_sum else None
    lines: dict[str, list[float | None]] = defaultdict(lambda: [empty] * len(grid))
    for moment, name, value in _points(names, rows):
        if moment in position and value is not None:
            lines[name][position[moment]] = value
    kept = _largest(lines) if is_sum else dict(lines)
    return {
        "step_s": step_s,
        "times": grid,
        "series": [{"name": name, "values": values} for name, values in kept.items()],
    }


def step_s(sql: str, within: Range) -> int:
    """Return the width of a query's steps, seconds."""
    interval_s = int(within.step.total_seconds())
    return sources.step_s(interval_s, within.end - within.start) if STEP in sql else interval_s


def plain(value: Any) -> Any:
    """Return a value that JSON has."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if value is None or isinstance(value, str | int | bool | list | dict):
        return value
    return str(value)


def _points(
    names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Iterable[tuple[int, str, float | None]]:
    at = names.index("time")
    label = names.index("metric") if "metric" in names else None
    figures = [index for index in range(len(names)) if index not in {at, label}]
    for row in rows:
        for index in figures:
            name = names[index] if label is None else str(row[label])
            value = plain(row[index])
            yield int(row[at]), name, None if value is None else float(value)


def _grid(within: Range, step_s: int) -> list[int]:
    first = int(within.start.timestamp()) // step_s * step_s
    count = (int(within.end.timestamp()) - first) // step_s + 1
    return [first + number * step_s for number in range(min(count, _GRID_MAX))]


def _largest(lines: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    ordered = sorted(lines.items(), key=lambda line: -sum(value or 0 for value in line[1]))
    kept, rest = ordered[:SERIES_MAX], ordered[SERIES_MAX:]
    if rest:
        added = [sum(value or 0 for value in at) for at in zip(*(v for _, v in rest), strict=True)]
        kept.append((REST, list(added)))
    return dict(kept)


def _kind(values: Iterable[Any]) -> str:
    first = next((value for value in values if value is not None), None)
    if isinstance(first, bool):
        return "bool"
    if isinstance(first, int | float):
        return "number"
    return "json" if isinstance(first, list | dict) else "text"


def _times(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> set[str]:
    return {
        name
        for index, name in enumerate(names)
        if any(isinstance(row[index], datetime) for row in rows)
    }
