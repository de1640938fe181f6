"""Figures by provider, by error pattern and by recovery strategy, and the slowest requests.

`queries` hands this on. Counts come from the roll-ups wherever whole hours are asked for, from the
rows at the edges.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import sqrt
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage.engine import tenant_of
from goldseam.storage.figures import (
    Selection,
    Statistics,
    mean,
    percent_of,
    percentile,
    statement,
    sums_by,
    totals_of,
)
from goldseam.storage.measures import (
    ANSWERED,
    ERROR_MEASURES,
    MET_ERROR,
    PATTERN,
    STEP_MEASURES,
    STEP_PROVIDER,
    bins_of,
)
from goldseam.storage.rollup_tables import SLOWEST_KEPT
from goldseam.storage.windows import Pieces, cut_inside, sources

WILSON_Z: Final = 1.96
"""Two-sided 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFigures:
    """What one provider did in a window.

    Attributes:
        provider: Who answered, or failed last.
        total_requests: `success_count` + `error_count`.
        success_rate: Percent of `total_requests` that were answered, mended ones too, 0 to 100.
        first_try_success_rate: Percent answered by the first request that was sent.
        avg_time: Mean duration, milliseconds.
        p95: 95th percentile of the duration, milliseconds, within 5 %.
        avg_tokens: Mean over the calls whose tokens are known.
        cost_usd: US dollars, as far as known.
        wasted_cost_usd: US dollars for calls that failed for good.
        wasted_ms: Milliseconds of calls that failed for good.
        errors: Calls by the code of their first error at this provider, mended ones too.
    """

    provider: str
    total_requests: int
    success_count: int
    error_count: int
    timeout_count: int
    recovered_count: int
    success_rate: float
    first_try_success_rate: float
    avg_time: float
    p95: float
    avg_tokens: float
    tokens: int
    cost_usd: float
    wasted_cost_usd: float
    wasted_ms: float
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFigures:
    """How often a window met one error pattern.

    Attributes:
        pattern_id: Key in `ai_error_analysis`; the tenant hit last, where all are asked for.
        error_message: The pattern's message, its variables masked.
        count: Calls that met it, mended or not.
        previous_count: The same in the window of equal length before; None: not asked for.
        recovered: Those of `count` that were mended.
        failed: Those of `count` that failed for good.
    """

    pattern_id: str
    error_pattern: str
    error_code: str
    error_message: str
    provider: str
    count: int
    previous_count: int | None
    recovered: int
    failed: int
    first_seen: datetime
    last_occurred: datetime
    resolution_status: str
    auto_correction_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A window in figures, by provider and by error pattern.

    Attributes:
        totals: As `statistics` returns them, without percentiles.
        providers: The most used first.
        errors: The most frequent first, without the window before.
    """

    totals: Statistics
    providers: list[ProviderFigures]
    errors: list[ErrorFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyFigures:
    """How a recovery strategy did where it was reached.

    Attributes:
        after: The strategies that had failed before it in the same call, in order, the last ten;
            success is conditional on that, so strategies with different `after` do not compare.
        low: Lower bound of the success rate, 0 to 1 (Wilson, 95 %).
        high: Upper bound of the success rate, 0 to 1.
        avg_time_ms: Mean duration of a step with its wait.
    """

    strategy: str
    provider: str
    after: tuple[str, ...]
    attempts: int
    successes: int
    low: float
    high: float
    avg_time_ms: float


async def providers(
    conn: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    module: str | None = None,
    tenant_id: str | None = None,
) -> list[ProviderFigures]:
    """Return the figures of each provider of [`since`, `until`), the most used first."""
    selection = Selection(since=since, until=until, module=module, tenant_id=tenant_id)
    sums = await sums_by(conn, selection, "provider")
    return _providers(sums, await _errors(conn, selection))


async def top_errors(
    conn: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    limit: int = 10,
    module: str | None = None,
    tenant_id: str | None = None,
) -> list[ErrorFigures]:
    """Return the error patterns that [`since`, `until`) met most often."""
    selection = Selection(since=since, until=until, module=module, tenant_id=tenant_id)
    counted = (await _errors(conn, selection))[:limit]
    before = Selection(
        since=since - (until - since), until=since, module=module, tenant_id=tenant_id
    )
    previous = {
        row["error_pattern"]: row["occurrence_count"] for row in await _errors(conn, before)
    }
    known = await _patterns(conn, counted, selection.tenant(conn))
    return [
        _error(row, known[row["error_pattern"]], previous.get(row["error_pattern"], 0))
        for row in counted
        if row["error_pattern"] in known
    ]


async def overview(
    conn: AsyncConnection, *, since: datetime, until: datetime, patterns: int
) -> Overview:
    """Return what `statistics`, `providers` and `top_errors` share, each roll-up asked once.

    Args:
        conn: Transaction.
        since: Earliest start, included.
        until: Latest start, not included.
        patterns: Error patterns at most.
    """
    selection = Selection(since=since, until=until)
    sums = await sums_by(conn, selection, "provider")
    met = await _errors(conn, selection)
    known = await _patterns(conn, met[:patterns], selection.tenant(conn))
    return Overview(
        totals=totals_of(sums.values()),
        providers=_providers(sums, met),
        errors=[
            _error(row, known[row["error_pattern"]], None)
            for row in met[:patterns]
            if row["error_pattern"] in known
        ],
    )


async def strategies(
    conn: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    error_code: str | None = None,
    error_pattern: str | None = None,
    tenant_id: str | None = None,
) -> list[StrategyFigures]:
    """Return how each strategy did, apart by provider and by what had been tried before.

    Args:
        conn: Transaction.
        since: Earliest start of a step, included.
        until: Latest start of a step, not included.
        error_code: Only steps of requests whose first error had this code.
        error_pattern: Only steps of requests that met this pattern.
        tenant_id: Whose steps, for transactions that see all tenants.
    """
    selection = Selection(since=since, until=until, tenant_id=tenant_id)
    wanted = {"code": error_code, "pattern": error_pattern}
    met = " AND ".join(_MET[name] for name, value in wanted.items() if value is not None)
    source = _steps(selection.tenant(conn), selection.pieces, met or "true")
    given = selection.parameters(conn) | {k: v for k, v in wanted.items() if v is not None}
    rows = await conn.execute(statement(_STRATEGIES.format(of_call="", source=source)), given)
    return [_strategy(dict(row)) for row in rows.mappings()]


async def strategies_by_pattern(
    conn: AsyncConnection, *, since: datetime, until: datetime, error_code: str
) -> dict[tuple[str, str | None], list[StrategyFigures]]:
    """Return what `strategies` does for each tenant and pattern of an error code, asked once."""
    selection = Selection(since=since, until=until)
    tenant = selection.tenant(conn)
    source = _steps(
        tenant, selection.pieces, _MET["code"], apart=_OF_CALL, tenants=_TENANTS_OF_CODE
    )
    query = _STRATEGIES.format(of_call=_OF_CALL, source=source)
    given = selection.parameters(conn) | {"code": error_code}
    found: dict[tuple[str, str | None], list[StrategyFigures]] = {}
    for row in (await conn.execute(statement(query), given)).mappings():
        figures = dict(row)
        whose, error = figures.pop("tenant_id"), figures.pop("call_error")
        pattern = error if ":" in error else None
        found.setdefault((whose, pattern), []).append(_strategy(figures))
    return found


def together(parts: Iterable[StrategyFigures]) -> list[StrategyFigures]:
    """Return the figures of several patterns as those of one, the most used first."""
    sums: dict[tuple[str, str, tuple[str, ...]], list[StrategyFigures]] = {}
    for part in parts:
        sums.setdefault((part.strategy, part.provider, part.after), []).append(part)
    return sorted(map(_added, sums.values()), key=lambda figures: -figures.attempts)


def _added(parts: Sequence[StrategyFigures]) -> StrategyFigures:
    attempts = sum(part.attempts for part in parts)
    successes = sum(part.successes for part in parts)
    low, high = wilson(successes, attempts)
    time_ms = sum(part.avg_time_ms * part.attempts for part in parts)
    return replace(
        parts[0],
        attempts=attempts,
        successes=successes,
        low=low,
        high=high,
        avg_time_ms=time_ms / attempts,
    )


async def slowest_keys(
    conn: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    limit: int = 10,
    min_ms: float = 0.0,
    tenant_id: str | None = None,
) -> list[dict[str, Any]]:
    """Return the keys of the slowest answered requests, slowest first; at most 50."""
    tenant = tenant_id or tenant_of(conn)
    pieces = cut_inside(since, until)
    parts = {
        "suffix": "" if tenant else "_all",
        "mine": "tenant_id = :tenant AND " if tenant else "",
        "answered": ANSWERED,
        "kept": SLOWEST_KEPT,
    }
    whole = {"w0": pieces.edges[0][1], "w1": pieces.edges[1][0]}
    if not pieces.whole:
        whole = {"w0": since, "w1": since}
    hour = timedelta(hours=1)
    given = pieces.parameters(tenant) | whole
    given |= {"since": since, "until": until, "first": whole["w0"] - hour, "last": whole["w1"]}
    given |= {"min_ms": min_ms, "limit": min(limit, SLOWEST_KEPT)}
    if pieces.whole:
        listed = await _keys(conn, _SLOWEST_LISTED, parts, given)
        bar = (await conn.execute(statement(_BAR.format(**parts)), given)).scalar_one()
        is_full = len(listed) == given["limit"]
        if bar is None or bar < min_ms or (is_full and listed[-1]["ms"] >= bar):
            return listed
    return await _keys(conn, _SLOWEST, parts, given)


async def _keys(
    conn: AsyncConnection, query: str, parts: Mapping[str, object], given: Mapping[str, object]
) -> list[dict[str, Any]]:
    rows = await conn.execute(statement(query.format(**parts)), given)
    return [dict(row) for row in rows.mappings()]


def wilson(successes: int, attempts: int) -> tuple[float, float]:
    """Return the bounds within which the true rate lies, 95 % of the time; (0, 1) of nothing."""
    if not attempts:
        return 0.0, 1.0
    rate, z2 = successes / attempts, WILSON_Z**2
    middle = (rate + z2 / (2 * attempts)) / (1 + z2 / attempts)
    spread = sqrt(rate * (1 - rate) / attempts + z2 / (4 * attempts**2))
    half = WILSON_Z * spread / (1 + z2 / attempts)
    return max(0.0, middle - half), min(1.0, middle + half)


_STRATEGIES: Final = """
    SELECT {of_call}strategy, provider, after, sum(attempt_count)::bigint AS attempts,
        coalesce(sum(success_count), 0)::bigint AS successes,
        (sum(recovery_time_ms) / sum(attempt_count))::float8 AS avg_time_ms
    FROM {source}
    GROUP BY {of_call}strategy, provider, after HAVING sum(attempt_count) > 0
    ORDER BY attempts DESC, strategy, provider, after
