"""One call that the application made, from its start to its single end: span and metrics.

`_sdk` starts an invocation before the provider is asked and ends it with `stop` or `fail`, or hands
it to `_streams`, which ends it with the stream. `_recovery` writes into `repair` what mending the
call took. Ending twice does nothing. Attributes are given to the span when it starts and once when
it ends, and content is looked at only if the span is recorded.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from goldseam.errors import ErrorCode
from goldseam.instrumentation import _fault, _names
from goldseam.instrumentation._attempts import Attempts, Sent
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
from goldseam.instrumentation._instruments import Instruments
from goldseam.instrumentation._pending import Pending
from goldseam.instrumentation._privacy import canonical_text, sha256, texts_in
from goldseam.instrumentation._truncation import is_truncated
from goldseam.semconv import attributes as names
from goldseam.semconv import log_id
from goldseam.semconv.attributes import RecoveryOutcome, SpanType

if TYPE_CHECKING:
    from goldseam.instrumentation._content._capture import Content


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where invocations write to, and how much; one per `instrument()`.

    Attributes:
        tracer: Makes the spans.
        instruments: Take the metrics.
        content: Captures prompts and answers; None leaves them out.
        prompt_hash: Whether the prompt's SHA-256 is told.
    """

    tracer: Tracer
    instruments: Instruments
    pending: Pending | None = None
    content: "Content | None" = None
    prompt_hash: bool = True


@dataclass(slots=True)
class Repair:
    """What recovery did to a call; filled in by `_recovery`, put onto the span at the end.

    Attributes:
        outcome: How the call ended, seen from recovery.
        first_code: Code of the first failure; None for a call that never failed.
        extra_attempts: Provider calls beyond the first; None where the SDK did not tell.
        attempts_counted: Whether the attempts are in the metrics already.
        steps: Steps that ran.
        wait_s: Seconds waited in all.
        duration_s: Seconds from the first failure to the outcome.
        strategy: The strategy that worked.
        provider: The provider that answered.
        model: The model that was asked there.
        degraded: Whether that was less than asked for: another model, a shortened prompt, an old
            answer.
        cache_hit: Whether the answer came from the cache; None where the cache was not asked.
        correction_id: The correction of the playbook that was applied.
    """

    outcome: RecoveryOutcome = RecoveryOutcome.NOT_NEEDED
    first_code: ErrorCode | None = None
    extra_attempts: int | None = None
    attempts_counted: bool = False
    steps: int = 0
    wait_s: float = 0.0
    duration_s: float | None = None
    strategy: str | None = None
    provider: str | None = None
    model: str | None = None
    degraded: bool = False
    spent: dict[int, Answer] = field(default_factory=dict)
    cache_hit: bool | None = None
    correction_id: str | None = None

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the request span's recovery attributes."""
        attributes: dict[str, AttributeValue] = {names.RECOVERY_OUTCOME: self.outcome.value}
        if self.extra_attempts is not None:
            attributes[names.RETRY_COUNT] = self.extra_attempts
        if self.cache_hit is not None:
            attributes[names.CACHE_HIT] = self.cache_hit
        if self.duration_s is None:
            return attributes
        attributes[names.RECOVERY_STEPS] = self.steps
        attributes[names.RECOVERY_WAIT] = self.wait_s
        attributes[names.RECOVERY_DURATION] = self.duration_s
        if self.correction_id is not None:
            attributes[names.CORRECTION_ID] = self.correction_id
        if self.strategy is not None:
            attributes[names.RECOVERY_STRATEGY] = self.strategy
            attributes[names.RECOVERY_DEGRADED] = self.degraded
        if self.provider is not None:
            attributes[names.RECOVERY_PROVIDER_NAME] = self.provider
        if self.model is not None:
            attributes[names.RECOVERY_MODEL] = self.model
        return attributes


