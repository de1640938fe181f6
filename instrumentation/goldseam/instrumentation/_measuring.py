"""What a call's end is in metrics: its duration, tokens, stream times, attempts and outcome.

Called by `_invocation` once per call. The SDK hashes every attribute of every record, so records
carry few, and what is only counted goes to `_counts`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context, set_value
from opentelemetry.util.types import AttributeValue

from goldseam.errors import ErrorCode
from goldseam.instrumentation import _names
from goldseam.instrumentation._fault import Fault
from goldseam.instrumentation._formats import Answer
from goldseam.instrumentation._guard import fenced
from goldseam.semconv import attributes as names

if TYPE_CHECKING:
    from goldseam.instrumentation._invocation import Invocation

_NO_SPAN: Final[Context] = set_value("goldseam-no-span", True, Context())  # noqa: FBT003 - the API's
"""A record in here has no exemplar: a call's duration leads to its trace, and once is enough.

Not empty, because an empty context stands for the current one.
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended.

    Attributes:
        fault: Why it failed; None for a success.
        answer: What the provider answered; None without an answer.
        duration_s: Seconds from start to end.
        first_chunk_s: Seconds from the start to a stream's first chunk.
    """

    fault: Fault | None
    answer: Answer | None
    duration_s: float
    first_chunk_s: float | None


@fenced
def measure(call: "Invocation", ended: Ended) -> None:
    """Record the metrics of a call that has ended."""
    instruments, context = call.telemetry.instruments, call.context
    shared = _shared_attributes(call, ended)
    attributes = {**shared, **call.endpoint.server}
    instruments.duration.record(ended.duration_s, attributes, context)
    if ended.answer is not None:
        _measure_tokens(call, ended.answer, shared)
    if ended.first_chunk_s is not None:
        instruments.first_chunk.record(ended.first_chunk_s, attributes, context)
    if call.chunk_gap_s is not None:
        instruments.per_chunk.record(call.chunk_gap_s, attributes, context)
    if not call.repair.attempts_counted:
        _count_attempts(call, ended.fault)
    if call.repair.first_code is not None:
        _count_outcome(call, call.repair.first_code)


def _shared_attributes(call: "Invocation", ended: Ended) -> dict[str, AttributeValue]:
    """Return what all metrics of a call carry."""
    attributes: dict[str, AttributeValue] = {
        _names.OPERATION_NAME: call.format.operation,
        _names.PROVIDER_NAME: call.endpoint.family,
    }
    if call.model is not None:
        attributes[_names.REQUEST_MODEL] = call.model
    if ended.answer is not None and ended.answer.model is not None:
        attributes[_names.RESPONSE_MODEL] = ended.answer.model
    if ended.fault is not None:
        attributes[_names.ERROR_TYPE] = ended.fault.error_type
    module = call.shared_attributes.get(names.MODULE)
    if module is not None:
        attributes[names.MODULE] = call.telemetry.instruments.modules.bounded(str(module))
    return attributes


def _measure_tokens(call: "Invocation", answer: Answer, shared: dict[str, AttributeValue]) -> None:
    record = call.telemetry.instruments.token_usage.record
    if answer.input_tokens is not None:
        record(answer.input_tokens, {**shared, _names.TOKEN_TYPE: "input"}, _NO_SPAN)
    if answer.output_tokens is not None:
        record(answer.output_tokens, {**shared, _names.TOKEN_TYPE: "output"}, _NO_SPAN)


def _count_attempts(call: "Invocation", fault: Fault | None) -> None:
    """Count what the SDK sent; where the wire did not see it, all under the last outcome."""
    unseen = 1 + (call.repair.extra_attempts or 0)
    for sent in call.attempts.earlier():
        call.count_attempt(call.endpoint.family, call.model, sent)
        unseen -= 1
    call.count_attempt(call.endpoint.family, call.model, fault, count=unseen)


def _count_outcome(call: "Invocation", code: ErrorCode) -> None:
    instruments, provider = call.telemetry.instruments, call.endpoint.family
    instruments.requests.add(1, (call.repair.outcome.value, code.value, provider, call.model))
    if code is ErrorCode.UNKNOWN:
        instruments.unclassified.add(1, (provider,))
