"""One AI request span, or the pending span that announces it, becomes one row."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from goldseam.collector.dialects import recognise
from goldseam.collector.mapping.content import measure
from goldseam.collector.mapping.cost import cost_usd
from goldseam.collector.mapping.metadata import request_metadata, response_metadata
from goldseam.collector.mapping.outcome import first_error, http_status_of, outcome_of, pattern_of
from goldseam.collector.mapping.provider import MAX_PROVIDER, UNKNOWN, from_scope, normalise
from goldseam.collector.mapping.reading import BAD_VALUE, Reading
from goldseam.collector.mapping.verdict import OPERATIONS, operation_of
from goldseam.collector.spans import Span
from goldseam.semconv import log_id_of
from goldseam.semconv.attributes import REQUEST_STATUS
from goldseam.storage.records import DEFAULT_TENANT, PatternRecord, RequestRecord

MAX_ID: Final = 128
"""Characters of tenant, module, user and correlation ids."""

MAX_NAME: Final = 256
"""Characters of model, task and service names."""

MAX_WORD: Final = 32
"""Characters of values from a closed set."""

MAX_FEEDBACK: Final = 2_000

_SHA256_HEX: Final = 64
_HEX_DIGITS: Final = "0123456789abcdef"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1_000
_MS_PER_S: Final = 1_000
_DAY_MS: Final = timedelta(days=1) / timedelta(milliseconds=1)
_NO_PARENT: Final = "0" * 16


def final_record(
    span: Span, flaws: Counter[str], *, http: Sequence[Span] = ()
) -> tuple[RequestRecord, PatternRecord | None]:
    """Return the row of a finished request, and the pattern of its first error.

    Args:
        span: The request's span.
        flaws: Counts, by kind, the values that did not fit.
        http: Spans of the HTTP requests that were sent for it, in the order of their ends.
    """
    reading = Reading(span, flaws)
    columns = _known_at_start(reading, span_id=span.span_id, parent_id=span.parent_span_id)
    finish_reasons = reading.words("finish_reasons")
    outcome = outcome_of(
        reading, finish_reasons, last_http=http_status_of(http[-1]) if http else None
    )
    is_stream, ttfc_ms = _streaming(reading)
    duration_ms, clock_skew = _duration(reading)
    error = first_error(span, outcome)
    pattern = None
    if error is not None:
        pattern = pattern_of(
            error, provider=columns["provider_requested"], tenant_id=columns["tenant_id"]
        )
    usage = token_columns(reading)
    provider = _provider(reading, "provider_used")
    model = reading.text("provider_model", limit=MAX_NAME)
    if usage["cost_usd"] is None and usage["tokens_used"]:
        models = model, columns["model_requested"]
        usage["cost_usd"] = cost_usd(provider, models, columns["created_at"], usage)
    columns |= usage
    columns |= _recovery(reading)
    columns |= {
        "duplicate_of": None,
        "status": outcome.status,
        "provider_used": provider,
        "provider_model": model,
        "response_length": _measured(reading, "response_length", "output_text")[0],
        "processing_time_ms": duration_ms,
        "ttfc_ms": ttfc_ms,
        "is_stream": is_stream,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
        "http_status": outcome.http_status,
        "retry_count": _retries(reading, http),
        "first_error_code": error.code if error else None,
        "error_pattern": pattern.error_pattern if pattern else None,
        "response_metadata": response_metadata(
            reading,
            outcome,
            finish_reasons=finish_reasons,
            is_stream=is_stream,
            clock_skew=clock_skew,
        ),
    }
    return RequestRecord(**columns), pattern


def pending_record(span: Span, flaws: Counter[str]) -> RequestRecord:
    """Return the row of a request that has started: the key is that of the span to come."""
    reading = Reading(span, flaws)
    parent_id = reading.text("pending_parent_id", limit=MAX_ID) or ""
    shared = _known_at_start(reading, span_id=span.parent_span_id, parent_id=parent_id.lower())
    return RequestRecord(
        **shared,
        status="pending",
        provider_used=shared["provider_requested"],
        is_stream=bool(reading.flag("is_stream")),
    )


def annotation_record(span: Span, flaws: Counter[str]) -> RequestRecord:
    """Return what the application said of a request after it had ended.

    A second copy of the request's row with the same status and no duration, so that it fills what
    the row does not know and changes nothing else, whichever of the two comes first.
    """
    reading = Reading(span, flaws)
    shared = _known_at_start(reading, span_id=span.parent_span_id, parent_id="")
    return RequestRecord(
        **shared,
        status=_told_status(span),
        provider_used=shared["provider_requested"],
        confidence_score=_share(reading),
        user_feedback=reading.text("user_feedback", limit=MAX_FEEDBACK),
    )


def _told_status(span: Span) -> Literal["success", "error", "cancelled"]:
    match span.attributes.get(REQUEST_STATUS):
        case "error":
            return "error"
        case "cancelled":
            return "cancelled"
        case _:
            return "success"


def row_id(span: Span, span_id: str) -> UUID:
    """Return the row id of the span `span_id` that started when `span` did, in its trace."""
    return log_id_of(span.start_ns, span.trace_id, span_id)


def parent_of(span_id: str) -> str | None:
    """Return `span_id` if it can be one, None for a root."""
    valid = is_hex(span_id, length=len(_NO_PARENT)) and span_id != _NO_PARENT
    return span_id if valid else None


def is_hex(text: str, *, length: int) -> bool:
    """Return whether `text` is that many hexadecimal digits, in lower case."""
    return len(text) == length and not text.strip(_HEX_DIGITS)


def started_at(span: Span) -> datetime:
    """Return the start of a span, in UTC; finer than microseconds is cut off."""
    return _EPOCH + timedelta(microseconds=span.start_ns // _NS_PER_US)


def elapsed_ms(span: Span) -> float | None:
    """Return how long a span took, None if its clock stood still or ran backwards."""
    if not span.start_ns or not span.end_ns or span.end_ns < span.start_ns:
        return None
    return (span.end_ns - span.start_ns) / _NS_PER_MS


def tenant_of(reading: Reading) -> str:
    """Return the tenant that a span claims."""
    return reading.text("tenant_id", limit=MAX_ID) or DEFAULT_TENANT


def _known_at_start(reading: Reading, *, span_id: str, parent_id: str) -> dict[str, Any]:
    """Return the columns that a pending span can fill as well as the final one.

    Args:
        reading: The span.
        span_id: The request's span id.
        parent_id: The request's parent, "" or zeros for a root.
    """
    span = reading.span
    operation = operation_of(span)
    row = row_id(span, span_id)
    prompt_length, prompt_sha256 = _measured(reading, "prompt_length", "input_text")
    return {
        "tenant_id": tenant_of(reading),
        "created_at": started_at(span),
        "id": row,
        "request_id": reading.text("request_id", limit=MAX_ID) or str(row),
        "trace_id": span.trace_id,
        "span_id": span_id,
        "parent_span_id": parent_of(parent_id),
        "module": reading.text("module", limit=MAX_ID) or UNKNOWN,
        "user_id": reading.text("user_id", limit=MAX_ID),
        "task": reading.text("task", limit=MAX_NAME) or operation,
        "operation": reading.cut(operation or UNKNOWN, limit=MAX_NAME),
        "prompt_sha256": _sent_hash(reading) or prompt_sha256,
        "prompt_length": prompt_length,
        "model_requested": reading.text("model_requested", limit=MAX_NAME) or _named_model(span),
        "provider_requested": _provider(reading, "provider_requested"),
        "conversation_id": reading.text("conversation_id", limit=MAX_NAME),
        "service_name": reading.text("service_name", limit=MAX_NAME),
        "dialect": recognise(span),
        "request_metadata": request_metadata(reading),
    }


def token_columns(reading: Reading) -> dict[str, Any]:
    """Return the columns of usage and cost."""
    used = reading.count("tokens_used")
    got, gave = reading.count("input_tokens"), reading.count("output_tokens")
    if used is None and (got is not None or gave is not None):
        used = (got or 0) + (gave or 0)
    return {
        "input_tokens": got,
        "output_tokens": gave,
        "cache_read_tokens": reading.count("cache_read_tokens"),
        "cache_write_tokens": reading.count("cache_write_tokens"),
        "reasoning_tokens": reading.count("reasoning_tokens"),
        "tokens_used": used,
        "cost_usd": _cost(reading, used),
    }


def _cost(reading: Reading, tokens_used: int | None) -> float | None:
    """Return the cost in US dollars; 0 for a call that used tokens means that no price is known."""
    cost = reading.number("cost_usd")
    return None if cost == 0 and tokens_used else cost


def _recovery(reading: Reading) -> dict[str, Any]:
    return {
        "recovery_outcome": reading.text("recovery_outcome", limit=MAX_WORD),
        "recovery_strategy": reading.text("recovery_strategy", limit=MAX_WORD),
        "recovery_steps": reading.count("recovery_steps"),
        "recovery_time_ms": _ms(reading.number("recovery_time_s")),
        "recovery_wait_ms": _ms(reading.number("recovery_wait_s")),
        "degraded": bool(reading.flag("degraded")),
        "cache_hit": bool(reading.flag("cache_hit")),
        "correction_id": reading.text("correction_id", limit=MAX_ID),
        "confidence_score": _share(reading),
        "user_feedback": reading.text("user_feedback", limit=MAX_FEEDBACK),
    }


def _streaming(reading: Reading) -> tuple[bool, float | None]:
    """Return whether the answer was streamed, and after how many ms its first chunk came."""
    ttfc_ms = _ms(reading.number("ttfc_s"))
    for column in ("ttfc_ms", "first_chunk_ms"):
        if ttfc_ms is None:
            ttfc_ms = reading.number(column)
    is_stream = bool(reading.flag("is_stream")) or ttfc_ms is not None
    if ttfc_ms is None and is_stream:
        ttfc_ms = _ms(reading.number("server_ttft_s"))
    return is_stream, ttfc_ms


def _retries(reading: Reading, http: Sequence[Span]) -> int:
    told = reading.count("retry_count")
    return max(0, len(http) - 1) if told is None else told


def _share(reading: Reading) -> float | None:
    score = reading.number("confidence_score")
    return score if score is not None and score <= 1 else None


def _provider(reading: Reading, column: str) -> str:
    named = reading.text(column, limit=MAX_PROVIDER)
    if named is None and reading.span.dropped_attributes:
        return from_scope(reading.span.scope_name)
    return normalise(named or UNKNOWN)


def _named_model(span: Span) -> str | None:
    """Return the model in the name of a span that has lost attributes: SDKs drop the oldest."""
    operation, _, model = span.name.partition(" ")
    if not span.dropped_attributes or operation not in OPERATIONS:
        return None
    return model[:MAX_NAME] or None


def _measured(
    reading: Reading, length_column: str, text_column: str
) -> tuple[int | None, str | None]:
    """Return length and hash of a text: the sent length, else measured where content was sent."""
    length = reading.count(length_column)
    for value in reading.values(text_column):
        if (own := measure(value)) is not None:
            return (own.length if length is None else length), own.sha256
    return length, None


def _sent_hash(reading: Reading) -> str | None:
    digest = reading.text("prompt_sha256", limit=MAX_ID)
    if digest is None:
        return None
    digest = digest.lower()
    if is_hex(digest, length=_SHA256_HEX):
        return digest
    reading.flaws[BAD_VALUE] += 1
    return None


def _duration(reading: Reading) -> tuple[float, bool]:
    """Return the duration in ms, and whether the span's clock cannot be trusted."""
    elapsed = elapsed_ms(reading.span)
    if elapsed is None:
        return _ms(reading.number("duration_s")) or 0.0, True
    return elapsed, elapsed > _DAY_MS


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * _MS_PER_S
