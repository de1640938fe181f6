"""How others watch a recovery: a protocol, a watch that does nothing, and a fence.

The instrumentation gives a `Watch` to the drivers and makes spans of it. The drivers only ever
call it through `fenced`: a watch that raises is logged once and never changes the outcome.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final, Protocol

from goldseam.recovery.situation import Situation
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import Failure, Policy, Skip, Step, Target

_log: Final = logging.getLogger("goldseam.recovery")
_logged: Final[set[str]] = set()


class StepWatch(Protocol):
    """Sees one step from the inside."""

    def attempt(self, target: Target) -> AbstractContextManager[None]:
        """Cover the sending of one request, without the wait before it.

        The manager's exit is given the exception of a failed request.
        """
        ...

    def succeeded(self) -> None:
        """Learn that the attempt gave an answer. Called after `attempt` has ended."""
        ...

    def failed(self, failure: Failure) -> None:
        """Learn why the attempt gave none. Called after `attempt` has ended."""
        ...


class Watch(Protocol):
    """Sees the recovery of one call."""

    def step(self, step: Step) -> AbstractContextManager[StepWatch]:
        """Cover the wait and the attempt of one step."""
        ...

    def skipped(self, strategy: str, reason: str) -> None:
        """Learn of a strategy that is not tried; once per strategy and reason."""
        ...


class NullStepWatch:
    """Watches nothing."""

    def attempt(self, target: Target) -> AbstractContextManager[None]:  # noqa: ARG002
        """Cover nothing."""
        return nullcontext()

    def succeeded(self) -> None:
        """Ignore it."""

    def failed(self, failure: Failure) -> None:
        """Ignore it."""


class NullWatch:
    """Watches nothing."""

    def step(self, step: Step) -> AbstractContextManager[StepWatch]:  # noqa: ARG002
        """Cover nothing."""
        return nullcontext(NullStepWatch())

    def skipped(self, strategy: str, reason: str) -> None:
        """Ignore it."""


class FencedWatch:
    """A watch whose faults are logged once and stay inside."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def step(self, step: Step) -> "AbstractContextManager[FencedStepWatch]":
        """Cover one step."""
        return _FencedStep(_Fenced("watch.step", lambda: self._watch.step(step)))

    def skipped(self, strategy: str, reason: str) -> None:
        """Pass it on."""
        _quietly("watch.skipped", lambda: self._watch.skipped(strategy, reason))


class FencedStepWatch:
    """The same for one step."""

    def __init__(self, watch: StepWatch) -> None:
        self._watch = watch

    def attempt(self, target: Target) -> AbstractContextManager[object]:
        """Cover one request."""
        return _Fenced("watch.attempt", lambda: self._watch.attempt(target))

    def succeeded(self) -> None:
        """Pass it on."""
        _quietly("watch.succeeded", self._watch.succeeded)

    def failed(self, failure: Failure) -> None:
        """Pass it on."""
        _quietly("watch.failed", lambda: self._watch.failed(failure))


class FencedStrategy(ErrorRecoveryStrategy):
    """A strategy whose faults are logged once and read as "not tried"."""

    def __init__(self, strategy: ErrorRecoveryStrategy) -> None:
        self._strategy = strategy
        self.name = strategy.name  # type: ignore[misc] # stands in for that strategy
        self.mends = strategy.mends  # type: ignore[misc]
        self.asks_provider = strategy.asks_provider  # type: ignore[misc]

    def applies(self, policy: Policy) -> bool:
        """Pass it on."""
        try:
            return self._strategy.applies(policy)
        except Exception as fault:  # noqa: BLE001 - the fence
            log_fault(f"strategy {self.name}", fault)
            return False

    def propose(self, situation: Situation) -> Step | Skip:
        """Pass it on."""
        try:
            return self._strategy.propose(situation)
        except Exception as fault:  # noqa: BLE001 - the fence
            log_fault(f"strategy {self.name}", fault)
            return Skip(self.name, f"it had a fault: {type(fault).__name__}")


def log_fault(where: str, fault: Exception) -> None:
    """Log a fault of our own, once per place and kind: a broken watch must not flood the log."""
    key = f"{where} {type(fault).__qualname__}"
    if key not in _logged:
        _logged.add(key)
        _log.warning(
            "Goldseam's recovery had a fault in %s; the call's outcome is unchanged. "
            "Please report it with this traceback.",
            where,
            exc_info=fault,
        )


def _quietly(where: str, call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as fault:  # noqa: BLE001 - the fence
        log_fault(where, fault)


class _Fenced(AbstractContextManager[Any]):
    """A context manager that is made, entered and left without raising or swallowing."""

    def __init__(self, where: str, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._where = where
        self._make = make
        self._manager: AbstractContextManager[Any] | None = None

    def __enter__(self) -> Any:
        try:
            manager = self._make()
            entered = manager.__enter__()
        except Exception as fault:  # noqa: BLE001 - the fence
            log_fault(self._where, fault)
            return None
        self._manager = manager
        return entered

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._manager is not None:
            manager = self._manager
            _quietly(self._where, lambda: manager.__exit__(exc_type, exc, traceback))


class _FencedStep(AbstractContextManager[FencedStepWatch]):
    """A fenced cover of a step that gives a fenced watch of its inside."""

    def __init__(self, cover: _Fenced) -> None:
        self._cover = cover

    def __enter__(self) -> FencedStepWatch:
        watch = self._cover.__enter__()
        return FencedStepWatch(NullStepWatch() if watch is None else watch)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cover.__exit__(exc_type, exc, traceback)
