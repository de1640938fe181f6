"""The floor: what a careful programmer writes by hand around one call.

Eight attributes when the span starts, seven when it ends, three histogram records with one
attribute dictionary. All values are constants: the floor is the price of OpenTelemetry itself, not
of reading a request or an answer. `SameFacts` writes by hand what Goldseam writes, so that the
price of more facts is told from that of finding them out. Runs inside the base environment.
"""

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from instrumentation_cost.telemetry import Telemetry

_AT_START: Final = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 100,
    "server.address": "api.openai.com",
    "server.port": 443,
    "openai.api.type": "chat_completions",
}
_AT_END: Final = {
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 21,
    "gen_ai.usage.output_tokens": 9,
    "gen_ai.usage.cache_read.input_tokens": 0,
    "openai.response.service_tier": "default",
    "openai.response.system_fingerprint": "fp_1",
}
_OF_METRICS: Final = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
"""The two attributes that the semantic conventions require; every further one costs about 8,000
instructions in each record."""

_SAME_AT_START: Final = {
    **_AT_START,
    "goldseam.span.type": "request",
    "goldseam.provider.name": "openai",
}
_SAME_AT_END: Final = {
    **_AT_END,
    "gen_ai.usage.reasoning.output_tokens": 0,
    "gen_ai.response.finish_reasons": ["stop"],
    "goldseam.log.id": "0199c0de-0000-8000-8000-000000000000",
    "goldseam.prompt.sha256": "0" * 64,
    "goldseam.prompt.length": 78,
    "goldseam.response.length": 23,
    "goldseam.recovery.outcome": "not_needed",
    "http.response.status_code": 200,
}
_SAME_OF_METRICS: Final = {
    **_OF_METRICS,
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
}
_SAME_OF_DURATION: Final = {
    **_SAME_OF_METRICS,
    "server.address": "api.openai.com",
    "server.port": 443,
}

_DURATION_BUCKETS_S: Final = [0.01 * 2**power for power in range(14)]
_TOKEN_BUCKETS: Final = [4.0**power for power in range(14)]


class Floor:
    """A hand-written span and three records around any call."""

    at_start: Mapping[str, Any] = _AT_START
    at_end: Mapping[str, Any] = _AT_END

    def __init__(self, telemetry: Telemetry) -> None:
        meter = telemetry.meter_provider.get_meter("floor")
        self._tracer = telemetry.tracer_provider.get_tracer("floor")
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            explicit_bucket_boundaries_advisory=_DURATION_BUCKETS_S,
        )
        self._input, self._output = (
            meter.create_histogram(
                f"gen_ai.client.{kind}_tokens",
                unit="{token}",
                explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS,
            )
            for kind in ("input", "output")
        )

    def sync(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return the call with a span and three records around it."""

        def watched(client: Any) -> None:
            started_s = time.perf_counter()
            span = self._tracer.start_span("chat gpt-4o-mini", None, SpanKind.CLIENT, self.at_start)
            try:
                call(client)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            finally:
                self._end(span, started_s)

        return watched

    def asynchronous(
        self, call: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> Callable[[Any], Coroutine[Any, Any, None]]:
        """Return the call with a span and three records around it."""

        async def watched(client: Any) -> None:
            started_s = time.perf_counter()
            span = self._tracer.start_span("chat gpt-4o-mini", None, SpanKind.CLIENT, self.at_start)
            try:
                await call(client)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            finally:
                self._end(span, started_s)

        return watched

    def _end(self, span: Any, started_s: float) -> None:
        span.set_attributes(self.at_end)
        span.end()
        self._record(time.perf_counter() - started_s, span)

    def _record(self, duration_s: float, _span: Any) -> None:
        self._duration.record(duration_s, _OF_METRICS)
        self._input.record(21, _OF_METRICS)
        self._output.record(9, _OF_METRICS)


class SameFacts(Floor):
    """The floor with every attribute of Goldseam's span and records, and with its exemplar."""

    at_start = _SAME_AT_START
    at_end = _SAME_AT_END

    def _record(self, duration_s: float, span: Any) -> None:
        context = set_span_in_context(span)
        self._duration.record(duration_s, _SAME_OF_DURATION, context)
        for record, kind, tokens in ((self._input, "input", 21), (self._output, "output", 9)):
            record.record(tokens, {**_SAME_OF_METRICS, "gen_ai.token.type": kind})
