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
        edges: What is left at the start and at the end, or what the hours there have too much.
        signs: For each edge 1 if it is to be added, -1 if it is to be taken away.
    """

    days: Span
    hours: tuple[Span, Span]
    edges: tuple[Span, Span]
    signs: tuple[int, int] = (1, 1)

    @property
    def whole(self) -> bool:
        """Whether there is a whole hour in it."""
        return any(start < end for start, end in (self.days, *self.hours))

    def parameters(self, tenant: str | None) -> dict[str, object]:
        """Return the values of the names that `sources` uses."""
        (h0, h1), (h2, h3) = self.hours
        (e0, e1), (e2, e3) = self.edges
        spans = {"d0": self.days[0], "d1": self.days[1], "h0": h0, "h1": h1, "h2": h2, "h3": h3}
        edges = {"e0": e0, "e1": e1, "e2": e2, "e3": e3}
        return {**spans, **edges, "tenant": tenant or EVERYBODY}


def cut(since: datetime, until: datetime, *, now: datetime) -> Pieces:
    """Cut [`since`, `until`) for sums, so that few rows are read.

    An edge that is longer than half an hour, or the beginning of an hour that is not over at `now`,
    becomes its whole hour less the rest of it.
    """
    pieces = cut_inside(since, until)
    if not pieces.whole:
        return pieces
    (start, first), (last, end) = pieces.edges
    signs = [1, 1]
    if first - start > _HOUR / 2:
        first, signs[0] = first - _HOUR, -1
    if end - last > _HOUR / 2 or (last < end and now < last + _HOUR):
        last, signs[1] = last + _HOUR, -1
    whole = cut_inside(first, last)
    edges = (min(start, first), max(start, first)), (min(last, end), max(last, end))
    return Pieces(days=whole.days, hours=whole.hours, edges=edges, signs=(signs[0], signs[1]))


def cut_inside(since: datetime, until: datetime) -> Pieces:
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
    pieces: Pieces,
    tenant: str | None,
    condition: str = "true",
    raw_condition: str = "true",
    rows: str = "ai_request_logs WHERE duplicate_of IS NULL",
    alike: tuple[str, str] | None = None,
    tenants: str | None = None,
) -> str:
    """Return a subquery over the pieces of a window, for the values of `Pieces.parameters`.

    Pieces that the window lacks are left out: they would be read and planned for nothing.

    Args:
        stem: Kind of roll-up: `total_`, `error_`, `step_`, or empty for sums by model, which have
            no days.
        rolled: Columns to select from the roll-ups.
        raw: The same of rows, multiplied by `SIGN` where they count.
        pieces: The window, cut up.
        tenant: None for everybody.
        condition: What narrows the roll-ups.
        raw_condition: The same for rows.
        rows: Where the rows are, with a condition.
        alike: Columns to select from the rows first and what to group them by; `raw` reads these.
        tenants: An array in SQL, of those that are to be told apart where `tenant` is None.
    """
    suffix = "" if tenant or tenants else "_all"
    whose = f"ANY ({tenants})" if tenants and not tenant else ":tenant"
    mine = f"tenant_id = {whose} AND " if tenant or tenants else ""
    day = "day" if stem else "hour"
    rolls = ((day, "d0", "d1"), ("hour", "h0", "h1"), ("hour", "h2", "h3"))
    parts = [
        f"SELECT {rolled} FROM ai_stats_{stem}{grain}{suffix} WHERE tenant_id = {whose}"
        f" AND bucket >= :{start} AND bucket < :{end} AND {condition}"
        for (grain, start, end), span in zip(rolls, (pieces.days, *pieces.hours), strict=True)
        if span[0] < span[1]
    ]
    ends = (("e0", "e1"), ("e2", "e3"))
    for (start, end), span, sign in zip(ends, pieces.edges, pieces.signs, strict=True):
        if parts and span[0] == span[1]:
            continue  # of an empty window one remains, to say what the columns are
        edge = (
            f"{rows} AND {mine}created_at >= :{start} AND created_at < :{end} AND {raw_condition}"
        )
        if alike is not None:
            edge = f"(SELECT {alike[0]} FROM {edge} GROUP BY {alike[1]}) AS alike"
        parts.append(f"SELECT {raw.replace('SIGN', str(sign))} FROM {edge}")
    return "(" + " UNION ALL ".join(parts) + ") AS pieces"


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def _ceiling(moment: datetime, step: timedelta) -> datetime:
    floor = _floor(moment, step)
    return floor if floor == moment else floor + step
