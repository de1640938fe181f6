"""`/api/v1/ai/logs`: figures of a window, by provider, by error, and all in one summary."""

from typing import Annotated

from fastapi import APIRouter, Query

from goldseam.api import advice
from goldseam.api.deps import Connection, needs
from goldseam.api.parameters import Module, WindowOf
from goldseam.api.problems import ProblemRoute
from goldseam.api.schemas.figures import (
    FailurePrice,
    ProviderPerformance,
    Statistics,
    Summary,
    SummaryError,
    SummaryProvider,
    TopError,
)
from goldseam.storage import queries
from goldseam.storage.keys import Scope

router = APIRouter(prefix="/logs", tags=["figures"], route_class=ProblemRoute)

_TOP_IN_SUMMARY = 10
_PATTERNS_IN_SUMMARY = 1000
"""Patterns that are added up by code; there are rarely more than a hundred."""


@router.get(
    "/statistics", dependencies=[needs(Scope.STATS_READ)], summary="Counts, rates and times"
)
async def statistics(
    connection: Connection, window: WindowOf, *, module: Module = None
) -> Statistics:
    """Count the calls of the last `hours`, or of [`since`, `until`)."""
    found = await queries.statistics(
        connection, since=window.since, until=window.until, module=module
    )
    return Statistics.model_validate(found)


@router.get("/providers", dependencies=[needs(Scope.STATS_READ)], summary="How each provider did")
async def providers(
    connection: Connection, window: WindowOf, *, module: Module = None
) -> dict[str, ProviderPerformance]:
    """Show success, time, tokens and cost by the provider that answered or failed last."""
    found = await queries.providers(
        connection, since=window.since, until=window.until, module=module
    )
    return {each.provider: ProviderPerformance.model_validate(each) for each in found}


@router.get("/errors/top", dependencies=[needs(Scope.ERRORS_READ)], summary="Most frequent errors")
async def top_errors(
    connection: Connection,
    window: WindowOf,
    *,
    limit: Annotated[int, Query(ge=1, le=1000, description="Patterns at most")] = 10,
    module: Module = None,
) -> list[TopError]:
    """List the error patterns that most calls met, mended or not."""
    found = await queries.top_errors(
        connection, since=window.since, until=window.until, limit=limit, module=module
    )
    return [_top_error(each) for each in found]


@router.get(
    "/analysis/summary", dependencies=[needs(Scope.STATS_READ)], summary="Everything in one answer"
)
async def summary(connection: Connection, window: WindowOf) -> Summary:
    """Show how the calls went, what failing cost, and what to look at."""
    found = await queries.overview(
        connection, since=window.since, until=window.until, patterns=_PATTERNS_IN_SUMMARY
    )
    totals = found.totals
    return Summary(
        error_rate=f"{round(totals.error_rate, 1):g}%",
        error_rate_ratio=totals.error_rate / 100,
        total_requests=totals.total_requests,
        success_count=totals.success_count,
        timeout_count=totals.timeout_count,
        avg_processing_time_ms=totals.avg_time,
        provider_performance={each.provider: _summary_provider(each) for each in found.providers},
        top_errors=_by_code(found.errors)[:_TOP_IN_SUMMARY],
        recommendations=advice.recommendations(totals, found.providers, found.errors),
        failure_price=FailurePrice(
            wasted_s=totals.wasted_ms / 1000,
            wasted_tokens=totals.wasted_tokens,
            wasted_cost_usd=totals.wasted_cost_usd,
            recovery_s=totals.recovery_time_ms / 1000,
            saved_calls=totals.recovered_count,
        ),
    )


def _top_error(found: queries.ErrorFigures) -> TopError:
    before = found.previous_count
    values = {name: getattr(found, name) for name in TopError.model_fields if name != "trend"}
    return TopError(**values, trend=found.count / before - 1 if before else None)


def _summary_provider(found: queries.ProviderFigures) -> SummaryProvider:
    return SummaryProvider(
        success_rate=round(found.success_rate, 1),
        avg_time_ms=found.avg_time,
        total_requests=found.total_requests,
        first_try_success_rate=round(found.first_try_success_rate, 1),
    )


def _by_code(patterns: list[queries.ErrorFigures]) -> list[SummaryError]:
    codes: dict[str, SummaryError] = {}
    for each in patterns:
        code = codes.setdefault(
            each.error_code, SummaryError(code=each.error_code, count=0, recovered=0)
        )
        code.count += each.count
        code.recovered += each.recovered
    return sorted(codes.values(), key=lambda error: -error.count)