class Invocation:
    """One provider call that the application made."""

    __slots__ = (
        "_at_end",
        "_body",
        "_ended",
        "_secrets",
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
        self._body = body
        self._secrets = secrets
        self._ended = False
        self._status = "success"
        self.chunk_gap_s: float | None = None
        self.learn: Callable[[Body, int], None] | None = None
        self.model = name_of(body.get("model"))
        outer = get_current()
        attributes = self._attributes_at_start(call_attributes(outer))
        self.started_s = time.perf_counter()
        self.started_ns = time.time_ns()
        self.span: Span = telemetry.tracer.start_span(
            self.span_name, outer, SpanKind.CLIENT, attributes, start_time=self.started_ns
        )
        self.recording = self.span.is_recording()
        self.context: Context = self.attempts.within(
            set_span_in_context(self.span, without_own_baggage(outer))
        )
        self._at_end = (self._facts_of_recorded() or {}) if self.recording else {}
        if telemetry.pending is not None and self.recording:
            telemetry.pending.announce(self.span)
        self.reading = format_
        if telemetry.content is not None and self.recording:
            self._at_end.update(telemetry.content.asked(format_, body))
            self.reading = telemetry.content.reading(format_)
        note_call(self)
        telemetry.instruments.active.change(endpoint.family, format_.operation, 1)

    def stop(self, response: Any, *, retries: int | None = None) -> None:
        """End the call with an answer.

        Args:
            response: What the provider answered: the SDK's object, or parsed JSON.
            retries: Repeats that the SDK made by itself, where it tells.
        """
        self.stop_with(self._read(response), retries=retries)

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
            return _fault.from_exception(error, self.texts if self.recording or always else None)
        except Exception as ours:  # noqa: BLE001 - the call's own error must still be told
            report("Invocation.fault_of", ours)
            return _fault.unread(error)

    def fault_of_status(self, status: int, body: object) -> Fault:
        """Return the fault of an error answer, cleaned of what the request says."""
        return _fault.from_status(status, body, self.texts if self.recording else None)

    def texts(self) -> Iterator[str]:
        """Yield every text of the request that telemetry may not repeat."""
        yield from texts_in(self._body)
        yield from self._secrets()

    def log_id(self) -> str:
        """Return the id of the request's row."""
        context = self.span.get_span_context()
        return str(log_id(self.started_ns, context.trace_id, context.span_id))

    def annotate(self, facts: Mapping[str, AttributeValue]) -> bool:
        """Put facts on the span, or on a small one of their own once this one has ended."""
        if not self.recording:
            return False
        if self._ended:
            self._annotate_ended(facts)
        else:
            self.span.set_attributes(facts)
        return True

    @fenced
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
        attributes: dict[str, AttributeValue] = {_names.PROVIDER_NAME: provider}
        if model is not None:
            attributes[_names.REQUEST_MODEL] = model
        if fault is not None:
            if fault.error_type is not None:
                attributes[_names.ERROR_TYPE] = fault.error_type
            if fault.http_status is not None:
                attributes[_names.HTTP_RESPONSE_STATUS_CODE] = fault.http_status
        self.telemetry.instruments.attempts.add(count, attributes, self.context)

    def _attributes_at_start(self, called_by: Mapping[str, str]) -> dict[str, AttributeValue]:
        operation = self.format.operation
        attributes: dict[str, AttributeValue] = {
            names.SPAN_TYPE: SpanType.REQUEST.value,
            _names.OPERATION_NAME: operation,
            **self.endpoint.attributes,
            **called_by,
            **self.format.request_attributes(self._body),
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
        facts: dict[str, AttributeValue] = {names.LOG_ID: self.log_id()}
        prompt = self._prompt_of(self._body)
        if prompt is not None:
            if self.telemetry.prompt_hash:
                facts[names.PROMPT_SHA256] = sha256(prompt)
            facts[names.PROMPT_LENGTH] = len(prompt)
        return facts

    def hash_of(self, body: Body) -> str | None:
        """Return the hash of another body's prompt; None without one, or if none may be told."""
        prompt = self._prompt_of(body) if self.telemetry.prompt_hash else None
        return None if prompt is None else sha256(prompt)

    def _prompt_of(self, body: Body) -> str | None:
        parts = list(self.format.prompt_parts(body))
        return canonical_text(parts) if parts else None

    @fenced
    def _fault_in_body(self, body: Mapping[str, Any]) -> Fault:
        return _fault.from_error_body(body, self.texts if self.recording else None)

    @fenced
    def _read(self, response: Any) -> Answer:
        answer = self.reading.read(response)
        if self.repair.cache_hit:
            answer.forget_tokens()
        return answer

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
        active = self.telemetry.instruments.active
        active.change(self.endpoint.family, self.format.operation, -1)
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
            self._body = {}
            self._secrets = tuple
        self._measure(fault, answer, duration_s, first_chunk_s)

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
            if answer.input_tokens is not None and self._is_truncated(answer.input_tokens):
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
            self.learn(self._body, answer.input_tokens)

    def _is_truncated(self, input_tokens: int) -> bool:
        length = self._at_end.get(names.PROMPT_LENGTH)
        if not isinstance(length, int):
            return False
        return is_truncated(length, input_tokens, self.format.prompt_parts(self._body))

    @fenced
    def _measure(
        self,
        fault: Fault | None,
        answer: Answer | None,
        duration_s: float,
        first_chunk_s: float | None,
    ) -> None:
        instruments, context = self.telemetry.instruments, self.context
        attributes = self._metric_attributes(fault, answer)
        instruments.duration.record(duration_s, attributes, context)
        if answer is not None:
            self._measure_tokens(answer, attributes)
        if first_chunk_s is not None:
            instruments.first_chunk.record(first_chunk_s, attributes, context)
        if self.chunk_gap_s is not None:
            instruments.per_chunk.record(self.chunk_gap_s, attributes, context)
        if not self.repair.attempts_counted:
            self._count_attempts(fault)
        if self.repair.first_code is not None:
            self._measure_outcome(self.repair.first_code)

    def _count_attempts(self, fault: Fault | None) -> None:
        """Count what the SDK sent; where the wire did not see it, all under the last outcome."""
        unseen = 1 + (self.repair.extra_attempts or 0)
        for sent in self.attempts.earlier():
            self.count_attempt(self.endpoint.family, self.model, sent)
            unseen -= 1
        self.count_attempt(self.endpoint.family, self.model, fault, count=unseen)

    def _measure_tokens(self, answer: Answer, attributes: dict[str, AttributeValue]) -> None:
        record = self.telemetry.instruments.token_usage.record
        if answer.input_tokens is not None:
            record(answer.input_tokens, {**attributes, _names.TOKEN_TYPE: "input"}, self.context)
        if answer.output_tokens is not None:
            record(answer.output_tokens, {**attributes, _names.TOKEN_TYPE: "output"}, self.context)

    def _measure_outcome(self, code: ErrorCode) -> None:
        attributes: dict[str, AttributeValue] = {
            names.RECOVERY_OUTCOME: self.repair.outcome.value,
            names.ERROR_CODE: code.value,
            _names.PROVIDER_NAME: self.endpoint.family,
        }
        if self.model is not None:
            attributes[_names.REQUEST_MODEL] = self.model
        instruments = self.telemetry.instruments
        instruments.requests.add(1, attributes, self.context)
        if code is ErrorCode.UNKNOWN:
            provider = {_names.PROVIDER_NAME: self.endpoint.family}
            instruments.unclassified.add(1, provider, self.context)

    def _metric_attributes(
        self, fault: Fault | None, answer: Answer | None
    ) -> dict[str, AttributeValue]:
        endpoint = self.endpoint
        attributes: dict[str, AttributeValue] = {
            _names.OPERATION_NAME: self.format.operation,
            _names.PROVIDER_NAME: endpoint.family,
            _names.SERVER_ADDRESS: endpoint.address,
            _names.SERVER_PORT: endpoint.port,
        }
        if self.model is not None:
            attributes[_names.REQUEST_MODEL] = self.model
        if answer is not None and answer.model is not None:
            attributes[_names.RESPONSE_MODEL] = answer.model
        if fault is not None:
            attributes[_names.ERROR_TYPE] = fault.error_type
        module = self.shared_attributes.get(names.MODULE)
        if module is not None:
            bounded = self.telemetry.instruments.modules.bounded
            attributes[names.MODULE] = bounded(str(module))
        return attributes


def sdk_retries(holder: Any) -> int | None:
    """Return how often the SDK repeated a request by itself, None where it does not tell.

    Args:
        holder: An exception or an HTTP response; both know the last request they belong to.
    """
    try:
        value = holder.request.headers.get("x-stainless-retry-count")
        return int(value) if value is not None else None
    except Exception:  # noqa: BLE001 - many exceptions have no request, and some raise when asked
        return None
