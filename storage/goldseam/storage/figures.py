"""Figures over the requests of a time window, as the API's statistics show them.

`queries` hands this on. Definitions stand at the fields of `Statistics`; duplicates count nowhere.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage.models import AIRequestLog
from goldseam.storage.transitions import FINAL

_log: Final = AIRequestLog
_answered: Final = _log.status.in_(("success", "error"))
_final: Final = _log.status.in_(FINAL)
_recovered: Final = and_(_final, _log.recovery_outcome == "recovered")
_first_try: Final = and_(
    _log.status == "success", _log.first_error_code.is_(None), _log.retry_count == 0
)


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
        recovered_by_strategy: `recovered_count` by the strategy that worked.
        first_try_success_rate: Percent of `total_requests` that succeeded with the first request
            sent, 0 to 100.
        p50: Median duration of `total_requests`, milliseconds.
        p95: 95th percentile, milliseconds.
        p99: 99th percentile, milliseconds.
        tokens: Tokens used by calls that have ended.
        cost_usd: US dollars spent by calls that have ended, as far as known.
        avg_recovery_time_ms: Mean time from first failure to answer, over `recovered_count`.
        avg_added_latency_ms: How much longer mended calls took in the mean than calls that
            succeeded with the first request; 0 without either.
        attempts: Requests sent to providers for calls that have ended.
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
    wanted = {
        _log.module: module,
        _log.provider_used: provider,
        _log.model_requested: model,
        _log.tenant_id: tenant_id,
    }
    conditions = [
        _log.created_at >= since,
        _log.created_at < until,
        _log.duplicate_of.is_(None),
        *(column == value for column, value in wanted.items() if value is not None),
    ]
    counted = (await conn.execute(_counts().where(*conditions))).one()._asdict()
    first_try = counted.pop("first_try")
    total = counted["success_count"] + counted["error_count"]
    strategies = await conn.execute(_by_strategy().where(*conditions))
    return Statistics(
        **counted,
        total_requests=total,
        error_rate=_percent(counted["error_count"], total),
        first_try_success_rate=_percent(first_try, total),
        recovered_by_strategy={row.strategy: row.requests for row in strategies},
    )


def _counts() -> Select[Any]:
    return select(
        _count(_log.status == "success").label("success_count"),
        _count(_log.status == "error").label("error_count"),
        _count(_log.status == "pending").label("pending_count"),
        _count(_log.status == "cancelled").label("cancelled_count"),
        _count(_log.status == "abandoned").label("abandoned_count"),
        _count(and_(_log.status == "error", _log.error_code == "TIMEOUT")).label("timeout_count"),
        _count(_recovered).label("recovered_count"),
        _count(_first_try).label("first_try"),
        _or_zero(func.avg(_log.processing_time_ms), _answered).label("avg_time"),
        *(_percentile(percent).label(f"p{percent}") for percent in (50, 95, 99)),
        _or_zero(func.sum(_log.tokens_used), _final).label("tokens"),
        _or_zero(func.sum(_log.cost_usd), _final).label("cost_usd"),
        _or_zero(func.avg(_log.recovery_time_ms), _recovered).label("avg_recovery_time_ms"),
        func.coalesce(_mean_ms(_recovered) - _mean_ms(_first_try), 0).label("avg_added_latency_ms"),
        _or_zero(func.sum(1 + _log.retry_count), _final).label("attempts"),
    )


def _by_strategy() -> Select[str | None, int]:
    return (
        select(_log.recovery_strategy.label("strategy"), func.count().label("requests"))
        .where(_recovered, _log.recovery_strategy.is_not(None))
        .group_by(_log.recovery_strategy)
        .order_by(_log.recovery_strategy)
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


def _mean_ms(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.avg(_log.processing_time_ms).filter(condition)


def _or_zero(aggregate: Any, condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(aggregate.filter(condition), 0)


def _percentile(percent: int) -> ColumnElement[float]:
    ordered = func.percentile_cont(percent / 100).within_group(_log.processing_time_ms)
    return _or_zero(ordered, _answered)


def _percent(part: int, total: int) -> float:
    return 100.0 * part / total if total else 0.0
