"""Cut a time window into whole days, whole hours and edges, and say where to read each.

Whole days and hours are read from the roll-ups, the edges from the rows; so every figure is exact
to the microsecond and costs about as much for a month as for an hour. Pure; `figures` and
`breakdowns` call it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from goldseam.storage.measures import EVERYBODY

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)

Span = tuple[datetime, datetime]
"""[start, end); empty if both are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """What a window consists of; pieces that it lacks are empty.

    Attributes:
        days: Whole UTC days.
        hours: Whole hours before and after the days.
        edges: What is left at the start and at the end.
    """

    days: Span
    hours: tuple[Span, Span]
    edges: tuple[Span, Span]

    @property
    def whole(self) -> bool:
        """Whether there is a whole hour in it."""
        return any(start < end for start, end in (self.days, *self.hours))

    def parameters(self, tenant: str | None) -> dict[str, object]:
        """Return the values of the names that `sources` uses."""
        (h0, h1), (h2, h3) = self.hours
        (e0, e1), (e2, e3) = self.edges
        spans = {"d0": self.days[0], "d1": self.days[1], "h0": h0, "h1": h1, "h2": h2, "h3": h3}
        return {**spans, "e0": e0, "e1": e1, "e2": e2, "e3": e3, "tenant": tenant or EVERYBODY}


def cut(since: datetime, until: datetime) -> Pieces:
    """Cut [`since`, `until`); a window that ends before it starts is empty."""
    since, until = since.astimezone(UTC), max(since, until).astimezone(UTC)
    first, last = _ceiling(since, _HOUR), _floor(until, _HOUR)
    if first >= last:
        nothing = (until, until)
        return Pieces(days=nothing, hours=(nothing, nothing), edges=((since, until), nothing))
    edges = ((since, first), (last, until))
    first_day, last_day = _ceiling(first, _DAY), _floor(last, _DAY)
    if first_day >= last_day:
        nothing = (last, last)
        return Pieces(days=nothing, hours=((first, last), nothing), edges=edges)
    return Pieces(
        days=(first_day, last_day), hours=((first, first_day), (last_day, last)), edges=edges
    )


def sources(
    stem: str,
    rolled: str,
    raw: str,
    *,
    tenant: str | None,
    condition: str = "true",
    raw_condition: str = "true",
) -> str:
    """Return a subquery over all pieces of a window, for the values of `Pieces.parameters`.

    Args:
        stem: Kind of roll-up: empty, `latency_` or `error_`.
        rolled: Columns to select from the roll-ups.
        raw: The same of rows of `ai_request_logs`.
        tenant: None for everybody.
        condition: What narrows the roll-ups.
        raw_condition: The same for rows.
    """
    suffix = "" if tenant else "_all"
    mine = "tenant_id = :tenant AND " if tenant else ""
    parts = [
        f"SELECT {rolled} FROM ai_stats_{stem}{grain}{suffix} WHERE tenant_id = :tenant"
        f" AND bucket >= :{start} AND bucket < :{end} AND {condition}"
        for grain, start, end in (("day", "d0", "d1"), ("hour", "h0", "h1"), ("hour", "h2", "h3"))
    ]
    parts += [
        f"SELECT {raw} FROM ai_request_logs WHERE {mine}created_at >= :{start}"
        f" AND created_at < :{end} AND duplicate_of IS NULL AND {raw_condition}"
        for start, end in (("e0", "e1"), ("e2", "e3"))
    ]
    return "(" + " UNION ALL ".join(parts) + ") AS pieces"


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _ceiling(moment: datetime, step: timedelta) -> datetime:
    floor = _floor(moment, step)
    return floor if floor == moment else floor + step
