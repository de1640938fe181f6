"""Asks what the API asks, as the API's role under row level security, and times the answers.

Without roll-ups means the same statements with the whole window taken for an edge, so that every
figure comes from the rows and percentiles are exact.
"""

import statistics as figures_of
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Final

from processes import cpu_s
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage import Role, breakdowns, figures, queries
from goldseam.storage.engine import async_engine, tenant_transaction
from goldseam.storage.roles import ALL_TENANTS
from goldseam.storage.windows import Pieces
from storage_speed.rows import BIGGEST_TENANT

Ask = Callable[[AsyncConnection, datetime, datetime], Awaitable[Any]]

WINDOWS: Final = {"24 h": timedelta(hours=24), "30 d": timedelta(days=30)}
SCOPES: Final = {"one tenant": BIGGEST_TENANT, "all": ALL_TENANTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a question took; milliseconds, the transaction's begin and commit included.

    `cpu_ms` is what the database's own process worked for it in the mean: on a machine that is busy
    with other things it says more than the time on the clock.
    """

    question: str
    window: str
    scope: str
    source: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float


def _recent(**filters: Any) -> Ask:
    return lambda conn, since, until: queries.recent(
        conn, queries.RecentFilter(since=since, until=until, **filters)
    )


def _figures(question: Callable[..., Awaitable[Any]], **narrowed: Any) -> Ask:
    return lambda conn, since, until: question(conn, since=since, until=until, **narrowed)


async def _by_id(conn: AsyncConnection, since: datetime, until: datetime) -> None:
    del since
    rows = await queries.recent(conn, queries.RecentFilter(until=until), limit=1)
    await queries.request_by_id(conn, rows[0].id)


async def _trace(conn: AsyncConnection, since: datetime, until: datetime) -> None:
    rows = await queries.recent(conn, queries.RecentFilter(until=until), limit=1)
    await queries.trace(conn, rows[0].trace_id, since=since)


ROLLED: Final[dict[str, Ask]] = {
    "statistics": _figures(queries.statistics),
    "statistics, one module": _figures(queries.statistics, module="module-3"),
    "providers, with p95": _figures(queries.providers),
    "top 10 errors": _figures(queries.top_errors),
    "slowest 10": _figures(queries.slowest),
    "strategies": _figures(queries.strategies),
    "strategies against a code": _figures(queries.strategies, error_code="TIMEOUT"),
}
ALWAYS_FROM_ROWS: Final[dict[str, Ask]] = {
    "recent 20": _recent(),
    "recent 20, module and status": _recent(module="module-3", status="error"),
    "newest, then by id": _by_id,
    "newest, then its trace": _trace,
}


async def ask_all(
    url: str, until: datetime, *, repeats: int, raw_repeats: int, say: Callable[[str], None]
) -> list[Timing]:
    """Ask every question for each window and scope, with the roll-ups and without."""
    engine = async_engine(url, Role.API, pool_size=1)
    timings = []
    try:
        for scope, tenant in SCOPES.items():
            for window, length in WINDOWS.items():
                place = {"window": window, "scope": scope}
                say(f"  {scope}, {window}")
                bounds = (until - length, until)
                for name, ask in (ROLLED | ALWAYS_FROM_ROWS).items():
                    source = "roll-ups" if name in ROLLED else "rows"
                    await _timed(engine, tenant, ask, bounds)
                    took = await _repeated(engine, tenant, ask, bounds, repeats)
                    timings.append(_timing(*took, question=name, source=source, **place))
                with _without_rollups():
                    for name, ask in ROLLED.items() if raw_repeats else ():
                        took = await _repeated(engine, tenant, ask, bounds, raw_repeats)
                        timings.append(_timing(*took, question=name, source="rows", **place))
    finally:
        await engine.dispose()
    return timings


async def _repeated(
    engine: Any, tenant: str, ask: Ask, bounds: tuple[datetime, datetime], repeats: int
) -> tuple[list[float], float]:
    """Return how long each repetition took, and the backend's CPU in all; milliseconds."""
    async with tenant_transaction(engine, tenant) as conn:
        pid = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    before_s = cpu_s(pid)
    took = [await _timed(engine, tenant, ask, bounds) for _ in range(repeats)]
    return took, (cpu_s(pid) - before_s) * 1000


async def _timed(engine: Any, tenant: str, ask: Ask, bounds: tuple[datetime, datetime]) -> float:
    began_s = perf_counter()
    async with tenant_transaction(engine, tenant) as conn:
        await ask(conn, *bounds)
    return (perf_counter() - began_s) * 1000


def _timing(took_ms: list[float], cpu_ms: float, **place: str) -> Timing:
    ordered = sorted(took_ms)
    p95_ms = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return Timing(
        p50_ms=figures_of.median(ordered), p95_ms=p95_ms, cpu_ms=cpu_ms / len(ordered), **place
    )


@contextmanager
def _without_rollups() -> Iterator[None]:
    cuts = figures.cut, breakdowns.cut_inside
    figures.cut = breakdowns.cut_inside = _only_edges
    try:
        yield
    finally:
        figures.cut, breakdowns.cut_inside = cuts


def _only_edges(since: datetime, until: datetime, *, now: datetime | None = None) -> Pieces:
    del now
    nothing = (until, until)
    return Pieces(days=nothing, hours=(nothing, nothing), edges=((since, until), nothing))
