"""`AILogger`: calls that no instrumentation sees, told by hand and stored like all others.

The facade of the original design, for applications with a client of their own. What is told becomes
spans and goes through the collector's mapping and the writer of `exporter`, so rows, patterns and
roll-ups are those of an instrumented call: texts are masked, of prompts only length and hash stay,
and a database that is away costs rows and one warning, never an answer.
"""

import hashlib
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any, Final
from uuid import UUID

from opentelemetry import trace

from goldseam.collector.exporter import recorder_of
from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import KIND_CLIENT, STATUS_ERROR, Event, Span, Value, clean
from goldseam.errors import ErrorCode
from goldseam.semconv import attributes as names
from goldseam.semconv import log_id
from goldseam.semconv.attributes import RecoveryOutcome, SpanType
from goldseam.storage.records import PatternRecord

_SCOPE: Final = "goldseam.logger"
_TRACE_BITS: Final = 128
_SPAN_BITS: Final = 64
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_random: Final = SystemRandom()
"""Not the module's own generator: the application may have seeded that."""


@dataclass(slots=True, kw_only=True)
class LoggedCall:
    """One call between `log_request` and its end; kept by whoever makes the call.

    Attributes:
        id: Row of `ai_request_logs`.
        request_id: The caller's own correlation id, else the row's id as text.
    """

    id: UUID
    request_id: str
    trace_id: str
    span_id: str
    parent_span_id: str
    start_ns: int
    known: dict[str, Value]
    first_error: Event | None = None
    first_failed_ns: int = 0
    last_error: dict[str, Value] = field(default_factory=dict)
    steps: int = 0
    mended_by: str | None = None


