"""The tracer provider's parts that keep the spans of `AIService`, whatever the application samples.

Only `_service_call` uses them, and imports them at need: the SDK is not loaded by an import of
Goldseam.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes


class Keeping(SpanProcessor):
    """Keeps the spans that end in a task which wants them."""

    def __init__(self, wanted: ContextVar[list[ReadableSpan] | None]) -> None:
        self._wanted = wanted

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        spans = self._wanted.get(None)
        if spans is not None:
            spans.append(span)


class RecordAll(Sampler):
    """Samples what another sampler does, and records the rest as well without sampling it.

    What is not sampled reaches no exporter of the application, but the audit rows of a call.
    """

    def __init__(self, other: Sampler | None) -> None:
        self._other = other or ALWAYS_ON

    def should_sample(  # noqa: PLR0917 - the base's parameters
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
        **further: Any,
    ) -> SamplingResult:
        """Return the other sampler's decision, at least to record."""
        result = self._other.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state, **further
        )
        if result.decision is not Decision.DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """Describe the sampler, as its base asks."""
        return f"RecordAll{{{self._other.get_description()}}}"
