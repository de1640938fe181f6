"""Recognises the calls that another GenAI instrumentation makes a span of already.

`_sdk` and `_wire` ask before they start a call: one call is one span, whoever makes it.
"""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from goldseam.instrumentation._names import OPERATION_NAME

_KEYS: Final = (
    "opentelemetry.genai.client.inference.context",
    "opentelemetry.genai.client.embedding.context",
)
"""Set by instrumentations on `opentelemetry-util-genai` while a call of theirs is at work."""

_MARKS: Final = (
    (OPERATION_NAME, frozenset({"chat", "text_completion", "generate_content", "embeddings"})),
    ("openinference.span.kind", frozenset({"LLM", "EMBEDDING"})),
    ("llm.request.type", frozenset({"chat", "completion", "embedding"})),
)
"""What marks a span that stands for one call; agents and chains have calls below them."""


def is_told_by_others(context: Context) -> bool:
    """Tell whether a call in `context` has a span of somebody else's."""
    if not context:
        return False
    if any(context.get(key) is not None for key in _KEYS):
        return True
    known = getattr(get_current_span(context), "attributes", None) or {}
    return any(known.get(name) in values for name, values in _MARKS)
