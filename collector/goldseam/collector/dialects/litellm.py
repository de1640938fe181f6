"""LiteLLM's `otel` callback: values as Python literals, truth values as text.

Under a span of the application itself only `raw_gen_ai_request` is left, with the provider's own
fields as `llm.<provider>.<field>`.
"""

import re
from collections.abc import Callable
from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source, inside, parsed
from goldseam.collector.spans import Span, Value

RAW_REQUEST: Final = "raw_gen_ai_request"

_FIELD: Final = re.compile(r"llm\.([a-z0-9_]+)\.(model|usage|id|messages)", re.ASCII)


def _raw(name: str, read: Callable[[Span, str], Value]) -> Source:
    """Read the raw span's fields, once the provider's name in them is known."""

    def read_raw(span: Span) -> Value:
        if span.name != RAW_REQUEST:
            return None
        provider = next((m[1] for key in span.attributes if (m := _FIELD.fullmatch(key))), None)
        return None if provider is None else read(span, provider)

    return Source(name, None, read_raw)


def _field(name: str) -> Source:
    return _raw(f"llm.<p>.{name}", lambda span, p: span.attributes.get(f"llm.{p}.{name}"))


def _usage(name: str) -> Source:
    def read(span: Span, provider: str) -> Value:
        usage = parsed(span.attributes.get(f"llm.{provider}.usage"))
        return usage.get(name) if isinstance(usage, dict) else None

    return _raw(f"llm.<p>.usage→{name}", read)


def _provider(span: Span) -> Value:
    model = span.attributes.get("litellm.provider.model")
    return model.partition("/")[0] if isinstance(model, str) and "/" in model else None


_PROVIDER: Final = (
    "error.llm_provider",
    Source("litellm.provider.model (before /)", "litellm.provider.model", _provider),
    _raw("llm.<p>.*", lambda _, provider: provider),
)

LITELLM: Final = Dialect(
    id="LL",
    name="LiteLLM, `otel` callback",
    scopes=("litellm",),
    marks=("litellm.provider.model", "litellm.call_id"),
    sources={
        "tenant_id": ("metadata.user_api_key_team_id",),
        "user_id": ("llm.user", "metadata.user_api_key_end_user_id"),
        "model_requested": (_field("model"),),
        "provider_requested": _PROVIDER,
        "provider_used": _PROVIDER,
        "input_tokens": (_usage("prompt_tokens"), _usage("input_tokens")),
        "output_tokens": (_usage("completion_tokens"), _usage("output_tokens")),
        "cache_read_tokens": (
            inside("metadata.usage_object", "prompt_tokens_details", "cached_tokens"),
        ),
        "tokens_used": (_usage("total_tokens"),),
        "is_stream": ("llm.is_streaming",),
        "http_status": ("error.code",),
        "response_id": (_field("id"),),
        "cost_usd": ("gen_ai.cost.total_cost",),
    },
)
