"""OpenInference: names of its own, request parameters as JSON text, `llm.model_name` for both.

`llm.model_name` is the model that was asked for until the answer overwrites it, so it is read last
where the requested model is meant, and not at all for the answering one when the call failed.
"""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source, event_ms, inside, numbered
from goldseam.collector.spans import STATUS_ERROR, Span, Value

FRAMEWORK_SCOPES: Final = tuple(
    f"openinference.instrumentation.{name}"
    for name in (
        "langchain", "llama_index", "crewai", "dspy", "smolagents", "pydantic_ai", "litellm",
        "haystack", "agno", "autogen_agentchat", "beeai", "google_adk", "openai_agents",
    )
)  # fmt: skip
"""Frameworks that call a provider's SDK, which may be instrumented as well."""

_PARAMETERS: Final = "llm.invocation_parameters"


def _answering_model(span: Span) -> Value:
    return span.attributes.get("llm.model_name") if _answered(span) else None


def _whole_answer(span: Span) -> Value:
    """Errors and vectors are no answer in text."""
    kind = span.attributes.get("openinference.span.kind")
    return span.attributes.get("output.value") if kind == "LLM" and _answered(span) else None


def _answered(span: Span) -> bool:
    return span.status_code != STATUS_ERROR


OPENINFERENCE: Final = Dialect(
    id="OI",
    name="OpenInference",
    scopes=("openinference.instrumentation.", "@arizeai/openinference-"),
    marks=("openinference.span.kind",),
    sources={
        "user_id": (inside("metadata", "user_id"),),
        "model_requested": (
            "llm.request.model_name",
            inside(_PARAMETERS, "model"),
            inside("embedding.invocation_parameters", "model"),
            "llm.model_name",
            "embedding.model_name",
        ),
        "provider_requested": ("llm.provider", "llm.system"),
        "provider_used": ("llm.provider", "llm.system"),
        "provider_model": (
            "llm.response.model_name",
            Source("llm.model_name", "llm.model_name", _answering_model),
        ),
        "input_text": (
            numbered("llm.input_messages.{}.message.content"),
            numbered("llm.input_messages.{}.message.contents.0.message_content.text"),
            numbered("embedding.embeddings.{}.embedding.text"),
            "input.value",
        ),
        "output_text": (
            numbered("llm.output_messages.{}.message.content"),
            numbered("llm.output_messages.{}.message.contents.0.message_content.text"),
            Source("output.value", "output.value", _whole_answer),
        ),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cache_read_tokens": ("llm.token_count.prompt_details.cache_read",),
        "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "tokens_used": ("llm.token_count.total",),
        "is_stream": (inside(_PARAMETERS, "stream"),),
        "first_chunk_ms": (event_ms("First Token Stream Event"),),
        "finish_reasons": ("llm.finish_reason",),
        "cost_usd": ("llm.cost.total",),
    },
)
