"""Which spans are AI requests: the decision table, one line a rule, first match decides.

Only attributes decide. A wrapper that repeats its child's model and usage (an agent, a workflow, a
tool) is no request, so tokens are never counted twice.
"""

from enum import StrEnum
from typing import Final

from goldseam.collector.spans import KIND_CLIENT, Span
from goldseam.semconv.attributes import SPAN_TYPE, SpanType


class Verdict(StrEnum):
    """What becomes of a span."""

    REQUEST = "request"
    STEP = "recovery"
    PENDING = "pending"
    ANNOTATION = "enriched"
    IGNORED = "ignored"


_OWN: Final[dict[str, Verdict]] = {
    SpanType.REQUEST: Verdict.REQUEST,
    SpanType.RECOVERY_STEP: Verdict.STEP,
    SpanType.ANNOTATION: Verdict.ANNOTATION,
}
"""Spans of Goldseam's that say what they are."""

_OPERATIONS: Final = {
    alias: operation
    for operation, aliases in {
        "chat": ("chat", "completion", "acompletion", "responses", "aresponses", "response"),
        "text_completion": ("text_completion", "atext_completion"),
        "generate_content": ("generate_content", "agenerate_content"),
        "embeddings": ("embeddings", "embedding", "aembedding"),
        "image_generation": ("image_generation", "aimage_generation"),
        "speech": ("speech",),
        "transcription": ("transcription",),
        "rerank": ("rerank", "arerank"),
        "moderation": ("moderation",),
    }.items()
    for alias in aliases
}
"""What senders call an operation, and what the column says."""

_WRAPPERS: Final = frozenset({
    "create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "agent_step", "plan",
    "retrieval", "fetch_response", "create_memory", "update_memory", "upsert_memory",
    "delete_memory", "search_memory", "create_memory_store", "delete_memory_store",
})  # fmt: skip
"""Operations that call no provider themselves."""

_LLM_REQUEST_TYPES: Final = {
    "chat": "chat",
    "completion": "chat",
    "embedding": "embeddings",
    "rerank": "rerank",
}
_OPENINFERENCE_KINDS: Final = {"LLM": "chat", "EMBEDDING": "embeddings"}
_VERCEL_CALLS: Final = (".doGenerate", ".doStream", ".doEmbed")
_LITELLM_RAW: Final = "raw_gen_ai_request"
_LITELLM_REQUEST: Final = "litellm_request"


def verdict(span: Span, parent: Span | None = None) -> Verdict:
    """Decide what becomes of `span`.

    Args:
        span: The span.
        parent: Its parent, if it came in the same OTLP request.
    """
    span_type = text(span, SPAN_TYPE)
    if span_type in _OWN:
        return _OWN[span_type]
    if span_type == SpanType.PENDING:
        return Verdict.PENDING if _describes_request(span, parent) else Verdict.IGNORED
    if span_type:
        return Verdict.IGNORED
    if text(span, "logfire.span_type") == "pending_span":
        return Verdict.PENDING if _describes_request(span, parent) else Verdict.IGNORED
    return Verdict.REQUEST if _describes_request(span, parent) else Verdict.IGNORED


def operation_of(span: Span) -> str | None:
    """Return the normalised operation of an AI request, None if nothing tells."""
    if kind := text(span, "openinference.span.kind"):
        return _OPENINFERENCE_KINDS.get(kind.upper())
    if operation_id := text(span, "ai.operationId"):
        return "embeddings" if operation_id.endswith(".doEmbed") else "chat"
    if operation := text(span, "gen_ai.operation.name").lower():
        return _OPERATIONS.get(operation, operation)
    return _LLM_REQUEST_TYPES.get(text(span, "llm.request.type"))


def text(span: Span, name: str) -> str:
    """Return the span attribute `name` if it is text, "" otherwise."""
    value = span.attributes.get(name)
    return value if isinstance(value, str) else ""


def _describes_request(span: Span, parent: Span | None) -> bool:  # noqa: PLR0911 - a table
    if text(span, "logfire.span_type") == "log":
        return False
    if kind := text(span, "openinference.span.kind"):
        return kind.upper() in _OPENINFERENCE_KINDS
    if operation_id := text(span, "ai.operationId"):
        return operation_id.endswith(_VERCEL_CALLS)
    if span.name == _LITELLM_RAW:
        return parent is None or parent.name != _LITELLM_REQUEST
    if operation := text(span, "gen_ai.operation.name").lower():
        return _is_call(operation, span)
    if text(span, "traceloop.span.kind"):
        return False
    if text(span, "llm.request.type") in _LLM_REQUEST_TYPES:
        return True
    if any(text(span, f"gen_ai.{wrapper}.name") for wrapper in ("tool", "agent", "workflow")):
        return False
    provider = text(span, "gen_ai.provider.name") or text(span, "gen_ai.system")
    return bool(provider and text(span, "gen_ai.request.model"))


def _is_call(operation: str, span: Span) -> bool:
    if operation in _OPERATIONS:
        return True
    if operation in _WRAPPERS:
        return False
    return span.kind == KIND_CLIENT and bool(text(span, "gen_ai.request.model"))
