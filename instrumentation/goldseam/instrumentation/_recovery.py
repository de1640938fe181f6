"""Mends a failed call through `goldseam.recovery` and shows every step as a span.

`_sdk` makes a `Mender` for each failed call and asks it for another answer. The mender sends the
same request again, through the application's client or through a client of another provider, and
is the drivers' watch: it turns what they tell into spans, events and counters. The caller gets the
provider's own object, or its own exception, untouched.
"""

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from goldseam.errors import ErrorCode
from goldseam.instrumentation import _names
from goldseam.instrumentation._aids import Aids
from goldseam.instrumentation._clients import Clients
from goldseam.instrumentation._endpoint import Endpoint, endpoint_of
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._raw import is_raw
from goldseam.instrumentation._request import SentRequest
from goldseam.instrumentation._steps import AttemptSpan, StepSpan, attempt_attributes
from goldseam.instrumentation._verdict import Unusable, achecked, checked
from goldseam.recovery import (
    Body,
    GiveUp,
    NothingAskedError,
    NothingFoundError,
    RecoveryConfig,
    Request,
    Step,
    Target,
    Vitals,
    arecover,
    first_step,
    recover,
)
from goldseam.semconv import attributes as names
from goldseam.semconv.attributes import RecoveryOutcome

if TYPE_CHECKING:
    from goldseam.recovery.corrections import Correction

_NS_PER_S: Final = 1_000_000_000


class NotMended(Exception):  # noqa: N818 - no error: the caller's own error is raised instead
    """Recovery gave up; the application gets its original exception, or that of a detour.

    Attributes:
        outcome: The exception that the application gets after a detour; None where nobody was
            asked on it, or where the original exception stands.
    """

    def __init__(self, outcome: Exception | None = None) -> None:
        super().__init__()
        self.outcome = outcome


