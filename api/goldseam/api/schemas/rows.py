"""Bodies that show rows: a call, a recovery step, a call with its steps.

Names are those of the columns of `ai_request_logs` and `ai_error_recovery`. None means unknown,
which is not 0.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """A body that is read from the fields of a record."""

    model_config = ConfigDict(from_attributes=True)


class LogEntry(Row):
    """One call that an application made."""

    id: UUID = Field(description="Row id; it holds the start time and sorts by it")
    request_id: str = Field(description="The caller's own correlation id, else the id as text")
    trace_id: str = Field(description="32 lower-case hex digits")
    span_id: str = Field(description="16 lower-case hex digits")
    parent_span_id: str | None = Field(description="16 lower-case hex digits; null for a root")
    tenant_id: str = Field(description="Whose call it is")
    module: str = Field(description="Part of the application that made the call")
    user_id: str | None = Field(description="User on whose behalf the call was made")
    task: str | None = Field(description="What the call was for")
    operation: str = Field(description="chat, embeddings, …")
    prompt_sha256: str | None = Field(description="SHA-256 of the input text, hex")
    prompt_length: int | None = Field(description="Input text, Unicode code points")
    model_requested: str | None = Field(description="Model that the application asked for")
    provider_requested: str = Field(description="Provider that the application asked")
    provider_used: str = Field(description="Provider that answered, or failed last")
    provider_model: str | None = Field(description="Model that answered")
    status: str = Field(description="pending, success, error, cancelled or abandoned")
    response_length: int | None = Field(description="Output text, Unicode code points")
    input_tokens: int | None = Field(description="Tokens read, cached ones included")
    output_tokens: int | None = Field(description="Tokens written, reasoning included")
    cache_read_tokens: int | None = Field(description="Part of the input tokens")
    cache_write_tokens: int | None = Field(description="Part of the input tokens")
    reasoning_tokens: int | None = Field(description="Part of the output tokens")
    tokens_used: int | None = Field(description="Input and output tokens together")
    processing_time_ms: float = Field(description="Duration of the call with its recovery, ms")
    ttfc_ms: float | None = Field(description="Time to the first chunk of a stream, ms")
    is_stream: bool = Field(description="Whether the answer was streamed")
    error_code: str | None = Field(description="What went wrong in the end; null on success")
    error_message: str | None = Field(description="The provider's words, secrets masked")
    http_status: int | None = Field(description="Last HTTP status")
    retry_count: int = Field(description="Provider calls beyond the first")
    first_error_code: str | None = Field(description="First failure, also of a mended call")
    error_pattern: str | None = Field(description="Pattern that the first failure belongs to")
    recovery_outcome: str | None = Field(
        description="not_needed, recovered, failed or skipped; null where recovery was not there"
    )
    recovery_strategy: str | None = Field(description="Strategy that mended the call")
    recovery_steps: int | None = Field(description="Recovery steps that ran")
    recovery_time_ms: float | None = Field(
        description="From the first failure to the outcome, ms: the latency that failing added"
    )
    recovery_wait_ms: float | None = Field(description="Time spent waiting between attempts, ms")
    degraded: bool = Field(description="Answered by another model, from a trimmed prompt or cache")
    cache_hit: bool = Field(description="Answered from Goldseam's cache")
    correction_id: str | None = Field(description="Enabled correction that was applied")
    cost_usd: float | None = Field(description="US dollars")
    confidence_score: float | None = Field(description="0 to 1, set by the application")
    user_feedback: str | None = Field(description="Set by the application or through this API")
    conversation_id: str | None = Field(description="Conversation the call belongs to")
    service_name: str | None = Field(description="service.name of the application")
    dialect: str | None = Field(description="Instrumentation that sent the span")
    request_metadata: dict[str, Any] = Field(description="Sampling parameters, server, scope")
    response_metadata: dict[str, Any] = Field(description="Response id, finish reasons, flags")
    created_at: datetime = Field(description="Start of the call, UTC")
    updated_at: datetime = Field(description="When the row was last written, UTC")


class RecoveryStep(Row):
    """One recovery step that ran."""

    id: UUID = Field(description="Row id")
    strategy_name: str = Field(description="retry, simplify, fallback or cache")
    step_number: int = Field(description="From 1, over all strategies")
    action_taken: str = Field(description="What was done, without content")
    was_successful: bool = Field(description="Whether this step mended the call")
    recovery_time_ms: float = Field(description="Duration of the step with its wait, ms")
    error_code: str | None = Field(description="What the step failed with")
    provider: str | None = Field(description="Provider that the step asked")
    model: str | None = Field(description="Model that the step asked for")
    recovery_result: dict[str, Any] = Field(description="Delay, tokens and further facts")
    created_at: datetime = Field(description="Start of the step, UTC")


class LogDetail(LogEntry):
    """One call with its recovery steps and where to look next."""

    recovery: list[RecoveryStep] = Field(description="Steps in the order in which they ran")
    links: dict[str, str] = Field(description="Related resources of this API")


class TimeSplit(Row):
    """Where the time of a call went; the three add up to its duration."""

    provider_ms: float = Field(description="Until the answer or the first failure, ms")
    wait_ms: float = Field(description="Waiting between attempts, ms")
    recovery_ms: float = Field(description="Recovery besides waiting, ms")


class SlowLogEntry(LogEntry):
    """One of the slowest calls and where its time went."""

    time_split: TimeSplit = Field(description="Where the time went")
