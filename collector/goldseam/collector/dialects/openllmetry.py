"""OpenLLMetry: numbered prompts and completions, an event for each streamed chunk."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect, event_ms, numbered

_SCOPES: Final = (
    "alephalpha", "anthropic", "bedrock", "cohere", "crewai", "google_generativeai", "groq",
    "haystack", "langchain", "llamaindex", "mistralai", "ollama", "openai", "openai_agents",
    "replicate", "sagemaker", "together", "transformers", "vertexai", "watsonx", "writer",
)  # fmt: skip

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
        "output_text": ("gen_ai.completion", numbered("gen_ai.completion.{}.content")),
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
