"""Each function of the instrumentation is made to fail in turn; the caller must not notice.

The functions are found in the modules, not listed, so that a new one is tried without a change
here. `scenarios` run through all of them; which scenarios reach a function is found by running each
once. What a function stands outside of the fence for is said in `OUTSIDE`.
"""

import asyncio
import dataclasses
import gc
import importlib
import inspect
import pkgutil
import sys
import time
from collections.abc import Awaitable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from logging import WARNING
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import pytest
from tests.instrumentation.conftest import Recorder, mending
from tests.instrumentation.rarer_scenarios import RARER
from tests.instrumentation.scenarios import SCENARIOS as USUAL
from tests.instrumentation.scenarios import Asking, Scenario
from tests.instrumentation.styles import PACKAGES, is_missing

import goldseam.instrumentation
from goldseam.instrumentation import GoldseamInstrumentor, _guard
from goldseam.instrumentation._streams import end_collected
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery import hooks
from goldseam.recovery.testing import Reply, ScriptedProvider, chat

SCENARIOS: Final = {**USUAL, **RARER}

OUTSIDE: Final = {
    "_guard": "the fence itself",
    **dict.fromkeys(
        ("_instrumentor", "_switch", "_patch", "_settings", "_instruments", "_sdks.Sdk.base_module",
         "_sdk.ChokePoint.__init__", "_sdk.ChokePoint.close", "_wire.Wire.__init__",
         "_endpoint.Endpoints.__init__", "_clients.Clients.__init__", "_clients.Clients.close",
         "_clients.Clients.aclose", "_pending", "_pending_send",
         "_aids.Aids.__init__", "_aids.Aids.close", "_aids.open_aids", "_aids._opened",
         "_sdk._mending", "_mending.Mending.__init__", "_mending.Mending.close",
         "_mending._with_cache",
         "_recovery_settings", "_sdk.ChokePoint.aclose", "_routes.Routes.__init__",
         "_content._settings", "_content._redact.loaded", "_content._redact.Redaction.__init__",
         "_content._capture.Content.__init__", "_counts.create", "_counts.Counts.__init__",
         "_counts.Counts.observe", "_counts.Counts._named"),
        "runs when the application switches Goldseam on or off, or beside its calls",
    ),
    **dict.fromkeys(("_context.context", "_context.CallContext", "_context._text",
                     "_context.bounded_text", "_context.BaggageSpanProcessor",
                     "_context.baggage_onto_spans", "_context.annotate"),
                    "called by the application itself, which sees its own mistakes"),
    **dict.fromkeys(("service", "_service_call", "_service_answers", "_service_tracing"),
                    "asked by the application itself; `test_service_alone` tells what it answers"),
    **dict.fromkeys(
        ("_sdk.ChokePoint.request", "_sdk.ChokePoint.async_request", "_call.Call.send",
         "_call.Call.asend", "_mended_call.MendedCall.send", "_mended_call.MendedCall.asend",
         "_current.Current", "_wire.Wire.send", "_wire.Wire.async_send", "_wire._WireCall.send",
         "_wire._WireCall.asend", "_attempts.Attempts.send", "_attempts.Attempts.asend",
         "_streams._Followed", "_streams._AsyncFollowed", "_wire_answer._Followed",
         "_wire_answer._AsyncFollowed", "_recovery.Mender._send", "_recovery.Mender._asend",
         "_recovery._KeptException", "_mended_call._Outcome",
         "_mended_call.MendedCall._unusable",
         "_verdict._replay", "_verdict._areplay"),
        "stands around what the application waits for: the call, the next chunk, the close",
    ),
    **dict.fromkeys(
        ("_verdict.checked", "_verdict.achecked", "_verdict._has_begun",
         "_mended_call.MendedCall._answered_at_once", "_mended_call.MendedCall._checked",
         "_mended_call.MendedCall._achecked", "_mended_call.MendedCall._afirst_answer",
         "_call.Call.answered", "_wire._WireCall._answered",
         "_recovery.Mender._sender", "_recovery.Mender._answer_of", "_streams.StreamEnd.chunk",
         "_wire_answer.AnswerEnd.part"),
        "holds a fence of its own, and nothing that can fail beside it",
    ),
    "_formats._other.OtherFormat.__init__": "made once per path and kept",
    "_formats._base.SeenOnly.may_repeat": "asked of SDK calls only; no SDK sends these",
    **dict.fromkeys(("_sdk.ChokePoint.budgets", "_mending.Mending.budgets"),
                    "asked when metrics are read, beside the application's calls"),
    **dict.fromkeys(("service", "_service_call", "_service_answers", "_service_tracing",
                     "_context.annotate"),
                    "called by the application itself, and not around a call of another's"),
}  # fmt: skip
"""Modules, classes and functions that are not made to fail, and why."""

