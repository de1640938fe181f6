"""Typed rows on their way into the three tables.

`goldseam.collector.mapping` makes them from spans, `goldseam.storage.writes` stores them. Field
names are column names; field order is the order in which the columns are copied. A record's key
is a function of its span, so storing it twice changes nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeVar, dataclass_transform
from uuid import UUID

DEFAULT_TENANT: Final = "default"
"""Tenant of a span that names none."""

PARENT_SPAN_ID: Final = "parent_span_id"
"""Key of `recovery_result`, in steps that do not name their request."""

_Class = TypeVar("_Class")

Status = Literal["pending", "success", "error", "cancelled", "abandoned"]
"""A time-out is `error` with `error_code` `TIMEOUT`."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_Class]) -> type[_Class]:
    """Make a dataclass whose fields the type checker keeps from being set again.

    At run time nothing does: `dataclass(frozen=True)` makes each new value cost three times as
    much, and a span makes several.
    """
    return dataclass(slots=True, kw_only=True)(cls)


@frozen
class RequestRecord:
    """One row of `ai_request_logs`: one call that the application made.

    Times ending in `_ms` are milliseconds, token fields are counts, `cost_usd` is US dollars;
    None means unknown, which is not 0.
    """

    tenant_id: str
    created_at: datetime
    id: UUID
    request_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    module: str = "unknown"
    user_id: str | None = None
    task: str | None = None
    operation: str = "unknown"
    prompt_sha256: str | None = None
    prompt_length: int | None = None
    model_requested: str | None = None
    provider_requested: str = "unknown"
    provider_used: str = "unknown"
    provider_model: str | None = None
    status: Status
    response_length: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_used: int | None = None
    processing_time_ms: float = 0.0
    ttfc_ms: float | None = None
    is_stream: bool = False
    error_code: str | None = None
    error_message: str | None = None
    http_status: int | None = None
    retry_count: int = 0
    first_error_code: str | None = None
    error_pattern: str | None = None
    recovery_outcome: str | None = None
    recovery_strategy: str | None = None
    recovery_steps: int | None = None
    recovery_time_ms: float | None = None
    recovery_wait_ms: float | None = None
    degraded: bool = False
    cache_hit: bool = False
    correction_id: str | None = None
    cost_usd: float | None = None
    confidence_score: float | None = None
    user_feedback: str | None = None
    conversation_id: str | None = None
    service_name: str | None = None
    dialect: str | None = None
    duplicate_of: UUID | None = None
    request_metadata: dict[str, Any] = field(default_factory=dict)
    response_metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRecord:
    """One row of `ai_error_recovery`: one recovery step that ran.

    `request_log_id` is the `id` of the request's row; there is no foreign key, because steps
    arrive before their request. Where a step does not know it, `recovery_result` holds the span id
    of its parent (`PARENT_SPAN_ID`), and the writer finds the row, whichever comes first.
    """

    tenant_id: str
    created_at: datetime
    id: UUID
    request_log_id: UUID | None
    trace_id: str
    strategy_name: str
    step_number: int
    action_taken: str
    was_successful: bool
    recovery_time_ms: float
    error_code: str | None = None
    provider: str | None = None
    model: str | None = None
    recovery_result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRecord:
    """What `ai_error_analysis` keeps of an error pattern when it is first seen.

    Counters are no fields: the writer moves them, once per request row that is new.
    """

    tenant_id: str
    error_pattern: str
    error_code: str
    error_message_pattern: str
    provider: str
    normaliser_version: int
    probable_cause: str
    suggested_action: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are stored in one transaction.

    Attributes:
        requests: At most one record a key is stored; the later end wins.
        recoveries: Steps, in any order.
        patterns: One entry for each `(tenant_id, error_pattern)` that `requests` mention.
    """

    requests: list[RequestRecord] = field(default_factory=list)
    recoveries: list[RecoveryRecord] = field(default_factory=list)
    patterns: dict[tuple[str, str], PatternRecord] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the rows that the batch brings."""
        return len(self.requests) + len(self.recoveries)
