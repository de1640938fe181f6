"""Pydantic AI: plain conventions, token details and its own cost."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

PYDANTIC_AI: Final = Dialect(
    id="PA",
    name="Pydantic AI",
    scopes=("pydantic-ai",),
    marks=("model_request_parameters",),
    sources={
        "cache_read_tokens": ("gen_ai.usage.details.cache_read_tokens",),
        "cache_write_tokens": ("gen_ai.usage.details.cache_write_tokens",),
        "reasoning_tokens": ("gen_ai.usage.details.reasoning_tokens",),
        "cost_usd": ("operation.cost",),
    },
)
