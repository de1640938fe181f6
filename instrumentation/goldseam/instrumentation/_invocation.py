"""One call that the application made, from its start to its single end: span and metrics.

`_sdk` starts an invocation before the provider is asked, and `_call` ends it with `stop_with` or
`fail`, or hands it to `_streams`, which ends it with the stream. `_recovery` writes into `repair`
what mending the call took. Ending twice does nothing. Attributes are given to the span when it
starts and once when it ends, and content is looked at only if the span is recorded.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from goldseam.errors import ErrorCode
from goldseam.instrumentation import _fault, _names
from goldseam.instrumentation._asked import Asked
from goldseam.instrumentation._attempts import Attempts, Sent, sdk_retries
from goldseam.instrumentation._context import (
    SHARED_KEYS,
    call_attributes,
    note_call,
    without_own_baggage,
)
from goldseam.instrumentation._endpoint import Endpoint
from goldseam.instrumentation._fault import Fault
from goldseam.instrumentation._formats import Answer, Body, Format, name_of
from goldseam.instrumentation._formats._base import with_usage_of
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._measuring import Ended, measure
from goldseam.instrumentation._repair import Repair
from goldseam.instrumentation._telemetry import Telemetry
from goldseam.semconv import attributes as names
from goldseam.semconv import log_id_text
from goldseam.semconv.attributes import RecoveryOutcome, SpanType


class Invocation:
    """One provider call that the application made."""

    __slots__ = (
        "_asked",
        "_at_end",
        "_ended",
        "_status",
        "attempts",
        "chunk_gap_s",
        "context",
        "endpoint",
        "format",
        "learn",
        "model",
        "reading",
        "recording",
        "repair",
        "shared_attributes",
        "span",
        "span_name",
        "started_ns",
        "started_s",
        "telemetry",
    )

    def __init__(
        self,
        telemetry: Telemetry,
        format_: Format,
        endpoint: Endpoint,
        body: Body,
        *,
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Start the span.

        Args:
            telemetry: Where to write.
            format_: How to read the request and its answer.
            endpoint: Who is asked.
            body: The request's JSON body; read, never changed, let go at the end.
            secrets: Gives texts beside the body that no error message may repeat.
        """
        self.telemetry = telemetry
        self.format = format_
        self.endpoint = endpoint
        self.repair = Repair()
        self.attempts = Attempts(format_.path)
        self._asked = Asked(format_, body, secrets)
        self._ended = False
        self._status = "success"
        self.chunk_gap_s: float | None = None
        self.learn: Callable[[Body, int], None] | None = None
        self.model = name_of(body.get("model"))
        outer = get_current()
        carried = baggage.get_all(outer)
        attributes = self._attributes_at_start(call_attributes(carried), body)
        self.started_s = time.perf_counter()
        self.started_ns = time.time_ns()
        self.span: Span = telemetry.tracer.start_span(
            self.span_name, outer, SpanKind.CLIENT, attributes, start_time=self.started_ns
        )
        self.recording = self.span.is_recording()
        self.context: Context = self.attempts.within(
            set_span_in_context(self.span, without_own_baggage(outer) if carried else outer)
        )
        self._at_end = (self._facts_of_recorded() or {}) if self.recording else {}
        if telemetry.pending is not None and self.recording:
            telemetry.pending.announce(self.span)
        self.reading = format_
        if telemetry.content is not None and self.recording:
            self._at_end.update(telemetry.content.asked(format_, body))
            self.reading = telemetry.content.reading(format_)
        note_call(self)
        telemetry.instruments.active.add(1, (endpoint.family, format_.operation))

    @fenced
    def read(self, response: Any) -> Answer:
        """Return the facts of what the provider answered: the SDK's object, or parsed JSON."""
        answer = self.reading.read(response)
        if self.repair.cache_hit:
            answer.forget_tokens()
        return answer

    def stop_with(
        self,
        answer: Answer | None,
        *,
        first_chunk_s: float | None = None,
        retries: int | None = None,
    ) -> None:
        """End the call with the facts of an answer.

        Args:
            answer: The facts; None where there are none to read.
            first_chunk_s: Seconds from the start to a stream's first chunk.
            retries: Repeats that the SDK made by itself, where it tells.
        """
        self._note_retries(retries)
        fault = None
        if answer is not None and answer.error is not None:
            fault = self._fault_in_body(answer.error)
        self._end(fault, answer, first_chunk_s)

    def fail(
        self,
        error: BaseException | Fault,
        *,
        answer: Answer | None = None,
        first_chunk_s: float | None = None,
    ) -> None:
        """End the call with the error that the application sees.

        Args:
            error: The exception, or the fault of a stream that ended badly without one.
            answer: What a stream had told before it failed.
            first_chunk_s: Seconds from the start to a stream's first chunk.
        """
        if isinstance(error, Fault):
            self._end(error, answer, first_chunk_s)
            return
        self._note_retries(sdk_retries(error))
        self._end(self.fault_of(error), answer, first_chunk_s)

    def note_chunks(self, first_chunk_s: float | None, last_s: float, count: int) -> None:
        """Note how fast a stream's chunks came.

        Args:
            first_chunk_s: Seconds from the start to the first chunk, None without one.
            last_s: When the last chunk came, on the clock of `started_s`.
            count: Chunks in all.
        """
        if first_chunk_s is not None and count > 1:
            self.chunk_gap_s = (last_s - self.started_s - first_chunk_s) / (count - 1)

    def fault_of(self, error: BaseException, *, always: bool = False) -> Fault:
        """Return the fault of an exception, cleaned of what the request says.

        Args:
            error: What was raised.
            always: Read the message although nobody records this call.
        """
        try:
            return _fault.from_exception(
                error, self._asked.texts if self.recording or always else None
            )
        except Exception as ours:  # noqa: BLE001 - the call's own error must still be told
            report("Invocation.fault_of", ours)
            return _fault.unread(error)

    def fault_of_status(self, status: int, body: object) -> Fault:
        """Return the fault of an error answer, cleaned of what the request says."""
        return _fault.from_status(status, body, self._asked.texts if self.recording else None)

    def log_id(self) -> str:
        """Return the id of the request's row."""
        context = self.span.get_span_context()
        return log_id_text(self.started_ns, context.trace_id, context.span_id)

    @fenced
    def annotate(self, facts: Mapping[str, AttributeValue]) -> bool:
        """Put facts on the span, or on a small one of their own once this one has ended."""
        if not self.recording:
            return False
        if self._ended:
            self._annotate_ended(facts)
        else:
            self.span.set_attributes(facts)
        return True

    def _annotate_ended(self, facts: Mapping[str, AttributeValue]) -> None:
        """Start and end where the request started: the collector makes the row's key of it."""
        attributes: dict[str, AttributeValue] = {
            names.SPAN_TYPE: SpanType.ANNOTATION.value,
            names.LOG_ID: self.log_id(),
            names.REQUEST_STATUS: self._status,
            **self.shared_attributes,
            **facts,
        }
        self.telemetry.tracer.start_span(
            "annotate", self.context, SpanKind.INTERNAL, attributes, start_time=self.started_ns
        ).end(self.started_ns)

    def count_attempt(
        self, provider: str, model: str | None, fault: Fault | Sent | None, *, count: int = 1
    ) -> None:
        """Count requests sent to a provider."""
        error_type, status = (fault.error_type, fault.http_status) if fault else (None, None)
        self.telemetry.instruments.attempts.add(count, (provider, model, error_type, status))

    def _attributes_at_start(
        self, called_by: Mapping[str, str], body: Body
    ) -> dict[str, AttributeValue]:
        operation = self.format.operation
        attributes: dict[str, AttributeValue] = {
            names.SPAN_TYPE: SpanType.REQUEST.value,
            _names.OPERATION_NAME: operation,
            **self.endpoint.attributes,
            **called_by,
            **self.format.request_attributes(body),
        }
        if self.model is not None:
            attributes[_names.REQUEST_MODEL] = self.model
        self.span_name = f"{operation} {self.model}" if self.model is not None else operation
        self.shared_attributes: dict[str, AttributeValue] = {
            key: called_by[key] for key in SHARED_KEYS if key in called_by
        }
        return attributes

    @fenced
    def _facts_of_recorded(self) -> dict[str, AttributeValue]:
        return {
            names.LOG_ID: self.log_id(),
            **self._asked.facts(hashed=self.telemetry.prompt_hash),
        }

    def hash_of(self, body: Body) -> str | None:
        """Return the hash of another body's prompt; None without one, or if none may be told."""
        return self._asked.hash_of(body) if self.telemetry.prompt_hash else None

    @fenced
    def _fault_in_body(self, body: Mapping[str, Any]) -> Fault:
        return _fault.from_error_body(body, self._asked.texts if self.recording else None)

    def _note_retries(self, retries: int | None) -> None:
        if self.repair.extra_attempts is None:
            self.repair.extra_attempts = retries

    def _end(self, fault: Fault | None, answer: Answer | None, first_chunk_s: float | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self.repair.spent:
            answer = with_usage_of(answer, self.repair.spent.values())
        if fault is not None:
            self._status = "cancelled" if fault.code is ErrorCode.CANCELLED else "error"
        series = (self.endpoint.family, self.format.operation)
        self.telemetry.instruments.active.add(-1, series)
        self._note_retries(self.attempts.count - 1 if self.attempts.count else None)
        duration_s = time.perf_counter() - self.started_s
        if fault is not None and self.repair.outcome is RecoveryOutcome.NOT_NEEDED:
            self.repair.outcome = RecoveryOutcome.SKIPPED
            self.repair.first_code = fault.code
        try:
            self._describe_end(fault, answer, first_chunk_s)
            self._teach(answer)
        finally:
            self.span.end()
            self._asked.forget()
        measure(self, Ended(fault, answer, duration_s, first_chunk_s))

    @fenced
    def _describe_end(
        self, fault: Fault | None, answer: Answer | None, first_chunk_s: float | None
    ) -> None:
        if not self.recording:
            return
        attributes = {**self._at_end, **self.repair.attributes(), **self.attempts.attributes()}
        if not self.repair.attempts_counted:
            self.attempts.show(self.span)
        if answer is not None:
            attributes.update(answer.attributes())
            if answer.input_tokens is not None and self._asked.is_cut(answer.input_tokens):
                attributes[names.PROMPT_TRUNCATED] = True
        if first_chunk_s is not None:
            attributes[_names.RESPONSE_TIME_TO_FIRST_CHUNK] = first_chunk_s
        if fault is not None:
            attributes.update(fault.attributes())
            self.span.set_status(Status(StatusCode.ERROR, fault.message))
        self.span.set_attributes(attributes)

    @fenced
    def _teach(self, answer: Answer | None) -> None:
        """Pass on how many tokens the prompt had, if somebody wants to know and it was sent so."""
        if self.learn is None or answer is None or answer.input_tokens is None:
            return
        if self.repair.outcome is RecoveryOutcome.NOT_NEEDED:
            self.learn(self._asked.body, answer.input_tokens)
