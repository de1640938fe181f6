"""Who makes a call: tenant, module, user, task and the caller's own request id.

`context` and `annotate` are part of the door; `call_attributes` is what `_invocation` asks at the
start of a call.
Values set by `context` win over OpenTelemetry baggage, inner contexts over outer ones. Contexts
follow the task or thread that opened them, as `contextvars` do.

`BaggageSpanProcessor` copies the same baggage onto every span of the application. `instrument()`
adds it to the tracer provider that it finds; a program that sets up its provider later adds it by
hand: `provider.add_span_processor(BaggageSpanProcessor())`.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation._guard import fenced
from goldseam.semconv import attributes as names

_P = ParamSpec("_P")
_R = TypeVar("_R")

MAX_VALUE_CHARS: Final = 128
"""What the columns of the request table hold."""

MAX_FEEDBACK_CHARS: Final = 2_000
"""What the column `user_feedback` holds."""

BAGGAGE_KEYS: Final = (names.TENANT_ID, names.MODULE, names.USER_ID, names.TASK)
"""Baggage comes from other services, so only these keys are read."""

SHARED_KEYS: Final = (names.TENANT_ID, names.MODULE)
"""Carried by attempts and recovery steps too; the others describe the request only."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Annotated(Protocol):
    """A call that `annotate` can say something about."""

    def annotate(self, facts: Mapping[str, AttributeValue]) -> bool | None:
        """Put facts on the call, ended or not; tell whether anybody will see them."""


@dataclass(slots=True)
class _Frame:
    attributes: Mapping[str, str]
    outer: "_Frame | None"
    call: Annotated | None = None


_current: ContextVar[_Frame | None] = ContextVar("goldseam_call_context", default=None)


class CallContext:
    """Facts about the calls made inside it; made by `context`.

    Works as `with`, as `async with`, and as a decorator of functions and coroutine functions.
    One object may be entered many times, also from several tasks at once.
    """

    __slots__ = ("_attributes",)

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._attributes = attributes

    def __enter__(self) -> None:
        outer = _current.get()
        inherited = outer.attributes if outer else _NOTHING
        _current.set(_Frame({**inherited, **self._attributes}, outer))

    def __exit__(self, *_exception: object) -> None:
        frame = _current.get()
        _current.set(frame.outer if frame else None)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *_exception: object) -> None:
        self.__exit__()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return `function` with every call of it made inside this context."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def within_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return cast("Callable[_P, _R]", within_async)

        @functools.wraps(function)
        def within(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self:
                return function(*args, **kwargs)

        return within


def context(
    *,
    tenant_id: object = None,
    module: object = None,
    user_id: object = None,
    task: object = None,
    request_id: object = None,
) -> CallContext:
    """Say who makes the AI calls inside a block, a function or a coroutine function.

    Args:
        tenant_id: Whose data and costs the calls are.
        module: Part of the application, for example `invoices`.
        user_id: Who asked, as the application names its users.
        task: What the call is for, for example `classify`.
        request_id: The application's own correlation id.

    Values become text and are cut at 128 characters; None leaves the outer context's value.
    """
    given = {
        names.TENANT_ID: tenant_id,
        names.MODULE: module,
        names.USER_ID: user_id,
        names.TASK: task,
        names.REQUEST_ID: request_id,
    }
    return CallContext(
        {key: bounded_text(value) for key, value in given.items() if value is not None}
    )


def annotate(*, confidence: float | None = None, user_feedback: str | None = None) -> bool:
    """Say what an answer was worth, about the last call made inside the current `context`.

    Works while a stream is read and after the call has ended, until the `context` is left. Once the
    call has ended, what was said first stays.

    Args:
        confidence: How sure the answer is, 0 to 1.
        user_feedback: What its reader said of it; cut at 2000 characters.

    Returns:
        Whether there was a call that is recorded.

    Raises:
        ValueError: `confidence` is not between 0 and 1, or nothing is said.
    """
    if confidence is None and user_feedback is None:
        raise ValueError("annotate() needs confidence= or user_feedback=")
    facts: dict[str, AttributeValue] = {}
    if confidence is not None:
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence={confidence!r} is not between 0 and 1")
        facts[names.CONFIDENCE_SCORE] = float(confidence)
    if user_feedback is not None:
        facts[names.USER_FEEDBACK] = bounded_text(user_feedback, MAX_FEEDBACK_CHARS)
    frame = _current.get()
    call = frame.call if frame is not None else None
    return call is not None and bool(call.annotate(facts))


def note_call(call: Annotated) -> None:
    """Remember a call for `annotate`, in every context around it."""
    frame = _current.get()
    while frame is not None:
        frame.call = call
        frame = frame.outer


def call_attributes(carried: Mapping[str, object]) -> Mapping[str, str]:
    """Return the span attributes that describe who makes a call now.

    Args:
        carried: The baggage around the call.
    """
    frame = _current.get()
    if not carried:
        return frame.attributes if frame else _NOTHING
    attributes = {key: bounded_text(carried[key]) for key in BAGGAGE_KEYS if carried.get(key)}
    if frame:
        attributes.update(frame.attributes)
    return attributes


def without_own_baggage(otel_context: Context) -> Context:
    """Return the context for the provider call: `goldseam.*` baggage is not the provider's."""
    for key in baggage.get_all(otel_context):
        if key.startswith("goldseam."):
            otel_context = baggage.remove_baggage(key, otel_context)
    return otel_context


def without_own_entries(header: str) -> str:
    """Return the value of a `baggage` header without its `goldseam.*` entries."""
    entries = (entry.strip() for entry in header.split(","))
    return ",".join(each for each in entries if each and not each.startswith("goldseam."))


def bounded_text(value: object, max_chars: int = MAX_VALUE_CHARS) -> str:
    """Return a value as a text that columns hold and exporters can encode."""
    text = str(value)[:max_chars]
    return text if text.isascii() else text.encode(errors="replace").decode()


class BaggageSpanProcessor(SpanProcessor):
    """Gives spans the listed baggage of the context that they start in."""

    def __init__(self, keys: Iterable[str] = BAGGAGE_KEYS) -> None:
        """Copy `keys`; values are cut at 128 characters."""
        self.is_active = True
        self._keys = tuple(keys)

    @fenced
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Copy what is there; what the span knows already stays as it is."""
        carried = baggage.get_all(parent_context)
        if not carried or not self.is_active:
            return
        known = span.attributes or {}
        for key in self._keys:
            value = carried.get(key)
            if value and key not in known:
                span.set_attribute(key, bounded_text(value))


_added: Final[WeakKeyDictionary[Any, BaggageSpanProcessor]] = WeakKeyDictionary()
"""A provider keeps its processors, so each gets one, which is switched on and off."""


def baggage_onto_spans(provider: Any) -> BaggageSpanProcessor | None:
    """Return the active processor of a provider, None for one that takes no processors."""
    processor = _added.get(provider)
    if processor is None:
        if not hasattr(provider, "add_span_processor"):
            return None
        processor = _added[provider] = BaggageSpanProcessor()
        provider.add_span_processor(processor)
    processor.is_active = True
    return processor
