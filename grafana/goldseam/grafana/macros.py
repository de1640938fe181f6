"""Expand Grafana's PostgreSQL macros and variables as Grafana does.

The built-in page runs panels through this, and tests run every query as `grafana_ro`. Covers the
forms that Goldseam's panels use; anything else raises, because Grafana too refuses a macro that it
does not know.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MACRO: Final = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_VARIABLE: Final = re.compile(r"\$\{(\w+):sqlstring\}")


class MacroError(ValueError):
    """The query holds something that Grafana would not expand."""


def expand(
    sql: str,
    *,
    start: datetime,
    end: datetime,
    interval: timedelta,
    variables: Mapping[str, Sequence[str]],
) -> str:
    """Return the SQL that Grafana would send.

    Args:
        sql: A panel's query.
        start: Start of the dashboard's range.
        end: End of the dashboard's range.
        interval: What Grafana computed for `$__interval`.
        variables: Chosen values; all options where "All" is chosen.

    Raises:
        MacroError: An unknown macro, or a variable in another form than `${name:sqlstring}`.
    """
    seconds = int(interval.total_seconds())
    text = sql.replace("$__interval_ms", str(seconds * 1000)).replace("$__interval", f"{seconds}s")
    text = _MACRO.sub(lambda found: _macro(found[1], found[2], start, end), text)
    if "$" in (rest := _VARIABLE.sub("", text)):
        raise MacroError(f"Grafana leaves this as it stands: {rest[rest.index('$') :][:40]!r}")
    return _VARIABLE.sub(lambda found: _quoted(variables, found[1]), text)


def _macro(name: str, arguments: str, start: datetime, end: datetime) -> str:
    parts = [part.strip() for part in arguments.split(",")]
    match name:
        case "__timeFilter":
            return f"{parts[0]} BETWEEN '{_instant(start)}' AND '{_instant(end)}'"
        case "__timeFrom":
            return f"'{_instant(start)}'"
        case "__timeTo":
            return f"'{_instant(end)}'"
        case "__timeGroup":
            return _group(*parts[:2])
        case "__timeGroupAlias":
            return f'{_group(*parts[:2])} AS "time"'
        case _:
            raise MacroError(f"Grafana knows no macro ${name}")


def _group(column: str, interval: str) -> str:
    found = re.fullmatch(r"'?(\d+)([smhdw])'?", interval)
    if not found:
        raise MacroError(f"{interval!r} is no interval such as 30s or 5m")
    seconds = int(found[1]) * _SECONDS[found[2]]
    return f"floor(extract(epoch from {column})/{seconds})*{seconds}"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quoted(variables: Mapping[str, Sequence[str]], name: str) -> str:
    if name not in variables:
        raise MacroError(f"the dashboard has no variable {name!r}")
    return ",".join("'" + value.replace("'", "''") + "'" for value in variables[name])
