"""Which spans are AI requests: the decision table, one line a rule, first match decides.

Only attributes decide. A wrapper that repeats its child's model and usage (an agent, a workflow, a
tool) is no request, so tokens are never counted twice.
"""

from enum import StrEnum
from typing import Final

from goldseam.collector.dialects.langfuse import OBSERVATION_TYPE
from goldseam.collector.dialects.langfuse import OPERATIONS as OBSERVED
from goldseam.collector.dialects.litellm import RAW_REQUEST
from goldseam.collector.spans import KIND_CLIENT, Span
from goldseam.semconv.attributes import SPAN_TYPE, SpanType


class Verdict(StrEnum):
    """What becomes of a span."""

    REQUEST = "request"
    STEP = "recovery"
    PENDING = "pending"
    ANNOTATION = "enriched"
    TRAILER = "trailer"
    HTTP = "http"
    IGNORED = "ignored"

    __hash__ = str.__hash__  # an enum's own is written in Python


_OWN: Final[dict[str, Verdict]] = {
    SpanType.REQUEST: Verdict.REQUEST,
    SpanType.RECOVERY_STEP: Verdict.STEP,
    SpanType.ANNOTATION: Verdict.ANNOTATION,
}
"""Spans of Goldseam's that say what they are."""

OPERATIONS: Final = {
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
_OPENINFERENCE_WRAPPERS: Final = frozenset({"AGENT", "CHAIN", "TOOL"})
_LANGFUSE_WRAPPERS: Final = frozenset({"agent", "chain", "tool"})
_OPENINFERENCE_KINDS: Final = {"LLM": "chat", "EMBEDDING": "embeddings"}
_TRAILER: Final = "trailer"
_LOGFIRE_TYPE: Final = "logfire.span_type"
_LOGFIRE_TYPES: Final = {"pending_span": SpanType.PENDING, "log": _TRAILER}
_VERCEL_CALLS: Final = (".doGenerate", ".doStream", ".doEmbed")
_HTTP_METHODS: Final = ("http.request.method", "http.method")
_AI_PREFIXES: Final = ("gen_ai.", "llm.", "openinference.", "ai.")


def verdict(span: Span) -> Verdict:
    """Decide what becomes of `span`."""
    told = text(span, SPAN_TYPE) or _LOGFIRE_TYPES.get(text(span, _LOGFIRE_TYPE))
    if told in _OWN:
        return _OWN[told]
    if told == SpanType.PENDING:
        return Verdict.PENDING if _describes_request(span) else Verdict.IGNORED
    if told == _TRAILER:
        return Verdict.TRAILER if text(span, "gen_ai.operation.name") else Verdict.IGNORED
    if told:
        return Verdict.IGNORED
    if _describes_request(span):
        return Verdict.REQUEST
    return Verdict.HTTP if _is_http(span) else Verdict.IGNORED


def encloses(span: Span) -> bool:
    """Return whether calls below `span` are calls of their own, though it is below a request.

    Agents, chains and tools make calls; what is below an HTTP span is still the same call.
    """
    operation = text(span, "gen_ai.operation.name").lower()
    return (
        (operation in _WRAPPERS and operation != "agent_step")
        or bool(text(span, "traceloop.span.kind"))
        or text(span, "openinference.span.kind").upper() in _OPENINFERENCE_WRAPPERS
        or text(span, OBSERVATION_TYPE) in _LANGFUSE_WRAPPERS
    )


def operation_of(span: Span) -> str | None:
    """Return the normalised operation of an AI request, None if nothing tells."""
    if kind := text(span, "openinference.span.kind"):
        return _OPENINFERENCE_KINDS.get(kind.upper())
    if observed := OBSERVED.get(text(span, OBSERVATION_TYPE)):
        return observed
    if operation_id := text(span, "ai.operationId"):
        return "embeddings" if operation_id.endswith(".doEmbed") else "chat"
    if operation := text(span, "gen_ai.operation.name").lower():
        return OPERATIONS.get(operation, operation)
    return _LLM_REQUEST_TYPES.get(text(span, "llm.request.type"))


def text(span: Span, name: str) -> str:
    """Return the span attribute `name` if it is text, "" otherwise."""
    value = span.attributes.get(name)
    return value if isinstance(value, str) else ""


def _describes_request(span: Span) -> bool:  # noqa: PLR0911 - a table
    if kind := text(span, "openinference.span.kind"):
        return kind.upper() in _OPENINFERENCE_KINDS
    if observed := text(span, OBSERVATION_TYPE):
        return observed in OBSERVED
    if operation_id := text(span, "ai.operationId"):
        return operation_id.endswith(_VERCEL_CALLS)
    if span.name == RAW_REQUEST:
        return True
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
    if operation in OPERATIONS:
        return True
    if operation in _WRAPPERS:
        return False
    return span.kind == KIND_CLIENT and bool(text(span, "gen_ai.request.model"))


def _is_http(span: Span) -> bool:
    attributes = span.attributes
    return any(name in attributes for name in _HTTP_METHODS) and not any(
        name.startswith(_AI_PREFIXES) for name in attributes
    )
