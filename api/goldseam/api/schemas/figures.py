"""Bodies that show figures of a window: statistics, providers, errors, the summary.

Names that the original design gave keep its meaning: `error_rate` of statistics is 0 to 100, that
of the summary a text such as "2.5%". A figure of nothing is 0.
"""

from datetime import datetime

from pydantic import BaseModel, Field

from goldseam.api.schemas.rows import Row


class Statistics(Row):
    """Counts and times of the calls in a window.

    A total is success + error; a time-out is an error. Pending, cancelled and abandoned calls
    are counted apart. No calls give 0, not NaN.
    """

    total_requests: int = Field(description="Calls that ended in success or error")
    success_count: int = Field(description="Calls that got an answer, mended ones included")
    error_count: int = Field(description="Calls that ended in an error")
    error_rate: float = Field(description="Errors per total, 0 to 100")
    avg_time: float = Field(description="Mean duration with recovery, ms")
    timeout_count: int = Field(description="Errors that were time-outs")
    pending_count: int = Field(description="Calls in flight")
    cancelled_count: int = Field(description="Calls that the application cancelled")
    abandoned_count: int = Field(description="Calls whose end never came")
    recovered_count: int = Field(description="Calls that recovery mended")
    spared_count: int = Field(
        description="Mended calls that never failed: the asked provider was failing, so another "
        "one was asked at once"
    )
    recovered_by_strategy: dict[str, int] = Field(description="Mended calls by what mended them")
    first_try_success_rate: float = Field(description="Answered without recovery, 0 to 100")
    attempts: int = Field(description="Requests sent to providers, first tries and extra ones")
    avg_recovery_time_ms: float = Field(
        description="Mean time from first failure to answer over mended calls, ms"
    )
    avg_added_latency_ms: float = Field(
        description="How much longer mended calls took than calls answered at once, means, ms"
    )
    p50: float = Field(description="Median duration, ms")
    p95: float = Field(description="95th percentile of the duration, ms")
    p99: float = Field(description="99th percentile of the duration, ms")
    tokens: int = Field(description="Tokens read and written")
    cost_usd: float = Field(description="US dollars, as far as prices are known")


class ProviderPerformance(Row):
    """What one provider did in a window."""

    success_rate: float = Field(description="Answered in the end, mended calls too, 0 to 100")
    avg_time: float = Field(description="Mean duration with recovery, ms")
    avg_tokens: float = Field(description="Mean tokens over the calls whose tokens are known")
    total_requests: int = Field(description="Calls that ended in success or error")
    success_count: int = Field(description="Calls that got an answer, mended ones included")
    error_count: int = Field(description="Calls that ended in an error")
    timeout_count: int = Field(description="Errors that were time-outs")
    recovered_count: int = Field(description="Calls that recovery mended")
    first_try_success_rate: float = Field(description="Answered without recovery, 0 to 100")
    p95: float = Field(description="95th percentile of the duration, ms, within 5 %")
    tokens: int = Field(description="Tokens read and written")
    cost_usd: float = Field(description="US dollars, as far as prices are known")
    wasted_cost_usd: float = Field(description="US dollars for calls that failed for good")
    wasted_ms: float = Field(description="Duration of calls that failed for good, ms")
    errors: dict[str, int] = Field(
        description="First failures at this provider by error code, mended calls too"
    )


class TopError(Row):
    """An error pattern and how often a window met it."""

    error_code: str = Field(description="What kind of failure it is")
    error_message: str = Field(description="The provider's words with what varies masked")
    count: int = Field(description="Calls that met it, mended or not")
    pattern_id: str = Field(description="Id below /errors/")
    provider: str = Field(description="Provider that failed")
    previous_count: int = Field(description="The same in the window of equal length before")
    trend: float | None = Field(
        description="count / previous_count - 1; null where there was none before"
    )
    recovered: int = Field(description="Those of count that were mended")
    failed: int = Field(description="Those of count that failed for good")
    first_seen: datetime = Field(description="When it was first met, UTC")
    last_occurred: datetime = Field(description="When it was last met, UTC")
    resolution_status: str = Field(description="open, resolved or wontfix")
    auto_correction_enabled: bool = Field(description="Whether applications correct it")


class SummaryProvider(BaseModel):
    """A provider in the summary."""

    success_rate: float = Field(description="Answered in the end, 0 to 100, one decimal")
    avg_time_ms: float = Field(description="Mean duration with recovery, ms")
    total_requests: int = Field(description="Calls that ended in success or error")
    first_try_success_rate: float = Field(description="Answered without recovery, 0 to 100")


class SummaryError(BaseModel):
    """An error code in the summary."""

    code: str = Field(description="Error code")
    count: int = Field(description="Calls that met it, mended or not")
    recovered: int = Field(description="Those of count that were mended")


class FailurePrice(BaseModel):
    """What failing cost in a window, and what recovery saved."""

    wasted_s: float = Field(description="Duration of calls that failed for good, seconds")
    wasted_tokens: int = Field(description="Tokens of calls that failed for good")
    wasted_cost_usd: float = Field(description="US dollars for calls that failed for good")
    recovery_s: float = Field(description="First failure to answer over mended calls, seconds")
    saved_calls: int = Field(description="Calls that recovery mended")


class Summary(BaseModel):
    """How the calls of a window went, in one answer."""

    error_rate: str = Field(description='Errors per total as a text, for example "2.5%"')
    error_rate_ratio: float = Field(description="The same as a number, 0 to 1")
    total_requests: int = Field(description="Calls that ended in success or error")
    success_count: int = Field(description="Calls that got an answer, mended ones included")
    timeout_count: int = Field(description="Errors that were time-outs")
    avg_processing_time_ms: float = Field(description="Mean duration with recovery, ms")
    provider_performance: dict[str, SummaryProvider] = Field(description="By provider")
    top_errors: list[SummaryError] = Field(description="Most frequent first, at most 10")
    recommendations: list[str] = Field(description="What to look at, most urgent first")
    failure_price: FailurePrice = Field(description="What failing cost and recovery saved")
