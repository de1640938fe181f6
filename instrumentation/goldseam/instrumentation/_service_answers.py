"""What `AIService` answers, and how it is read from a completion and from the call's spans.

Pure; `service` puts the pieces together. Models and providers may say anything: what cannot be read
is left out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from goldseam.semconv import attributes as names
from goldseam.semconv.attributes import RecoveryOutcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """What recovery made of a call that failed at first.

    Attributes:
        outcome: `recovered` or `failed`; `skipped` where nothing could be tried.
        strategy: What worked: `retry`, `simplify`, `fallback` or `cache`.
        steps: Steps that ran.
        degraded: Whether another model answered, or a shortened prompt was.
    """

    outcome: str
    strategy: str | None = None
    steps: int = 0
    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AIResponse:
    """The answer to a call, or why there is none.

    Attributes:
        content: The model's words; empty if there are none.
        is_error: Whether everything failed.
        error: What the provider said last; None if it answered.
        provider: Who answered, or was asked.
        model: The model that answered, or was asked.
        tokens_used: Tokens in and out, as the provider counts; None where it does not tell.
        processing_time_ms: Time for everything, recovery included.
        trace_id: 32 hex digits; None for a call that nobody watched.
        recovery: None for a call that did not fail, or that nobody watched.
        kind: Of a document: one of the expected types; None if the model named none of them.
        confidence: How sure the model says that it is, from 0 to 1.
        data: The JSON object of a classification or an analysis; empty if there was none.
    """

    content: str = ""
    is_error: bool = False
    error: str | None = None
    provider: str
    model: str
    tokens_used: int | None = None
    processing_time_ms: float
    trace_id: str | None = None
    recovery: Mending | None = None
    kind: str | None = None
    confidence: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def with_answer(response: AIResponse, completion: Any) -> AIResponse:
    """Add what the provider answered; its 200 may hold anything."""
    choices = getattr(completion, "choices", None)
    content = choices[0].message.content if choices else None
    usage = getattr(completion, "usage", None)
    response = replace(
        response,
        model=getattr(completion, "model", None) or response.model,
        tokens_used=usage.total_tokens if usage is not None else None,
    )
    if isinstance(content, str):
        return replace(response, content=content)
    return replace(response, is_error=True, error="The provider's answer holds no text.")


def with_spans(response: AIResponse, spans: "Sequence[ReadableSpan]") -> AIResponse:
    """Add what the request's span tells."""
    span = next(filter(_is_request, spans), None)
    context = span.get_span_context() if span is not None else None
    if span is None or context is None:
        return response
    facts = span.attributes or {}
    outcome = str(facts.get(names.RECOVERY_OUTCOME, RecoveryOutcome.NOT_NEEDED))
    strategy = facts.get(names.RECOVERY_STRATEGY)
    mending = Mending(
        outcome=outcome,
        strategy=str(strategy) if strategy is not None else None,
        steps=int(str(facts.get(names.RECOVERY_STEPS, 0))),
        degraded=bool(facts.get(names.RECOVERY_DEGRADED, False)),
    )
    return replace(
        response,
        provider=str(facts.get(names.RECOVERY_PROVIDER_NAME, response.provider)),
        trace_id=f"{context.trace_id:032x}",
        recovery=None if outcome == RecoveryOutcome.NOT_NEEDED else mending,
    )


def _is_request(span: "ReadableSpan") -> bool:
    return (span.attributes or {}).get(names.SPAN_TYPE) == names.SpanType.REQUEST


def with_data(response: AIResponse) -> AIResponse:
    """Add the JSON object of an answer, which models like to wrap in words and fences."""
    text = response.content
    try:
        data = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return response
    sure = data.get("confidence")
    valid = isinstance(sure, int | float) and not isinstance(sure, bool) and 0 <= sure <= 1
    return replace(response, data=data, confidence=float(sure) if valid else None)


def with_kind(response: AIResponse, expected_types: Sequence[str]) -> AIResponse:
    """Add the expected type that the answer names."""
    named = str(response.data.get("type")).casefold()
    kind = next((each for each in expected_types if each.casefold() == named), None)
    return replace(response, kind=kind)