"""
_OF_CALL: Final = "tenant_id, call_error, "

_STEP_KEY: Final = f"strategy_name AS strategy, {STEP_PROVIDER} AS provider, after"

_MET: Final = {
    "code": "split_part(call_error, ':', 1) = :code",
    "pattern": "call_error = :pattern",
}
"""A pattern begins with its code."""

_TENANTS_OF_CODE: Final = """
    ARRAY(SELECT DISTINCT tenant_id FROM ai_error_analysis WHERE error_code = :code)
"""

# Of an hour that the window cuts, the list holds the slowest; whatever is not in it took no longer
# than its last one, `_BAR`. So rows are read only if that could be among the slowest of the window.
_SLOWEST_LISTED: Final = """
    SELECT tenant_id, created_at, id, processing_time_ms AS ms FROM ai_stats_slow_hour{suffix}
    WHERE {mine}created_at >= :since AND created_at < :until AND processing_time_ms >= :min_ms
        AND bucket >= :first AND bucket <= :last
    ORDER BY processing_time_ms DESC LIMIT :limit
"""

_BAR: Final = """
    SELECT max(bar.processing_time_ms)
    FROM unnest(ARRAY[CAST(:first AS timestamptz), CAST(:last AS timestamptz)]) AS cut (hour)
    CROSS JOIN LATERAL (
        SELECT processing_time_ms FROM ai_stats_slow_hour{suffix}
        WHERE {mine}bucket = cut.hour AND bucket IN (:first, :last)
        ORDER BY processing_time_ms DESC OFFSET {kept} - 1 LIMIT 1
    ) AS bar
