"""The time range of a page, as its address tells it: `from=now-24h&to=now`, or moments.

Pure: the clock is passed in. The words are Grafana's, so that an address can be carried over.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

POINTS: Final = 120
"""About as many bars as a graph has room for."""

LONGEST: Final = timedelta(days=400)
"""Roll-ups are kept for 13 months."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RELATIVE: Final = re.compile(r"now(?:-(\d{1,6})([smhdw]))?")
_MILLISECONDS: Final = re.compile(r"\d{12,14}")

_STEPS_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
)  # fmt: skip


class RangeError(ValueError):
    """The text is no time, or the two make no range; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Range:
    """From `start` to `end`, both aware; `step` is the width of a bar."""

    start: datetime
    end: datetime

    @property
    def step(self) -> timedelta:
        """The first even step that gives `POINTS` bars at most."""
        wanted_s = (self.end - self.start).total_seconds() / POINTS
        return timedelta(seconds=next(s for s in _STEPS_S if s >= wanted_s))


def parse(start: str, end: str, *, now: datetime) -> Range:
    """Return the range that two texts tell.

    Raises:
        RangeError: One is no time, the end is not after the start, or they are too far apart.
    """
    found = Range(_moment(start, now), _moment(end, now))
    if found.end <= found.start:
        raise RangeError("`to` must be after `from`")
    if found.end - found.start > LONGEST:
        raise RangeError(f"`from` and `to` may be {LONGEST.days} days apart")
    return found


def _moment(text: str, now: datetime) -> datetime:
    if found := _RELATIVE.fullmatch(text):
        back_s = int(found[1]) * _UNITS[found[2]] if found[1] else 0
        return now - timedelta(seconds=min(back_s, LONGEST.total_seconds()))
    try:
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise RangeError(
            f"{text!r} is no time: write now, now-6h, milliseconds since 1970, or ISO 8601"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
