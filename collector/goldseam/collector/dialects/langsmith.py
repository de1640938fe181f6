"""LangSmith's OpenTelemetry mode: the conventions, and request and answer as whole JSON texts."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect, Source, inside
from goldseam.collector.spans import Span, Value

_COMPLETION: Final = "gen_ai.completion"


def _answers(span: Span) -> Value:
    choices = inside(_COMPLETION, "choices").read(span)
    if not isinstance(choices, list):
        return None
    return [choice.get("message") for choice in choices if isinstance(choice, dict)]


LANGSMITH: Final = Dialect(
    id="LS",
    name="LangSmith, OpenTelemetry mode",
    scopes=("langsmith",),
    marks=("langsmith.span.kind",),
    sources={
        "user_id": ("langsmith.metadata.user_id",),
        "input_text": (inside("gen_ai.prompt", "messages"),),
        "output_text": (Source(f"{_COMPLETION}→choices", _COMPLETION, _answers),),
        "is_stream": ("langsmith.request.streaming",),
    },
)
