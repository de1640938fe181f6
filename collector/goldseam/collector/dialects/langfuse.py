"""Langfuse's SDK: observations of its own, values as JSON text, no provider's name."""

import json
from datetime import datetime
from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source, inside, plain, spoken
from goldseam.collector.spans import Span, Value

OBSERVATION_TYPE: Final = "langfuse.observation.type"
OPERATIONS: Final = {"generation": "chat", "embedding": "embeddings"}
"""Observations that are calls to a provider."""

_USAGE: Final = "langfuse.observation.usage_details"
_OUTPUT: Final = "langfuse.observation.output"
_FIRST_CHUNK: Final = "langfuse.observation.completion_start_time"
_FINISH_REASON: Final = "langfuse.observation.metadata.finish_reason"

_MS_PER_S: Final = 1_000
_NS_PER_MS: Final = 1_000_000


def _unquoted(span: Span, name: str) -> str | None:
    """Return text that was written as JSON text."""
    value = span.attributes.get(name)
    if not isinstance(value, str):
        return None
    try:
        told = json.loads(value)
    except ValueError:
        return value
    return told if isinstance(told, str) else None


def _first_chunk_ms(span: Span) -> Value:
    told = _unquoted(span, _FIRST_CHUNK)
    try:
        at = datetime.fromisoformat(told) if told else None
    except ValueError:
        return None
    if at is None or at.tzinfo is None:
        return None
    return max(0.0, at.timestamp() * _MS_PER_S - span.start_ns / _NS_PER_MS)


def _answer(span: Span) -> Value:
    """Return the output as messages: it is one message as JSON, or the text itself."""
    if span.attributes.get(OBSERVATION_TYPE) == "embedding":
        return None
    message = inside(_OUTPUT).read(span)
    return [message] if isinstance(message, dict) else spoken(_OUTPUT).read(span)


def _question(span: Span) -> Value:
    name = "langfuse.observation.input"
    messages = inside(name).read(span)
    return messages if isinstance(messages, list) else spoken(name).read(span)


LANGFUSE: Final = Dialect(
    id="LU",
    name="Langfuse SDK",
    scopes=("langfuse-sdk",),
    marks=(OBSERVATION_TYPE,),
    sources={
        "model_requested": ("langfuse.observation.model.name",),
        "input_text": (
            Source(
                "langfuse.observation.input", plain("langfuse.observation.input").key, _question
            ),
        ),
        "output_text": (Source(_OUTPUT, _OUTPUT, _answer),),
        "input_tokens": (inside(_USAGE, "prompt_tokens"), inside(_USAGE, "input")),
        "output_tokens": (inside(_USAGE, "completion_tokens"), inside(_USAGE, "output")),
        "tokens_used": (inside(_USAGE, "total_tokens"), inside(_USAGE, "total")),
        "cache_read_tokens": (
            inside(_USAGE, "prompt_tokens_details", "cached_tokens"),
            inside(_USAGE, "input_cached_tokens"),
            inside(_USAGE, "cache_read_input_tokens"),
        ),
        "reasoning_tokens": (
            inside(_USAGE, "completion_tokens_details", "reasoning_tokens"),
            inside(_USAGE, "output_reasoning_tokens"),
        ),
        "first_chunk_ms": (Source(_FIRST_CHUNK, _FIRST_CHUNK, _first_chunk_ms),),
        "finish_reasons": (
            Source(_FINISH_REASON, _FINISH_REASON, lambda span: _unquoted(span, _FINISH_REASON)),
        ),
        "error_message": ("langfuse.observation.status_message",),
        "cost_usd": (inside("langfuse.observation.cost_details", "total"),),
    },
)
