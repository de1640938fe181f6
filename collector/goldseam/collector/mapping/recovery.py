"""One recovery step span becomes one row of `ai_error_recovery`."""

from collections import Counter
from typing import Any, Final
from uuid import UUID

from goldseam.collector.mapping.outcome import step_error_code
from goldseam.collector.mapping.provider import MAX_PROVIDER, normalise
from goldseam.collector.mapping.reading import BAD_VALUE, Reading
from goldseam.collector.mapping.request import (
    MAX_ID,
    MAX_NAME,
    MAX_WORD,
    elapsed_ms,
    parent_of,
    row_id,
    started_at,
    tenant_of,
)
from goldseam.collector.spans import STATUS_ERROR, Span
from goldseam.storage.records import PARENT_SPAN_ID, RecoveryRecord

MAX_ACTION: Final = 500
UNKNOWN_STRATEGY: Final = "unknown"


def step_record(
    span: Span, flaws: Counter[str], *, parent_row: UUID | None, earlier_steps: int
) -> RecoveryRecord:
    """Return the row of a recovery step.

    Args:
        span: The step's span.
        flaws: Counts, by kind, the values that did not fit.
        parent_row: Row of the parent span, if it is a request of the same OTLP request; used
            when the step does not name its request itself. Without either the writer looks for it.
        earlier_steps: Steps of the same request that started earlier, as far as they came in the
            same OTLP request; used when the step does not say its number.
    """
    reading = Reading(span, flaws)
    strategy = reading.text("recovery_strategy", limit=MAX_WORD) or UNKNOWN_STRATEGY
    said = reading.flag("step_success")
    provider = reading.text("step_provider", limit=MAX_PROVIDER)
    error_code = step_error_code(reading)
    model = reading.text("step_model", limit=MAX_NAME)
    request = _named_request(reading) or parent_row
    result = _result(reading, error_code=error_code, provider=provider, model=model)
    if request is None and (parent := parent_of(span.parent_span_id)):
        result[PARENT_SPAN_ID] = parent
    return RecoveryRecord(
        tenant_id=tenant_of(reading),
        created_at=started_at(span),
        id=row_id(span, span.span_id),
        request_log_id=request,
        trace_id=span.trace_id,
        strategy_name=strategy,
        step_number=reading.count("step_number") or earlier_steps + 1,
        action_taken=reading.text("step_action", limit=MAX_ACTION) or strategy,
        was_successful=span.status_code != STATUS_ERROR if said is None else said,
        recovery_time_ms=elapsed_ms(span) or 0.0,
        error_code=error_code,
        provider=provider and normalise(provider),
        model=model,
        recovery_result=result,
    )


def _result(
    reading: Reading, *, error_code: str | None, provider: str | None, model: str | None
) -> dict[str, Any]:
    facts = {
        "delay_s": reading.number("step_delay_s"),
        "attempt": reading.count("step_attempt"),
        "error_code": error_code,
        "provider": provider and normalise(provider),
        "model": model,
        "prompt_length": reading.count("step_prompt_length"),
        "cache_hit": reading.flag("cache_hit"),
        "degraded": reading.flag("degraded"),
        "correction_id": reading.text("correction_id", limit=MAX_ID),
        "input_tokens": reading.count("input_tokens"),
        "output_tokens": reading.count("output_tokens"),
        "cost_usd": reading.number("cost_usd"),
        "span_id": reading.span.span_id,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _named_request(reading: Reading) -> UUID | None:
    named = reading.text("log_id", limit=MAX_ID)
    if named is None:
        return None
    try:
        return UUID(named)
    except ValueError:
        reading.flaws[BAD_VALUE] += 1
        return None
