"""The GenAI semantic conventions, which most dialects speak at least in part.

Names that the conventions have dropped but that senders still use stand behind their successors.
"""

import re
from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source
from goldseam.collector.spans import STATUS_ERROR, Span, Value

_HOST_IN_URL: Final = re.compile(r"https?://(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]+)", re.IGNORECASE)
_PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system")


def _answering_model(span: Span) -> Value:
    """Logfire copies the requested model here when nothing, or not yet anything, has answered."""
    unproven = span.status_code == STATUS_ERROR or "gen_ai.response.id" not in span.attributes
    if unproven and span.scope_name.startswith("logfire"):
        return None
    return span.attributes.get("gen_ai.response.model")


def _dollars(span: Span) -> Value:
    currency = span.attributes.get("gen_ai.usage.cost.currency") or "USD"
    if not isinstance(currency, str) or currency.upper() != "USD":
        return None
    return span.attributes.get("gen_ai.usage.cost.amount")


def _host(span: Span) -> Value:
    url = span.attributes.get("url.full")
    found = _HOST_IN_URL.match(url) if isinstance(url, str) else None
    return found[1] if found else None


SEMCONV: Final = Dialect(
    id="SC",
    name="GenAI semantic conventions",
    scopes=(),
    sources={
        "tenant_id": (
            "tenant.id",
            "tenant_id",
            "langfuse.trace.metadata.tenant_id",
            "res:tenant.id",
        ),
        "module": ("gen_ai.agent.name", "code.namespace", "res:service.name"),
        "user_id": ("user.id", "enduser.id"),
        "task": ("gen_ai.prompt.name",),
        "operation": ("gen_ai.operation.name",),
        "model_requested": ("gen_ai.request.model",),
        "provider_requested": _PROVIDER,
        "provider_used": _PROVIDER,
        "provider_model": (
            Source("gen_ai.response.model", "gen_ai.response.model", _answering_model),
        ),
        "input_text": ("gen_ai.input.messages",),
        "output_text": ("gen_ai.output.messages",),
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
        "tokens_used": ("gen_ai.usage.total_tokens",),
        "duration_s": ("gen_ai.client.operation.duration",),
        "ttfc_s": (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
        ),
        "is_stream": ("gen_ai.request.stream",),
        "http_status": ("http.response.status_code", "http.status_code"),
        "error_type": ("error.type",),
        "error_message": ("error.message",),
        "finish_reasons": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
        "response_id": ("gen_ai.response.id",),
        "cost_usd": (
            Source("gen_ai.usage.cost.amount", "gen_ai.usage.cost.amount", _dollars),
            "gen_ai.usage.cost",
        ),
        "confidence_score": ("gen_ai.evaluation.score.value",),
        "conversation_id": ("gen_ai.conversation.id", "session.id"),
        "service_name": ("res:service.name",),
        "tool_definitions": ("gen_ai.tool.definitions",),
        "step_provider": ("gen_ai.provider.name",),
        "step_model": ("gen_ai.request.model",),
    },
)

_HOST: Final = ("server.address", Source("host of url.full", "url.full", _host))

LAST_RESORT: Final = Dialect(
    id="SC",
    name="GenAI semantic conventions",
    scopes=(),
    sources={
        "user_id": ("enduser.pseudo.id",),
        "provider_requested": _HOST,
        "provider_used": _HOST,
    },
)
"""What is read only where no dialect says it better."""
