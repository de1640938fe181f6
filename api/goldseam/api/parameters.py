"""Parameters that several routes take: text that PostgreSQL takes, times that exist, windows."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, BeforeValidator

NO_NUL: Final = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but this one."""

TEXT_MAX: Final = 256
"""Longer than any name, id or model that is stored."""

HOURS_MAX: Final = 24 * 400
"""Roll-ups are kept for 13 months."""

_NUMBER: Final = re.compile(r"\s*[-+]?[0-9._]*(?:e[-+]?[0-9]+)?\s*", re.IGNORECASE)

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Far enough for every row, near enough for arithmetic with time ranges."""


def written(value: object) -> object:
    """Refuse a bare number: a time is written out, and a number says neither unit nor epoch.

    Raises:
        ValueError: It is one.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("write the time out, such as 2026-01-31T09:00:00Z")
    return value


def moment(value: datetime) -> datetime:
    """Return a time with its offset; one without is read as UTC.

    What lies outside of [2000, 2200) is taken for the nearer end: no row is there.
    """
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return min(max(aware, _EARLIEST), _LATEST)


Text = Annotated[str | None, Query(max_length=TEXT_MAX, pattern=NO_NUL)]
Module = Annotated[
    str | None,
    Query(max_length=TEXT_MAX, pattern=NO_NUL, description="Only this part of the application"),
]
Hours = Annotated[int, Query(ge=1, le=HOURS_MAX, description="Window that ends now, hours")]
_Moment = Annotated[datetime, BeforeValidator(written), AfterValidator(moment)]
Since = Annotated[
    _Moment | None,
    Query(description="Start of the window, inclusive; a time without offset is UTC"),
]
Until = Annotated[
    _Moment | None,
    Query(description="End of the window, exclusive; a time without offset is UTC"),
]
Id = Annotated[str, Path(max_length=TEXT_MAX, pattern=NO_NUL)]


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a question is about, [since, until)."""

    since: datetime
    until: datetime


async def window(*, hours: Hours = 24, since: Since = None, until: Until = None) -> Window:
    """Return the last `hours`, or [`since`, `until`).

    It is async because FastAPI hands everything else to a thread, which costs more than it does.
    """
    end = until or datetime.now(UTC)
    return Window(since or end - timedelta(hours=hours), end)


WindowOf = Annotated[Window, Depends(window)]
