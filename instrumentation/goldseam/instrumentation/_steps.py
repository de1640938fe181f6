"""The spans of recovery: one per step, and below it one per request that the step sends.

`_recovery` makes them; the drivers enter and leave them as context managers. A step's span covers
its wait; an attempt's span is current while its request is on its way.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._endpoint import Endpoint
from goldseam.instrumentation._invocation import Invocation
from goldseam.recovery import Failure, Step, Target
from goldseam.semconv import attributes as names
from goldseam.semconv.attributes import SpanType

if TYPE_CHECKING:
    from goldseam.instrumentation._recovery import Mender


class StepSpan:
    """The span of one step, wait included; also the drivers' `StepWatch`."""

    def __init__(self, mender: "Mender", step: Step) -> None:
        self._mender = mender
        self._step = step
        self._failure: Failure | None = None
        self._succeeded = False

    def __enter__(self) -> Self:
        step, invocation = self._step, self._mender.invocation
        self._started_s = time.perf_counter()
        started_ns = time.time_ns()
        self._span = invocation.telemetry.tracer.start_span(
            f"recovery {step.strategy}",
            invocation.context,
            SpanKind.INTERNAL,
            self._attributes() if invocation.recording else None,
            start_time=started_ns,
        )
        return self

    def attempt(self, target: Target) -> "AttemptSpan":
        """Cover one request."""
        if self._step.delay_s > 0:
            self._mender.invocation.repair.wait_s += time.perf_counter() - self._started_s
        return self._mender.attempt_span(target, self._span)

    def succeeded(self) -> None:
        """Note that this step brought the answer."""
        self._succeeded = True
        step, repair = self._step, self._mender.invocation.repair
        repair.strategy = step.strategy
        repair.provider = step.target.provider
        repair.model = step.target.model
        repair.degraded = self._mender.is_degraded(step)

    def failed(self, failure: Failure) -> None:
        """Note why this step brought none; a cache without an answer is no failure."""
        if self._step.asks_provider:
            self._failure = failure

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._span.set_attribute(names.RECOVERY_SUCCESS, self._succeeded)
            if self._step.strategy == "cache":
                self._tell_cache()
            if self._failure is not None:
                self._span.set_attribute(names.ERROR_CODE, self._failure.code.value)
            if not self._succeeded:
                self._span.set_status(Status(StatusCode.ERROR))
        finally:
            self._span.end()
        self._measure()
        self._mender.step_ended(self._step, success=self._succeeded)

    def _tell_cache(self) -> None:
        """Tell what was only known once the cache had been read."""
        is_degraded = self._mender.is_degraded(self._step)
        self._mender.invocation.repair.cache_hit = self._succeeded
        self._span.set_attribute(names.CACHE_HIT, self._succeeded)
        self._span.set_attribute(names.RECOVERY_DEGRADED, is_degraded)

    def _attributes(self) -> dict[str, AttributeValue]:
        step, mender = self._step, self._mender
        attributes: dict[str, AttributeValue] = {
            names.SPAN_TYPE: SpanType.RECOVERY_STEP.value,
            names.LOG_ID: mender.invocation.log_id(),
            **mender.invocation.shared_attributes,
            names.RECOVERY_STRATEGY: step.strategy,
            names.RECOVERY_STEP: step.number,
            names.RECOVERY_ATTEMPT: step.attempt,
            names.RECOVERY_ACTION: step.action,
            names.RECOVERY_DELAY: float(step.delay_s),
            names.RECOVERY_PROVIDER_NAME: step.target.provider,
            names.RECOVERY_DEGRADED: mender.is_degraded(step),
            **step.facts,
        }
        if step.target.model is not None:
            attributes[names.RECOVERY_MODEL] = step.target.model
        if step.body is not None and step.degraded:
            digest = mender.invocation.hash_of(step.body)
            if digest is not None:
                attributes[names.RECOVERY_PROMPT_SHA256] = digest
        return attributes

    def _measure(self) -> None:
        """Count the step under the error that it was to mend, not under its own."""
        mender = self._mender
        instruments, context = mender.invocation.telemetry.instruments, mender.invocation.context
        outcome: dict[str, AttributeValue] = {
            names.RECOVERY_STRATEGY: self._step.strategy,
            names.RECOVERY_SUCCESS: self._succeeded,
        }
        instruments.step_duration.record(time.perf_counter() - self._started_s, outcome, context)
        instruments.steps.add(
            1,
            {
                **outcome,
                names.ERROR_CODE: mender.first_code.value,
                _names.PROVIDER_NAME: mender.endpoint(self._step.target).family,
            },
            context,
        )


class AttemptSpan:
    """The span of one request that recovery sends; current while the request is on its way."""

    def __init__(self, mender: "Mender", target: Target, parent: Span, *, number: int) -> None:
        self._mender = mender
        self._target = target
        self._parent = parent
        self._number = number
        self._answer: Mapping[str, AttributeValue] = {}

    def describe(self, answer: Mapping[str, AttributeValue]) -> None:
        """Keep the attributes of the answer for the end of the span."""
        self._answer = answer

    def __enter__(self) -> None:
        invocation, target = self._mender.invocation, self._target
        self._endpoint = self._mender.endpoint(target)
        context = set_span_in_context(self._parent, invocation.context)
        operation = invocation.format.operation
        self._span = invocation.telemetry.tracer.start_span(
            f"{operation} {target.model}" if target.model else operation,
            context,
            SpanKind.CLIENT,
            attempt_attributes(invocation, self._endpoint, target.model, number=self._number),
        )
        self._token = attach(set_span_in_context(self._span, context))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not GeneratorExit:  # a coroutine that is thrown away ends in any context
            detach(self._token)
        invocation = self._mender.invocation
        fault = invocation.fault_of(exc) if exc is not None else None
        try:
            self._span.set_attributes({**self._answer, **(fault.attributes() if fault else {})})
            if fault is not None:
                self._span.set_status(Status(StatusCode.ERROR, fault.message))
        finally:
            self._span.end()
        invocation.count_attempt(self._endpoint.family, self._target.model, fault)


def attempt_attributes(
    invocation: Invocation, endpoint: Endpoint, model: str | None, *, number: int
) -> dict[str, AttributeValue]:
    """Return what an attempt's span says from its start."""
    attributes: dict[str, AttributeValue] = {
        names.SPAN_TYPE: SpanType.ATTEMPT.value,
        names.ATTEMPT_NUMBER: number,
        _names.OPERATION_NAME: invocation.format.operation,
        **endpoint.attributes,
        **invocation.shared_attributes,
    }
    if model is not None:
        attributes[_names.REQUEST_MODEL] = model
    return attributes