AFTER: Final = {
    "_call.Call._unread": "_call.Call._follow",
    "_wire._WireCall._unread": "_wire._WireCall._follow",
    "_fault.unread": "_fault.from_exception",
}
"""Functions that only run when another has failed; both are made to fail."""

PATHS: Final = (
    "_sdk",
    "_call",
    "_mended_call",
    "_wire",
    "_recovery",
    "_steps",
    "_streams",
    "_raw",
    "_attempts",
    "_invocation",
)
"""Where sync and async calls go different ways, so that both are tried."""

_PACKAGE: Final = goldseam.instrumentation.__name__

Place = tuple[str, FunctionType]


def _functions() -> Iterator[Place]:
    """Yield every function of the package with its place, methods and properties included."""
    package = goldseam.instrumentation
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        short = info.name.removeprefix(f"{package.__name__}.")
        for value in vars(module).values():
            if inspect.isclass(value):
                for member in _members(value, module):
                    yield from _own(f"{short}.{value.__qualname__}", module, member)
            else:
                yield from _own(short, module, value)


def _own(owner: str, module: Any, value: Any) -> Iterator[Place]:
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    value = inspect.unwrap(value) if callable(value) else value
    is_abstract = getattr(value, "__isabstractmethod__", False)
    is_ours = isinstance(value, FunctionType) and value.__code__.co_filename == module.__file__
    if is_ours and not is_abstract:
        yield f"{owner}.{value.__name__}", value


def _members(owner: type, module: Any) -> Iterable[Any]:
    """Return what a class of the module defines; a protocol only says what others do."""
    is_own = owner.__module__ == module.__name__ and not getattr(owner, "_is_protocol", False)
    return vars(owner).values() if is_own else ()


def _is_outside(place: str) -> bool:
    return any(place == each or place.startswith(f"{each}.") for each in OUTSIDE)


PLACES: Final = {place: f for place, f in _functions() if not _is_outside(place)}


Line = tuple[str, int]


def _line(code: CodeType) -> Line:
    """Return where code stands: equal code may stand in several places."""
    return code.co_filename, code.co_firstlineno


class OurFaultError(Exception):
    """Stands for a bug of Goldseam."""


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    from tests.instrumentation.test_every_fault import OurFaultError  # noqa: PLC0415 - only the code is used, in modules that lack the name

    raise OurFaultError


def _failing(function: FunctionType) -> CodeType:
    """Return code that fails and fits in the place of the function's own."""
    free = function.__code__.co_freevars
    return _fail.__code__.replace(co_freevars=free, co_name=function.__name__)


def _values() -> list[Any]:
    """Return everything that stands in a module of the package."""
    modules = [module for name, module in sys.modules.items() if name.startswith(_PACKAGE)]
    named = [item for module in modules for item in vars(module).items()]
    return [value for name, value in named if not name.startswith("__")]


TABLES: Final = [(value, dict(value)) for value in _values() if type(value) is dict]
"""The package's tables with what they hold before anything has been called."""


def _forget() -> None:
    """Empty the package's caches, so that what gives a remembered value is called again."""
    for value in _values():
        if callable(clear := getattr(value, "cache_clear", None)):
            clear()
    for table, before in TABLES:
        if table != before:
            table.clear()
            table.update(before)


@contextmanager
def _broken(function: FunctionType) -> Iterator[None]:
    """Make a function fail, whoever holds it and under whatever name."""
    _forget()
    code = function.__code__
    function.__code__ = _failing(function)
    try:
        yield
    finally:
        function.__code__ = code


class _Stage:
    """Two providers, for all runs of this file."""

    def __init__(self, provider: ScriptedProvider, backup: ScriptedProvider) -> None:
        self._provider, self._backup = provider, backup

    def play(
        self, name: str, *, is_async: bool, broken: Iterable[FunctionType] = (), bare: bool = False
    ) -> tuple[Any, int]:
        """Return what the caller sees in a scenario, and how often the provider is asked."""
        scenario = SCENARIOS[name]
        _answer(self._provider, scenario.replies)
        _answer(self._backup, scenario.backup)
        before = self._provider.count
        asking = Asking(self._provider, self._backup, is_async=is_async)
        with ExitStack() as stack:
            if not bare:
                stack.enter_context(self._instrumented(scenario))
            for function in broken:
                stack.enter_context(_broken(function))
            seen = asyncio.run(_finished(scenario.run(asking)))
        return seen, self._provider.count - before

    @contextmanager
    def _instrumented(self, scenario: Scenario) -> Iterator[None]:
        recorder, instrumentor = Recorder(), GoldseamInstrumentor()
        config = mending(self._provider, self._backup, mode=scenario.mode)
        instrumentor.instrument(
            tracer_provider=recorder.tracer_provider,
            meter_provider=recorder.meter_provider,
            recovery=scenario.fit(dataclasses.replace(config, cache=scenario.cache)),
            capture_content="true",
            redact=scenario.redact,
        )
        try:
            yield
        finally:
            instrumentor.uninstrument()