class Mender:
    """The recovery of one failed call; also the drivers' `Watch` of it."""

    def __init__(
        self,
        invocation: Invocation,
        request: SentRequest,
        error: Exception | None,
        *,
        config: RecoveryConfig,
        clients: Clients,
        aids: Aids,
        vitals: Vitals,
    ) -> None:
        """Prepare to mend.

        Args:
            invocation: The call.
            request: How to send it again.
            error: Why the original attempt failed; None asks others in its place, because the
                breaker of the asked provider is open.
            config: How far recovery goes.
            clients: Clients of the other providers.
            vitals: What is known of their health.
            aids: Kept answers and the playbook.
        """
        self.invocation = invocation
        self.attempts = 0 if error is None else 1
        self._vitals = vitals
        self._request = request
        self._error = error
        self._clients = clients
        self._aids = aids
        self._asked = Target(invocation.endpoint.provider, invocation.model)
        shared = invocation.shared_attributes
        self._facts = Request(
            body=request.body,
            operation=invocation.format.operation,
            is_stream=request.is_stream,
            tenant_id=_text(shared.get(names.TENANT_ID)),
            module=_text(shared.get(names.MODULE)),
            cache_key=aids.key_of(invocation, request),
            token_scale=vitals.token_scale(self._asked),
        )
        self._fault = None if error is None else invocation.fault_of(error)
        self._correction = self._correction_in_force()
        self._config = self._with_correction(config)
        self._failed_at_s = time.perf_counter()
        self._failed_at_ns = time.time_ns()
        self._attempt: AttemptSpan | None = None

    def mend(self) -> Any:
        """Return another answer.

        Raises:
            NotMended: No step brought one.
        """
        kept = _KeptException(self._error)
        try:
            response = recover(
                self._error,
                send=self._send,
                watch=self,
                vitals=self._vitals,
                clock=time.perf_counter,
                **self._circumstances(),
            )
        except Exception as outcome:  # noqa: BLE001 - an SDK may raise anything
            kept.restore()
            raise self._given_up(outcome) from None
        self._mended()
        return response

    async def amend(self) -> Any:
        """Return another answer: `mend` for tasks."""
        kept = _KeptException(self._error)
        try:
            response = await arecover(
                self._error,
                send=self._asend,
                watch=self,
                vitals=self._vitals,
                clock=time.perf_counter,
                **self._circumstances(),
            )
        except Exception as outcome:  # noqa: BLE001 - an SDK may raise anything
            kept.restore()
            raise self._given_up(outcome) from None
        self._mended()
        return response

    @fenced
    def observe(self) -> None:
        """Record what recovery would do, and do nothing."""
        if self._error is None:
            return
        step = first_step(
            self._error,
            at_s=self._failed_at_s,
            now=datetime.now(UTC),
            **self._circumstances(),
        )
        for skip in step.skipped:
            self.skipped(skip.strategy, skip.reason)
        if isinstance(step, GiveUp):
            self.skipped("all", f"observe only; would give up: {step.reason}")
        else:
            self.skipped(step.strategy, f"observe only; would {step.action}")

    def step(self, step: Step) -> StepSpan:
        """Cover one step with a span."""
        if self.invocation.repair.steps == 0:
            self._show_first_failure()
        self.invocation.repair.steps += 1
        if self._correction is not None and _is_corrected(step):
            self.invocation.repair.correction_id = self._correction.id
        return StepSpan(self, step)

    @fenced
    def step_ended(self, step: Step, *, success: bool) -> None:
        """Take note of how a correction did; tell where that has switched it off."""
        correction, playbook = self._correction, self._aids.playbook
        if correction is None or playbook is None or not _is_corrected(step):
            return
        if playbook.applied(correction, success=success):
            attributes = {names.CORRECTION_ID: correction.id}
            self.invocation.span.add_event(names.EVENT_CORRECTION_SWITCHED_OFF, attributes)
            instruments = self.invocation.telemetry.instruments
            instruments.corrections_off.add(1, attributes, self.invocation.context)

    def skipped(self, strategy: str, reason: str) -> None:
        """Show a strategy that is not tried."""
        self.invocation.span.add_event(
            names.EVENT_RECOVERY_SKIPPED,
            {names.RECOVERY_STRATEGY: strategy, names.SKIP_REASON: reason},
        )

    def attempt_span(self, target: Target, parent: Span) -> AttemptSpan:
        """Return the cover of one more attempt."""
        self._attempt = AttemptSpan(self, target, parent, number=self.attempts + 1)
        return self._attempt

    def endpoint(self, target: Target) -> Endpoint:
        """Return where a target's requests go."""
        if target.provider == self._asked.provider:
            return self.invocation.endpoint
        return endpoint_of(self._config.providers[target.provider])

    def is_degraded(self, step: Step) -> bool:
        """Tell whether a step would answer with less than the application asked for."""
        is_stale = bool(getattr(step.source, "is_stale", False))
        return step.degraded or is_stale or self._is_other_model(step.target)

    def _is_other_model(self, target: Target) -> bool:
        return target.model != self.invocation.model

    @property
    def first_code(self) -> ErrorCode:
        """Why the original attempt failed, or would most likely have failed."""
        if self._fault is not None:
            return self._fault.code
        return self._vitals.unasked(self._asked, self._failed_at_s).code

    def _circumstances(self) -> dict[str, Any]:
        return {
            "asked": self._asked,
            "started_s": self.invocation.started_s,
            "timeout_s": self._request.timeout_s,
            "patience_s": self._request.patience_s,
            "config": self._config,
            "request": self._facts,
        }

    @fenced
    def _correction_in_force(self) -> "Correction | None":
        if self._error is None:
            return None
        return self._aids.correction_for(
            self.invocation.fault_of(self._error, always=True), self._asked.provider
        )

    def _with_correction(self, config: RecoveryConfig) -> RecoveryConfig:
        """Return the configuration in which the correction of this failure comes first."""
        if self._correction is None:
            return config
        from goldseam.recovery.corrected import strategy_of  # noqa: PLC0415 - only if one applies

        first = strategy_of(self._correction, self._aids.cache)
        return dataclasses.replace(config, strategies=(first, *config.strategies))

    def _send(self, step: Step) -> Any:
        if step.source is not None:
            return self._answer_of(step.source.read(self._facts))
        try:
            response = checked(
                self._sender(step, self._clients.sync_client)(),
                self.invocation.format,
                is_stream=self._request.is_stream,
            )
        except Unusable as verdict:
            self.note_spent(verdict.response)
            raise verdict.cause from None
        self._note_answer(response)
        return response

    async def _asend(self, step: Step) -> Any:
        if step.source is not None:
            return await self._answer_of(await step.source.aread(self._facts))
        try:
            response = await achecked(
                await self._sender(step, self._clients.async_client)(),
                self.invocation.format,
                is_stream=self._request.is_stream,
            )
        except Unusable as verdict:
            self.note_spent(verdict.response)
            raise verdict.cause from None
        self._note_answer(response)
        return response

    def _answer_of(self, body: Body | None) -> Any:
        if body is None:
            raise NothingFoundError
        try:
            return self._request.answer_of(body)
        except Exception as fault:
            report("Mender", fault)
            raise

    def _sender(self, step: Step, client_of: Callable[[Any, Any], Any]) -> Callable[[], Any]:
        """Return what sends the request of a step; a fault of ours fails the step."""
        self.attempts += 1
        try:
            return self._prepared(step, client_of)
        except Exception as fault:
            report("Mender", fault)
            raise

    def _prepared(self, step: Step, client_of: Callable[[Any, Any], Any]) -> Callable[[], Any]:
        target, timeout_s, body = step.target, step.timeout_s, step.body
        model = target.model if self._is_other_model(target) else None
        if target.provider == self._asked.provider:
            return self._request.again(model=model, timeout_s=timeout_s, body=body)
        provider = self._config.providers[target.provider]
        client = client_of(provider, self._request.client)
        path = self.invocation.format.path
        return self._request.elsewhere(
            client, path=path, model=model, timeout_s=timeout_s, body=body
        )

    @fenced
    def note_spent(self, response: Any) -> None:
        """Take note of an answer that is none: its tokens are part of what the call cost."""
        if self._request.is_stream or isinstance(response, str | bytes):
            return
        answer = self.invocation.format.read(response)
        self.invocation.repair.spent[self.attempts] = answer
        if self._attempt is not None:
            self._attempt.describe(answer.attributes())

    @fenced
    def _note_answer(self, response: Any) -> None:
        if self._attempt is not None and not is_raw(response) and not self._request.is_stream:
            answer = self.invocation.format.read(response)
            self._attempt.describe(answer.attributes())

    @fenced
    def _show_first_failure(self) -> None:
        """Show the original attempt, which nobody took for one while it ran."""
        invocation, fault = self.invocation, self._fault
        invocation.repair.attempts_counted = True
        invocation.repair.first_code = self.first_code
        if fault is None:
            self.skipped("original", f"the breaker of {self._asked} is open")
            return
        invocation.count_attempt(invocation.endpoint.family, invocation.model, fault)
        if not invocation.recording:
            return
        span = invocation.telemetry.tracer.start_span(
            invocation.span_name,
            invocation.context,
            SpanKind.CLIENT,
            attempt_attributes(invocation, invocation.endpoint, invocation.model, number=1),
            start_time=invocation.started_ns,
        )
        span.set_attributes(fault.attributes())
        span.set_status(Status(StatusCode.ERROR, fault.message))
        span.end(self._failed_at_ns)
        event = {
            _names.ERROR_TYPE: fault.error_type,
            names.ERROR_CODE: fault.code.value,
            _names.EXCEPTION_MESSAGE: fault.message,
        }
        invocation.span.add_event(names.EVENT_ORIGINAL_ERROR, event, self._failed_at_ns)

    @fenced
    def _mended(self) -> None:
        repair = self.invocation.repair
        repair.outcome = RecoveryOutcome.RECOVERED
        repair.extra_attempts = max(0, self.attempts - 1)
        repair.duration_s = time.perf_counter() - self._failed_at_s

    def _given_up(self, outcome: Exception) -> NotMended:
        self.interrupted()
        if outcome is self._error or isinstance(outcome, NothingAskedError):
            return NotMended()
        if self._error is None:
            return NotMended(outcome)
        report("Mender", outcome)
        return NotMended()

    @fenced
    def interrupted(self) -> None:
        """Note what had been tried when recovery ended without an answer."""
        repair = self.invocation.repair
        repair.extra_attempts = max(0, self.attempts - 1)
        if repair.steps:
            repair.outcome = RecoveryOutcome.FAILED
            repair.duration_s = time.perf_counter() - self._failed_at_s


class _KeptException:
    """What an exception says about its origin, so that raising it again adds nothing."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error
        if error is None:
            return
        self._traceback = error.__traceback__
        self._cause, self._context = error.__cause__, error.__context__
        self._suppress = error.__suppress_context__

    def restore(self) -> None:
        """Take back what was added since."""
        error = self._error
        if error is None:
            return
        error.__traceback__ = self._traceback
        error.__cause__, error.__context__ = self._cause, self._context
        error.__suppress_context__ = self._suppress


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_corrected(step: Step) -> bool:
    return names.CORRECTION_ID in step.facts
