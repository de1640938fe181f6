r"""The three tables as SQLAlchemy models; `queries` selects from them.

The migrations create the tables, and a test holds them and this file together. Comments go into
the database, so that `\d+` and Grafana's query builder explain each column too. Times end in
`_ms` (milliseconds) or are timestamps in UTC; NULL means unknown, which is not 0.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
_ZERO = text("0")
_FALSE = text("false")
_EMPTY = text("'{}'::jsonb")
_BY_DAY = "RANGE (created_at)"
_NOBODYS_NAME = CheckConstraint("tenant_id <> '*'", name="tenant_id")
"""`*` stands for all tenants together, in roll-ups and in row security."""


class Base(DeclarativeBase):
    """Holds the tables' metadata."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        float: Double,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


class AIRequestLog(Base):
    """One call that the application made to an AI provider."""

    __tablename__ = "ai_request_logs"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'success', 'error', 'cancelled', 'abandoned')", name="status"
        ),
        _NOBODYS_NAME,
        Index(
            "ix_ai_request_logs_tenant_module_status",
            "tenant_id",
            "module",
            "status",
            text("created_at DESC"),
        ),
        Index("ix_ai_request_logs_created_at", text("created_at DESC")),
        Index("ix_ai_request_logs_trace_id", "trace_id"),
        Index(
            "ix_ai_request_logs_request_id",
            "request_id",
            "tenant_id",
            postgresql_where=text("request_id <> id::text"),
        ),
        Index(
            "ix_ai_request_logs_first_error",
            "tenant_id",
            "first_error_code",
            text("created_at DESC"),
            postgresql_where=text("first_error_code IS NOT NULL"),
        ),
        Index(
            "ix_ai_request_logs_pending",
            "created_at",
            postgresql_where=text("status = 'pending'"),
        ),
        {
            "comment": "One row per AI call of the application; one partition per UTC day",
            "postgresql_partition_by": _BY_DAY,
        },
    )

    tenant_id: Mapped[str] = mapped_column(
        primary_key=True, server_default=text("'default'"), comment="Owner of the row"
    )
    created_at: Mapped[datetime] = mapped_column(
        primary_key=True, comment="Start of the call, not its arrival"
    )
    id: Mapped[UUID] = mapped_column(
        primary_key=True,
        comment="UUID version 8: 48 bits of start milliseconds, then a hash of trace and span id",
    )
    request_id: Mapped[str] = mapped_column(
        comment="Correlation id given by the caller, else the id as text; not unique"
    )
    trace_id: Mapped[str] = mapped_column(comment="32 hex digits")
    span_id: Mapped[str] = mapped_column(comment="16 hex digits")
    parent_span_id: Mapped[str | None] = mapped_column(comment="16 hex digits; NULL for a root")
    module: Mapped[str] = mapped_column(comment="Part of the application that made the call")
    user_id: Mapped[str | None] = mapped_column(comment="User on whose behalf the call was made")
    task: Mapped[str | None] = mapped_column(comment="What the call was for")
    operation: Mapped[str] = mapped_column(comment="chat, embeddings, ... as in GenAI conventions")
    prompt_sha256: Mapped[str | None] = mapped_column(
        comment="Hex SHA-256 of the input text; the text itself is never stored"
    )
    prompt_length: Mapped[int | None] = mapped_column(comment="Input text in code points")
    model_requested: Mapped[str | None] = mapped_column(comment="Model that the caller asked for")
    provider_requested: Mapped[str] = mapped_column(comment="Provider that the caller asked")
    provider_used: Mapped[str] = mapped_column(comment="Provider that answered or failed last")
    provider_model: Mapped[str | None] = mapped_column(comment="Model that answered")
    status: Mapped[str] = mapped_column(
        comment="pending, success, error, cancelled or abandoned; a time-out is an error"
    )
    response_length: Mapped[int | None] = mapped_column(comment="Output text in code points")
    input_tokens: Mapped[int | None] = mapped_column(comment="Includes cached tokens")
    output_tokens: Mapped[int | None] = mapped_column(comment="Includes reasoning tokens")
    cache_read_tokens: Mapped[int | None] = mapped_column(comment="Part of input_tokens")
    cache_write_tokens: Mapped[int | None] = mapped_column(comment="Part of input_tokens")
    reasoning_tokens: Mapped[int | None] = mapped_column(comment="Part of output_tokens")
    tokens_used: Mapped[int | None] = mapped_column(comment="Input and output tokens together")
    processing_time_ms: Mapped[float] = mapped_column(
        comment="Start to end of the call in milliseconds, recovery included"
    )
    ttfc_ms: Mapped[float | None] = mapped_column(comment="Milliseconds to the first chunk")
    is_stream: Mapped[bool] = mapped_column(
        server_default=_FALSE, comment="Whether the answer was streamed"
    )
    error_code: Mapped[str | None] = mapped_column(comment="Final error; NULL on success")
    error_message: Mapped[str | None] = mapped_column(comment="Final error's text, masked")
    http_status: Mapped[int | None] = mapped_column(comment="Last HTTP status of the provider")
    retry_count: Mapped[int] = mapped_column(
        server_default=_ZERO, comment="Requests sent beyond the first, by SDK and recovery"
    )
    first_error_code: Mapped[str | None] = mapped_column(
        comment="First error, kept when the call was mended"
    )
    error_pattern: Mapped[str | None] = mapped_column(
        comment="Pattern of the first error, see ai_error_analysis"
    )
    recovery_outcome: Mapped[str | None] = mapped_column(
        comment="not_needed, recovered, failed or skipped"
    )
    recovery_strategy: Mapped[str | None] = mapped_column(comment="Strategy that worked")
    recovery_steps: Mapped[int | None] = mapped_column(comment="Recovery steps that ran")
    recovery_time_ms: Mapped[float | None] = mapped_column(
        comment="Milliseconds from the first failure to the outcome"
    )
    recovery_wait_ms: Mapped[float | None] = mapped_column(
        comment="Milliseconds waited between attempts"
    )
    degraded: Mapped[bool] = mapped_column(
        server_default=_FALSE, comment="Another model, a trimmed prompt or a stale cache answered"
    )
    cache_hit: Mapped[bool] = mapped_column(
        server_default=_FALSE, comment="Goldseam's cache answered"
    )
    correction_id: Mapped[str | None] = mapped_column(comment="Enabled correction that was applied")
    cost_usd: Mapped[float | None] = mapped_column(comment="US dollars")
    confidence_score: Mapped[float | None] = mapped_column(comment="0 to 1")
    user_feedback: Mapped[str | None] = mapped_column(comment="Feedback on the answer")
    conversation_id: Mapped[str | None] = mapped_column(comment="Conversation of the call")
    service_name: Mapped[str | None] = mapped_column(comment="Resource attribute service.name")
    dialect: Mapped[str | None] = mapped_column(comment="Instrumentation that wrote the span")
    duplicate_of: Mapped[UUID | None] = mapped_column(
        comment="Row that tells of the same call; such rows are in no statistic"
    )
    request_metadata: Mapped[dict[str, Any]] = mapped_column(
        server_default=_EMPTY, comment="Sampling parameters, server, resource; no content"
    )
    response_metadata: Mapped[dict[str, Any]] = mapped_column(
        server_default=_EMPTY, comment="Response id, finish reasons, flags; no content"
    )
    updated_at: Mapped[datetime] = mapped_column(comment="Last write that changed the row")