async def _finished(run: Awaitable[Any]) -> Any:
    """Return what a scenario gives, after Goldseam's own connections of this loop are closed."""
    choke_point: Any = SWITCH.choke_point
    try:
        return await run
    finally:
        if choke_point is not None:
            await choke_point.aclose()


def _answer(provider: ScriptedProvider, replies: Iterable[Reply]) -> None:
    left = iter(replies)
    provider.respond = lambda _request: next(left, chat("usual"))


@pytest.fixture(scope="module")
def stage() -> Iterator[_Stage]:
    """Providers for the whole file."""
    with ScriptedProvider() as provider, ScriptedProvider() as backup:
        provider.script(chat("never asked"))  # so that paths it does not know are answered, too
        yield _Stage(provider, backup)


@dataclass(frozen=True)
class Seen:
    """One scenario, run without faults."""

    name: str
    is_async: bool
    bare: tuple[Any, int]
    watched: tuple[Any, int]
    reached: AbstractSet[Line]
    seconds: float


@pytest.fixture(scope="module")
def all_seen(stage: _Stage) -> list[Seen]:
    """Every scenario, run with and without Goldseam, the quick ones first."""
    seen = [_seen(stage, name, is_async) for name in SCENARIOS for is_async in (False, True)]
    asking = [each for each in seen if each.bare[1]]  # some SDKs may be missing
    return sorted(asking, key=lambda each: each.seconds)


def _seen(stage: _Stage, name: str, is_async: bool) -> Seen:  # noqa: FBT001 - one of two kinds
    reached: set[Line] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            reached.add(_line(frame.f_code))

    gc.collect()  # or streams that an earlier scenario dropped would end in this one
    end_collected()
    _forget()
    start_s = time.perf_counter()
    bare = stage.play(name, is_async=is_async, bare=True)
    seconds = time.perf_counter() - start_s
    sys.setprofile(note)
    try:
        watched = stage.play(name, is_async=is_async)
    finally:
        sys.setprofile(None)
    return Seen(name, is_async, bare, watched, reached, seconds)


def test_watched_calls_are_the_same(all_seen: list[Seen]) -> None:
    """Without a fault and without recovery the caller sees what a bare client gives."""
    for each in all_seen:
        if SCENARIOS[each.name].mode != "on":
            assert each.watched == each.bare, each.name


@pytest.mark.usefixtures("faults_expected")
@pytest.mark.parametrize("place", PLACES)
def test_fault_is_not_the_callers(
    place: str, stage: _Stage, all_seen: list[Seen], caplog: pytest.LogCaptureFixture
) -> None:
    """The caller sees the same as without Goldseam, and the log has one warning of the place."""
    broken = [PLACES[each] for each in (AFTER.get(place), place) if each]
    reaching = [each for each in all_seen if _line(broken[0].__code__) in each.reached]
    if not reaching and any(map(is_missing, PACKAGES)):
        pytest.skip("only an SDK that is not installed reaches it")
    assert reaching, "no scenario reaches it"
    quickest = {each.is_async: each for each in reversed(reaching)}
    for scenario in quickest.values() if place.startswith(PATHS) else [reaching[0]]:
        _guard._reported.clear()
        hooks._logged.clear()
        caplog.clear()

        seen = stage.play(scenario.name, is_async=scenario.is_async, broken=broken)

        if SCENARIOS[scenario.name].mode == "on":
            assert all(map(_is_decent, seen[0])), (scenario.name, seen)
        else:
            assert seen == scenario.bare, scenario.name
        own = SCENARIOS[scenario.name].redact is not str  # the log has a failed hook, without us
        warnings = [
            each.getMessage() for each in caplog.records if each.levelno == WARNING or not own
        ]
        assert warnings, scenario.name
        assert len(set(warnings)) == len(warnings), warnings


def _is_decent(seen: Any) -> bool:
    """Tell whether recovery left the caller with an answer or with the first error."""
    return all("ChatCompletion" in kind or "The first." in text for kind, text in seen)
