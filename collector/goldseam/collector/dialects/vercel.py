"""Vercel AI SDK up to version 6: `ai.*` names, a span for each attempt."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source, spoken
from goldseam.collector.spans import Span, Value

OPERATION_ID: Final = "ai.operationId"


def _streams(span: Span) -> Value:
    operation = span.attributes.get(OPERATION_ID)
    return True if isinstance(operation, str) and operation.endswith(".doStream") else None


VERCEL: Final = Dialect(
    id="V6",
    name="Vercel AI SDK ≤ 6",
    scopes=("ai",),
    marks=(OPERATION_ID,),
    sources={
        "module": ("ai.telemetry.functionId",),
        "user_id": ("ai.telemetry.metadata.userId",),
        "model_requested": ("ai.model.id",),
        "provider_requested": ("ai.model.provider",),
        "provider_used": ("ai.model.provider",),
        "provider_model": ("ai.response.model",),
        "input_text": ("ai.prompt.messages", "ai.prompt"),
        "output_text": (spoken("ai.response.text"),),
        "input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "cache_read_tokens": (
            "ai.usage.cachedInputTokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
        ),
        "cache_write_tokens": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "reasoning_tokens": (
            "ai.usage.reasoningTokens",
            "ai.usage.outputTokenDetails.reasoningTokens",
        ),
        "tokens_used": ("ai.usage.totalTokens",),
        "ttfc_ms": ("ai.response.msToFirstChunk",),
        "is_stream": (Source(f"{OPERATION_ID} ends .doStream", OPERATION_ID, _streams),),
        "finish_reasons": ("ai.response.finishReason",),
        "response_id": ("ai.response.id",),
        "conversation_id": ("ai.telemetry.metadata.sessionId",),
    },
)