class AIErrorRecovery(Base):
    """One recovery step that ran."""

    __tablename__ = "ai_error_recovery"
    __table_args__ = (
        Index("ix_ai_error_recovery_request", "tenant_id", "request_log_id"),
        Index("ix_ai_error_recovery_strategy", "tenant_id", "strategy_name", "created_at"),
        Index(
            "ix_ai_error_recovery_unlinked",
            "trace_id",
            postgresql_where=text("request_log_id IS NULL"),
        ),
        {
            "comment": "One row per recovery step; one partition per UTC day",
            "postgresql_partition_by": _BY_DAY,
        },
    )

    tenant_id: Mapped[str] = mapped_column(
        primary_key=True, server_default=text("'default'"), comment="Owner of the row"
    )
    created_at: Mapped[datetime] = mapped_column(primary_key=True, comment="Start of the step")
    id: Mapped[UUID] = mapped_column(
        primary_key=True, comment="Made from the step's own span as in ai_request_logs"
    )
    request_log_id: Mapped[UUID | None] = mapped_column(
        comment="id in ai_request_logs; no foreign key, steps arrive before their request"
    )
    trace_id: Mapped[str] = mapped_column(comment="32 hex digits")
    strategy_name: Mapped[str] = mapped_column(comment="retry, simplify, fallback or cache")
    step_number: Mapped[int] = mapped_column(comment="From 1, over all strategies")
    action_taken: Mapped[str] = mapped_column(comment="What was done, without content")
    was_successful: Mapped[bool] = mapped_column(comment="Whether the step mended the call")
    recovery_time_ms: Mapped[float] = mapped_column(comment="Milliseconds, the wait included")
    error_code: Mapped[str | None] = mapped_column(comment="Error of the step; NULL on success")
    provider: Mapped[str | None] = mapped_column(comment="Provider that the step asked")
    model: Mapped[str | None] = mapped_column(comment="Model that the step asked for")
    recovery_result: Mapped[dict[str, Any]] = mapped_column(
        server_default=_EMPTY, comment="Delay, attempt, tokens, cost and span of the step"
    )
    after: Mapped[str] = mapped_column(
        server_default=text("''"),
        comment="Strategies of the steps that ran before it in the same call, the last ten",
    )
    call_error: Mapped[str] = mapped_column(
        server_default=text("''"),
        comment="First error of its call: the pattern, else the code; empty while none is known",
    )


