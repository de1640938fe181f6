"""Figures over the requests of a time window, as the API's statistics show them.

`queries` hands this on. Definitions stand at the fields of `Statistics`; duplicates count nowhere.
Counts, sums and means are exact. Percentiles are exact where no whole hour is asked for, or where a
model is; else they come from histograms, within 5 %.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage.engine import tenant_of
from goldseam.storage.measures import (
    ALIKE,
    ALIKE_COLUMNS,
    ANSWERED,
    MEASURES,
    MODEL,
    STRATEGIES,
    TOTALS,
    bin_value_ms,
    bins_of,
    sql_of_alike,
)
from goldseam.storage.windows import Pieces, cut, sources

PERCENTS: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What happened in a window; with nothing in it, every figure is 0.

    Attributes:
        total_requests: `success_count` + `error_count`.
        error_count: Calls that failed for good, time-outs included.
        error_rate: Percent of `total_requests`, 0 to 100.
        success_count: Calls that were answered, at once or after recovery.
        avg_time: Mean duration of `total_requests`, milliseconds.
        timeout_count: Errors with code `TIMEOUT`.
        pending_count: Calls that have started and not ended.
        cancelled_count: Calls that the application gave up.
        abandoned_count: Calls of which no end was ever heard.
        recovered_count: Calls that recovery mended.
        spared_count: Those of them that never failed: the asked provider was failing, and another
            one was asked at once.
        recovered_by_strategy: `recovered_count` by the strategy that worked.
        first_try_success_rate: Percent of `total_requests` that succeeded with the first request
            sent, 0 to 100.
        p50: Median duration of `total_requests`, milliseconds.
        p95: 95th percentile, milliseconds.
        p99: 99th percentile, milliseconds.
        tokens: Tokens used by calls that have ended.
        cost_usd: US dollars spent by calls that have ended, as far as known.
        avg_recovery_time_ms: Mean time from first failure to answer, of calls that failed and were
            mended.
        avg_added_latency_ms: How much longer mended calls took in the mean than calls that
            succeeded with the first request; 0 without either.
        attempts: Requests sent to providers for calls that have ended.
        recovery_time_ms: Time from first failure to answer, of all calls that failed and were
            mended.
        wasted_ms: Time of calls that failed for good.
        wasted_tokens: Tokens of calls that failed for good.
        wasted_cost_usd: US dollars for calls that failed for good.
    """

    total_requests: int = 0
    error_count: int = 0
    error_rate: float = 0.0
    success_count: int = 0
    avg_time: float = 0.0
    timeout_count: int = 0
    pending_count: int = 0
    cancelled_count: int = 0
    abandoned_count: int = 0
    recovered_count: int = 0
    spared_count: int = 0
    recovered_by_strategy: dict[str, int] = field(default_factory=dict)
    first_try_success_rate: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0
    avg_recovery_time_ms: float = 0.0
    avg_added_latency_ms: float = 0.0
    attempts: int = 0
    recovery_time_ms: float = 0.0
    wasted_ms: float = 0.0
    wasted_tokens: int = 0
    wasted_cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which requests are counted; None does not narrow.

    Attributes:
        since: Earliest start, included.
        until: Latest start, not included.
        tenant_id: Whose requests, for transactions that see all tenants.
        pieces: The window, cut up.
    """

    since: datetime
    until: datetime
    module: str | None = None
    provider: str | None = None
    model: str | None = None
    tenant_id: str | None = None
    pieces: Pieces = field(init=False)

    def __post_init__(self) -> None:
        """Cut the window once, for a statement and its values."""
        pieces = cut(self.since, self.until, now=datetime.now(UTC))
        object.__setattr__(self, "pieces", pieces)

    def tenant(self, conn: AsyncConnection) -> str | None:
        """Return the one tenant that is asked for; None for all."""
        return self.tenant_id or tenant_of(conn)

    def parameters(self, conn: AsyncConnection) -> dict[str, object]:
        """Return the values that the statements need."""
        wanted = {"module": self.module, "provider": self.provider, "model": self.model}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self.pieces.parameters(self.tenant(conn)) | given

    def condition(self) -> str:
        """Return what narrows the roll-ups."""
        wanted = {"module": self.module, "provider": self.provider, "model": self.model}
        equal = [f"{name} = :{name}" for name, value in wanted.items() if value is not None]
        return " AND ".join(equal) or "true"

    def raw_condition(self) -> str:
        """Return the same for rows of `ai_request_logs`."""
        columns = {"module": "module", "provider": "provider_used", "model": MODEL}
        equal = [f"{columns[n]} = :{n}" for n in columns if getattr(self, n) is not None]
        return " AND ".join(equal) or "true"


async def statistics(
    conn: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    module: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    tenant_id: str | None = None,
) -> Statistics:
    """Return the figures of the requests that started in [`since`, `until`)."""
    selection = Selection(
        since=since,
        until=until,
        module=module,
        provider=provider,
        model=model,
        tenant_id=tenant_id,
    )
    sums = (await sums_by(conn, selection))[()]
    percentiles = await _percentiles(conn, selection, sums)
    return Statistics(**(_counted(sums) | percentiles))


def totals_of(parts: Collection[Mapping[str, Any]]) -> Statistics:
    """Return what parts of a window come to together, percentiles left out.

    Args:
        parts: What `sums_by` returned for each.
    """
    sums = {measure.name: sum(part[measure.name] for part in parts) for measure in MEASURES}
    return Statistics(**_counted(sums))


async def sums_by(
    conn: AsyncConnection, selection: Selection, *dimensions: str
) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """Return every measure, summed per combination of `provider`, `model` and `module`.

    Where neither a model nor all of them apart are asked for, `durations` is among them.
    """
    by_model = selection.model is not None or "model" in dimensions
    measures = MEASURES if by_model else TOTALS
    rolled = ", ".join((*dimensions, *(m.name for m in measures)))
    columns = {"provider": "provider_used", "model": MODEL, "module": "module"}
    named = [f"{columns[name]} AS {name}" for name in dimensions]
    raw = (f"SIGN * {sql_of_alike(m)} AS {m.name}" for m in measures)
    source = sources(
        "" if by_model else "total_",
        rolled,
        ", ".join((*dimensions, *raw)),
        alike=(
            ", ".join((*named, ALIKE)),
            ", ".join(str(n) for n in range(1, len(named) + ALIKE_COLUMNS + 1)),
        ),
        pieces=selection.pieces,
        tenant=selection.tenant(conn),
        condition=selection.condition(),
        raw_condition=selection.raw_condition(),
    )
    names = ", ".join(dimensions)
    totals = (f"coalesce(sum({m.name}), 0) AS {m.name}" for m in measures)
    query = f"SELECT {', '.join((*dimensions, *totals))} FROM {source}"
    if dimensions:
        query += f" GROUP BY {names} ORDER BY {names}"
    rows = (await conn.execute(statement(query), selection.parameters(conn))).mappings()
    return {tuple(str(row[name]) for name in dimensions): dict(row) for row in rows}


@lru_cache(maxsize=256)
def statement(query: str) -> TextClause:
    """Return a text as a statement, read for its parameters once: they are long, and few."""
    return text(query)


def percentile(bins: Mapping[int, int], percent: float) -> float:
    """Return the duration, ms, that `percent` of the calls in a histogram do not exceed."""
    wanted = ceil(sum(bins.values()) * percent / 100)
    seen = 0
    for number in sorted(bins):
        seen += bins[number]
        if seen >= wanted > 0:
            return bin_value_ms(number)
    return 0.0


async def _percentiles(
    conn: AsyncConnection, selection: Selection, sums: Mapping[str, Any]
) -> dict[str, float]:
    if not _answered(sums):
        return {}
    if "durations" in sums and selection.pieces.whole:
        bins = bins_of(sums["durations"])
        return {f"p{percent}": percentile(bins, percent) for percent in PERCENTS}
    return await _exact_percentiles(conn, selection)


async def _exact_percentiles(conn: AsyncConnection, selection: Selection) -> dict[str, float]:
    tenant = selection.tenant(conn)
    wanted = ", ".join(
        f"percentile_cont({percent / 100}) WITHIN GROUP (ORDER BY processing_time_ms) AS p{percent}"
        for percent in PERCENTS
    )
    mine = "tenant_id = :tenant AND " if tenant else ""
    query = (
        f"SELECT {wanted} FROM ai_request_logs WHERE {mine}created_at >= :since"
        f" AND created_at < :until AND duplicate_of IS NULL AND {ANSWERED}"
        f" AND {selection.raw_condition()}"
    )
    window = {"since": selection.since, "until": selection.until}
    row = (
        (await conn.execute(statement(query), selection.parameters(conn) | window)).mappings().one()
    )
    return {name: float(value or 0) for name, value in row.items()}


def _answered(sums: Mapping[str, Any]) -> int:
    return int(sums["success_count"] + sums["error_count"])


def _counted(sums: Mapping[str, Any]) -> dict[str, Any]:
    total = _answered(sums)
    plain = (
        "success",
        "error",
        "timeout",
        "pending",
        "cancelled",
        "abandoned",
        "recovered",
        "spared",
    )
    by_strategy = {name: int(sums[f"recovered_by_{name}"]) for name in sorted(STRATEGIES)}
    mended = sums["recovered_count"] - sums["spared_count"]
    recovered_ms = mean(sums["recovered_ms"], mended)
    first_try_ms = mean(sums["first_try_ms"], sums["first_try_count"])
    compared = mended and sums["first_try_count"]
    return {
        **{f"{name}_count": int(sums[f"{name}_count"]) for name in plain},
        "total_requests": total,
        "error_rate": percent_of(sums["error_count"], total),
        "first_try_success_rate": percent_of(sums["first_try_count"], total),
        "recovered_by_strategy": {name: count for name, count in by_strategy.items() if count},
        "avg_time": mean(sums["duration_ms"], total),
        "tokens": int(sums["tokens_used"]),
        "cost_usd": float(sums["cost_usd"]),
        "avg_recovery_time_ms": mean(sums["recovery_time_ms"], mended),
        "avg_added_latency_ms": recovered_ms - first_try_ms if compared else 0.0,
        "attempts": int(sums["attempt_count"]),
        "recovery_time_ms": float(sums["recovery_time_ms"]),
        "wasted_ms": float(sums["wasted_ms"]),
        "wasted_tokens": int(sums["wasted_tokens"]),
        "wasted_cost_usd": float(sums["wasted_cost_usd"]),
    }


def mean(total: Any, count: Any) -> float:
    """Return `total` / `count`; 0 without any."""
    return float(total) / float(count) if count else 0.0


def percent_of(part: Any, whole: Any) -> float:
    """Return how many percent of `whole` `part` is; 0 of nothing."""
    return 100.0 * float(part) / float(whole) if whole else 0.0