class AILogger:
    """Stores calls, errors and recovery attempts that the application tells of.

    No method waits for the database or raises because of it; `flush` waits. Safe in any number of
    threads, each call being told by one at a time.

    Args:
        db: A SQLAlchemy session, connection or engine, synchronous or not, or a PostgreSQL URL.
            Rows are written over a connection of their own: neither a commit nor a rollback of the
            session touches them.

    Raises:
        TypeError: `db` is nothing of the kind.
        StorageError: `db` leads to no PostgreSQL.
    """

    def __init__(self, db: object) -> None:
        self._recorder = recorder_of(db)

    def log_request(
        self,
        *,
        provider: str,
        model: str | None = None,
        task: str | None = None,
        prompt: str | None = None,
        module: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        request_id: str | None = None,
        operation: str = "chat",
    ) -> LoggedCall:
        """Store that a call begins, as `pending`; of the prompt only its length and hash.

        Returns:
            What the other methods need to know of the call.
        """
        told: dict[str, Value | None] = {
            "gen_ai.operation.name": operation,
            names.PROVIDER_NAME: provider,
            "gen_ai.request.model": model,
            names.TASK: task,
            names.MODULE: module,
            names.TENANT_ID: tenant_id,
            names.USER_ID: user_id,
            names.REQUEST_ID: request_id,
            **_measured(prompt),
        }
        call = _new_call(_known(told), request_id)
        pending = {names.SPAN_TYPE: SpanType.PENDING.value}
        if call.parent_span_id:
            pending[names.PENDING_PARENT_ID] = call.parent_span_id
        announced = Span(
            trace_id=call.trace_id,
            span_id=_new_id(_SPAN_BITS),
            parent_span_id=call.span_id,
            start_ns=call.start_ns,
            end_ns=call.start_ns,
            attributes={**call.known, **pending},
            scope_name=_SCOPE,
        )
        self._recorder.record([announced])
        return call

    def log_response(
        self,
        call: LoggedCall,
        *,
        content: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        confidence_score: float | None = None,
        user_feedback: str | None = None,
    ) -> None:
        """Store that the call was answered, after a recovery as well; of `content` only its length.

        Args:
            call: From `log_request`.
            content: The answer.
            provider: Who answered, if it was not the one that was asked.
            model: The model that answered.
            input_tokens: Tokens read.
            output_tokens: Tokens written.
            cost_usd: US dollars; without it the price is looked up where it is known.
            confidence_score: 0 to 1.
            user_feedback: Feedback on the answer.
        """
        told: dict[str, Value | None] = {
            "gen_ai.response.model": model,
            "gen_ai.usage.input_tokens": input_tokens,
            "gen_ai.usage.output_tokens": output_tokens,
            "gen_ai.usage.cost": cost_usd,
            names.RESPONSE_LENGTH: None if content is None else len(content),
            names.RECOVERY_PROVIDER_NAME: provider,
            names.CONFIDENCE_SCORE: confidence_score,
            names.USER_FEEDBACK: user_feedback,
        }
        self._recorder.record([_request_span(call, _known(told), is_failed=False)])

    def log_error(
        self, call: LoggedCall, error: BaseException | str, *, error_code: ErrorCode | None = None
    ) -> None:
        """Store that the call failed; the row, its pattern and the pattern's counters change.

        A response or a successful recovery attempt that follows turns it into a mended call.

        Args:
            call: From `log_request`.
            error: What happened; its text is masked before it is stored.
            error_code: What is known better than `error` tells.
        """
        call.last_error = _error_attributes(error, error_code)
        if call.first_error is None:
            call.first_failed_ns = time.time_ns()
            call.first_error = Event(
                name=names.EVENT_ORIGINAL_ERROR,
                time_ns=call.first_failed_ns,
                attributes=call.last_error,
            )
        self._recorder.record([_request_span(call, {}, is_failed=True)])

    def log_recovery_attempt(
        self,
        call: LoggedCall,
        *,
        strategy_name: str,
        action_taken: str,
        was_successful: bool,
        recovery_time_ms: float = 0.0,
        provider: str | None = None,
        model: str | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """Store one recovery attempt that has just ended; a successful one mends its call.

        Args:
            call: From `log_request`, after `log_error`.
            strategy_name: `retry`, `simplify`, `fallback` or `cache`.
            action_taken: What was done, without content.
            was_successful: Whether the call has its answer now.
            recovery_time_ms: Milliseconds that it took, waiting included.
            provider: Provider that was asked.
            model: Model that was asked for.
            error: What the attempt failed with.
        """
        call.steps += 1
        call.mended_by = strategy_name if was_successful else call.mended_by
        told: dict[str, Value | None] = {
            names.SPAN_TYPE: SpanType.RECOVERY_STEP.value,
            names.LOG_ID: str(call.id),
            names.TENANT_ID: call.known.get(names.TENANT_ID),
            names.MODULE: call.known.get(names.MODULE),
            names.RECOVERY_STRATEGY: strategy_name,
            names.RECOVERY_STEP: call.steps,
            names.RECOVERY_ACTION: action_taken,
            names.RECOVERY_SUCCESS: was_successful,
            names.RECOVERY_PROVIDER_NAME: provider,
            names.RECOVERY_MODEL: model,
        }
        failure = {} if error is None else _error_attributes(error, None)
        now_ns = time.time_ns()
        step = Span(
            trace_id=call.trace_id,
            span_id=_new_id(_SPAN_BITS),
            parent_span_id=call.span_id,
            start_ns=now_ns - int(recovery_time_ms * _NS_PER_MS),
            end_ns=now_ns,
            attributes={**_known(told), **failure},
            status_code=0 if was_successful else STATUS_ERROR,
            scope_name=_SCOPE,
        )
        answered = _known({names.RECOVERY_PROVIDER_NAME: provider}) if was_successful else {}
        request = _request_span(call, answered, is_failed=not was_successful)
        self._recorder.record([request, step])

    def analyze_error_pattern(
        self,
        error: BaseException | str,
        *,
        provider: str,
        error_code: ErrorCode | None = None,
        tenant_id: str | None = None,
    ) -> PatternRecord:
        """Return the pattern that an error belongs to, its probable cause and what to do; no I/O.

        `log_error` counts under the same pattern.
        """
        told: dict[str, Value | None] = {
            "gen_ai.operation.name": "chat",
            names.PROVIDER_NAME: provider,
            names.TENANT_ID: tenant_id,
        }
        call = _new_call(_known(told), None)
        call.last_error = _error_attributes(error, error_code)
        [pattern] = map_spans([_request_span(call, {}, is_failed=True)]).batch.patterns.values()
        return pattern

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until what was told so far is stored or has failed; return whether in time."""
        return self._recorder.flush(timeout_s)


def _new_call(known: dict[str, Value], request_id: str | None) -> LoggedCall:
    """Begin a call inside the current span of OpenTelemetry, if there is one."""
    around = trace.get_current_span().get_span_context()
    trace_id = f"{around.trace_id:032x}" if around.is_valid else _new_id(_TRACE_BITS)
    span_id, start_ns = _new_id(_SPAN_BITS), time.time_ns()
    row_id = log_id(start_ns, int(trace_id, 16), int(span_id, 16))
    return LoggedCall(
        id=row_id,
        request_id=request_id or str(row_id),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=f"{around.span_id:016x}" if around.is_valid else "",
        start_ns=start_ns,
        known=known,
    )


def _request_span(call: LoggedCall, told: Mapping[str, Value], *, is_failed: bool) -> Span:
    now_ns = time.time_ns()
    failure = call.last_error if is_failed else {}
    events = () if call.first_error is None else (call.first_error,)
    return Span(
        trace_id=call.trace_id,
        span_id=call.span_id,
        parent_span_id=call.parent_span_id,
        kind=KIND_CLIENT,
        start_ns=call.start_ns,
        end_ns=max(now_ns, call.start_ns + 1),
        attributes={
            names.SPAN_TYPE: SpanType.REQUEST.value,
            names.RETRY_COUNT: call.steps,
            **call.known,
            **_recovery(call, now_ns, is_failed=is_failed),
            **told,
            **failure,
        },
        events=events,
        status_code=STATUS_ERROR if is_failed else 0,
        status_message=str(failure.get("exception.message", "")),
        scope_name=_SCOPE,
    )


def _recovery(call: LoggedCall, now_ns: int, *, is_failed: bool) -> dict[str, Value]:
    """Return what is known of the recovery of a call that has failed at least once."""
    if call.first_error is None:
        return {names.RECOVERY_OUTCOME: RecoveryOutcome.NOT_NEEDED.value}
    outcome = RecoveryOutcome.FAILED if call.steps else RecoveryOutcome.SKIPPED
    if not is_failed:
        outcome = RecoveryOutcome.RECOVERED
    return _known(
        {
            names.RECOVERY_OUTCOME: outcome.value,
            names.RECOVERY_STRATEGY: None if is_failed else call.mended_by,
            names.RECOVERY_STEPS: call.steps,
            names.RECOVERY_DURATION: (now_ns - call.first_failed_ns) / _NS_PER_S,
        }
    )


def _error_attributes(error: BaseException | str, error_code: ErrorCode | None) -> dict[str, Value]:
    kind = None if isinstance(error, str) else type(error).__qualname__
    told: dict[str, Value | None] = {
        "error.type": kind or (error_code and error_code.value) or "error",
        "exception.message": str(error),
        names.ERROR_CODE: error_code and error_code.value,
    }
    return _known(told)


def _measured(prompt: str | None) -> dict[str, Value]:
    if prompt is None:
        return {}
    text = clean(prompt)
    digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()
    return {names.PROMPT_LENGTH: len(text), names.PROMPT_SHA256: digest}


def _known(told: Mapping[str, Any]) -> dict[str, Value]:
    """Return what is known, as PostgreSQL can store it."""
    return {
        name: clean(value) if isinstance(value, str) else value
        for name, value in told.items()
        if value is not None
    }


def _new_id(bits: int) -> str:
    """Return a random id in hex that is not 0."""
    return f"{_random.randrange(1, 1 << bits):0{bits // 4}x}"
