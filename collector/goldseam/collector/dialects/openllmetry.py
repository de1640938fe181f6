"""OpenLLMetry: numbered prompts and completions, an event for each streamed chunk."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source, event_ms, numbered
from goldseam.collector.spans import STATUS_ERROR, Span, Value

_SCOPES: Final = (
    "alephalpha", "anthropic", "bedrock", "cohere", "crewai", "google_generativeai", "groq",
    "haystack", "langchain", "llamaindex", "mistralai", "ollama", "openai", "openai_agents",
    "replicate", "sagemaker", "together", "transformers", "vertexai", "watsonx", "writer",
)  # fmt: skip


def _answer(span: Span) -> Value:
    return None if span.status_code == STATUS_ERROR else span.attributes.get("gen_ai.completion")


OPENLLMETRY: Final = Dialect(
    id="TL",
    name="OpenLLMetry",
    scopes=(
        "opentelemetry.instrumentation.openai.v1",
        "opentelemetry.instrumentation.openai.v0",
        *(f"opentelemetry.instrumentation.{name}" for name in _SCOPES),
        "@traceloop/",
    ),
    marks=("llm.request.type", "traceloop.span.kind", "traceloop.workflow.name"),
    sources={
        "user_id": ("gen_ai.user",),
        "input_text": ("gen_ai.prompt", numbered("gen_ai.prompt.{}.content")),
        "output_text": (
            Source("gen_ai.completion", "gen_ai.completion", _answer),
            numbered("gen_ai.completion.{}.content"),
        ),
        "input_tokens": ("llm.usage.prompt_tokens",),
        "output_tokens": ("llm.usage.completion_tokens",),
        "reasoning_tokens": ("gen_ai.usage.reasoning_tokens",),
        "tokens_used": ("llm.usage.total_tokens",),
        "is_stream": ("gen_ai.is_streaming", "llm.is_streaming"),
        "first_chunk_ms": (
            event_ms("gen_ai.content.completion.chunk"),
            event_ms("llm.content.completion.chunk"),
        ),
        "finish_reasons": ("gen_ai.completion.0.finish_reason", "llm.response.finish_reason"),
    },
)