class AIErrorAnalysis(Base):
    """One error pattern of a tenant, with its counters and its correction."""

    __tablename__ = "ai_error_analysis"
    __table_args__ = (
        UniqueConstraint("tenant_id", "error_pattern"),
        CheckConstraint(
            "resolution_status IN ('open', 'resolved', 'wontfix')", name="resolution_status"
        ),
        Index("ix_ai_error_analysis_last_occurred", "tenant_id", text("last_occurred DESC")),
        {"comment": "One row per tenant and error pattern"},
    )

    tenant_id: Mapped[str] = mapped_column(
        primary_key=True, server_default=text("'default'"), comment="Owner of the row"
    )
    pattern_id: Mapped[str] = mapped_column(
        primary_key=True, comment="First 16 hex digits of SHA-256(tenant_id/error_pattern)"
    )
    error_pattern: Mapped[str] = mapped_column(comment="code:provider:fingerprint")
    error_code: Mapped[str] = mapped_column(comment="Code that the pattern belongs to")
    error_message_pattern: Mapped[str] = mapped_column(comment="Message with its variables masked")
    provider: Mapped[str] = mapped_column(comment="Provider that failed")
    normaliser_version: Mapped[int] = mapped_column(comment="Version of the fingerprint rules")
    occurrence_count: Mapped[int] = mapped_column(
        BigInteger,
        server_default=_ZERO,
        comment="Requests with this pattern, mended or not, no duplicates",
    )
    recovered_count: Mapped[int] = mapped_column(
        BigInteger, server_default=_ZERO, comment="Those of them that recovery mended"
    )
    first_seen: Mapped[datetime] = mapped_column(comment="Earliest start of such a request")
    last_occurred: Mapped[datetime] = mapped_column(comment="Latest end of such a request")
    probable_cause: Mapped[str] = mapped_column(comment="From the table of fixes, by code")
    suggested_action: Mapped[str] = mapped_column(comment="From the table of fixes, by code")
    resolution_status: Mapped[str] = mapped_column(
        server_default=text("'open'"),
        comment="open, resolved or wontfix; an occurrence after resolved_at reopens resolved",
    )
    resolved_at: Mapped[datetime | None] = mapped_column(
        comment="When it was last marked resolved, also if it came back since"
    )
    auto_correction_enabled: Mapped[bool] = mapped_column(
        server_default=_FALSE, comment="Whether applications apply correction_config"
    )
    correction_config: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="Correction; never written from spans"
    )
    correction_changed_at: Mapped[datetime | None] = mapped_column(
        comment="When the correction was last switched or edited"
    )
    correction_changed_by: Mapped[str | None] = mapped_column(
        comment="Key id that did so, or guard where it stopped working"
    )
    created_at: Mapped[datetime] = mapped_column(comment="When the pattern was first stored")
    updated_at: Mapped[datetime] = mapped_column(comment="Last write that changed the row")