"""

_SLOWEST: Final = """
    (SELECT tenant_id, created_at, id, processing_time_ms AS ms FROM ai_stats_slow_hour{suffix}
        WHERE {mine}bucket >= :w0 AND bucket < :w1 AND processing_time_ms >= :min_ms
        ORDER BY processing_time_ms DESC LIMIT :limit)
    UNION ALL
    (SELECT tenant_id, created_at, id, processing_time_ms AS ms FROM ai_request_logs
        WHERE {mine}created_at >= :e0 AND created_at < :e1 AND duplicate_of IS NULL AND {answered}
        AND processing_time_ms >= :min_ms ORDER BY processing_time_ms DESC LIMIT :limit)
    UNION ALL
    (SELECT tenant_id, created_at, id, processing_time_ms AS ms FROM ai_request_logs
        WHERE {mine}created_at >= :e2 AND created_at < :e3 AND duplicate_of IS NULL AND {answered}
        AND processing_time_ms >= :min_ms ORDER BY processing_time_ms DESC LIMIT :limit)
    ORDER BY ms DESC LIMIT :limit
"""

_PATTERNS: Final = """
    SELECT DISTINCT ON (error_pattern)
        pattern_id, error_pattern, error_code, error_message_pattern AS error_message, provider,
        first_seen, last_occurred, resolution_status, auto_correction_enabled
    FROM ai_error_analysis
    WHERE error_pattern = ANY (:patterns) {mine}
    ORDER BY error_pattern, last_occurred DESC
"""


def _providers(
    sums: Mapping[tuple[str, ...], Mapping[str, Any]], met: Iterable[Mapping[str, Any]]
) -> list[ProviderFigures]:
    errors = _codes_by_provider(met)
    found = [
        _provider(name, row, percentile(bins_of(row["durations"]), 95), errors.get(name, {}))
        for (name,), row in sums.items()
    ]
    return sorted(found, key=lambda figures: -figures.total_requests)


def _error(
    counted: Mapping[str, Any], pattern: Mapping[str, Any], previous_count: int | None
) -> ErrorFigures:
    return ErrorFigures(
        **pattern,
        count=counted["occurrence_count"],
        previous_count=previous_count,
        recovered=counted["recovered_count"],
        failed=counted["failed_count"],
    )


def _provider(
    name: str, sums: Mapping[str, Any], p95: float, errors: dict[str, int]
) -> ProviderFigures:
    total = int(sums["success_count"] + sums["error_count"])
    return ProviderFigures(
        provider=name,
        total_requests=total,
        **{
            key: int(sums[key])
            for key in ("success_count", "error_count", "timeout_count", "recovered_count")
        },
        success_rate=percent_of(sums["success_count"], total),
        first_try_success_rate=percent_of(sums["first_try_count"], total),
        avg_time=mean(sums["duration_ms"], total),
        p95=p95,
        avg_tokens=mean(sums["tokens_used"], sums["tokens_known_count"]),
        tokens=int(sums["tokens_used"]),
        cost_usd=float(sums["cost_usd"]),
        wasted_cost_usd=float(sums["wasted_cost_usd"]),
        wasted_ms=float(sums["wasted_ms"]),
        errors=errors,
    )


async def _errors(conn: AsyncConnection, selection: Selection) -> list[dict[str, Any]]:
    """Return the counters of every pattern of the window, the most frequent first."""
    counted = [measure for measure in ERROR_MEASURES if measure.name.endswith("_count")]
    names = ", ".join(measure.name for measure in counted)
    raw = ", ".join(f"SIGN * {measure.sql} AS {measure.name}" for measure in counted)
    totals = ", ".join(f"coalesce(sum({m.name}), 0)::bigint AS {m.name}" for m in counted)
    source = sources(
        "error_",
        f"error_pattern, {names}",
        f"{PATTERN} AS error_pattern, {raw}",
        pieces=selection.pieces,
        tenant=selection.tenant(conn),
        condition=selection.condition(),
        raw_condition=f"{MET_ERROR} AND {selection.raw_condition()}",
    )
    query = (
        f"SELECT error_pattern, {totals} FROM {source} GROUP BY error_pattern"
        " HAVING sum(occurrence_count) > 0 ORDER BY occurrence_count DESC, error_pattern"
    )
    rows = await conn.execute(statement(query), selection.parameters(conn))
    return [dict(row) for row in rows.mappings()]


def _codes_by_provider(met: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in met:
        code, provider = row["error_pattern"].split(":", 2)[:2]
        codes = found.setdefault(provider, {})
        codes[code] = codes.get(code, 0) + row["occurrence_count"]
    return found


async def _patterns(
    conn: AsyncConnection, met: Iterable[Mapping[str, Any]], tenant: str | None
) -> dict[str, dict[str, Any]]:
    query = _PATTERNS.format(mine="AND tenant_id = :tenant" if tenant else "")
    given = {"patterns": [row["error_pattern"] for row in met]} | (
        {"tenant": tenant} if tenant else {}
    )
    rows = (await conn.execute(statement(query), given)).mappings()
    return {row["error_pattern"]: dict(row) for row in rows}


def _steps(
    tenant: str | None,
    pieces: Pieces,
    condition: str,
    *,
    apart: str = "",
    tenants: str | None = None,
) -> str:
    """Return a subquery over the steps of a window: whole hours summed up, the edges one by one."""
    names = ", ".join(measure.name for measure in STEP_MEASURES)
    raw = ", ".join(f"SIGN * {measure.sql} AS {measure.name}" for measure in STEP_MEASURES)
    return sources(
        "step_",
        f"{apart}strategy, provider, after, {names}",
        f"{apart}{_STEP_KEY}, {raw}",
        pieces=pieces,
        tenant=tenant,
        condition=condition,
        raw_condition=condition,
        rows="ai_error_recovery WHERE true",
        tenants=tenants,
    )


def _strategy(row: dict[str, Any]) -> StrategyFigures:
    low, high = wilson(row["successes"], row["attempts"])
    return StrategyFigures(**row | {"after": tuple(row["after"].split()), "low": low, "high": high})
