"""Run a recovery: two loops that wait, send and tell, one for threads and one for tasks.

Called by the instrumentation after a call's first attempt failed. Everything but the waiting is
shared (`_Session`, `_Turn`). They promise: the answer of the first attempt that succeeds, or the
*original* exception object, whatever else goes wrong inside; what is no `Exception` (cancellation,
KeyboardInterrupt) passes at once, and no attempt follows it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from goldseam.recovery import plan
from goldseam.recovery.config import RecoveryConfig
from goldseam.recovery.failures import failure_from
from goldseam.recovery.hooks import FencedStrategy, FencedWatch, NullWatch, Watch, log_fault
from goldseam.recovery.providers import ready_alternatives
from goldseam.recovery.values import (
    Failure,
    GiveUp,
    Health,
    Request,
    Skip,
    Step,
    Taken,
    Target,
)

T = TypeVar("T")

_NO_REQUEST: Final = Request()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def recover(
    error: Exception,
    *,
    send: Callable[[Step], T],
    asked: Target,
    started_s: float,
    timeout_s: float | None,
    config: RecoveryConfig,
    request: Request = _NO_REQUEST,
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    jitter: Callable[[], float] = random.random,
    now: Callable[[], datetime] = _utc_now,
) -> T:
    """Mend a failed call, or raise `error` again.

    Args:
        error: The exception of the original attempt.
        send: Takes a step: sends the call once more, to `step.target`, with `step.body` in place of
            its own if there is one, giving up after `step.timeout_s`; or reads `step.source`.
        asked: Where the original attempt went.
        started_s: When it started, on `clock`.
        timeout_s: The caller's own time-out; None without one.
        config: Mode, policy and providers. Unless its mode is `on`, `error` is raised at once.
        request: What the application asked for, for strategies that change it.
        watch: Is told of every step.
        clock: Monotonic seconds.
        sleep: Waits for some seconds.
        jitter: Draws from [0, 1).
        now: Wall-clock time, for dates in `Retry-After`.

    Returns:
        What the first successful `send` returned.
    """
    session: _Session[T] = _Session(
        error,
        asked=asked,
        started_s=started_s,
        timeout_s=timeout_s,
        config=config,
        request=request,
        watch=watch,
        clock=clock,
        jitter=jitter,
        now=now,
    )
    with session:
        for turn in session.turns():
            with turn:
                if turn.step.delay_s > 0:
                    sleep(turn.step.delay_s)
                with turn.attempt():
                    session.answers.append(send(turn.step))
    return session.result()


async def arecover(
    error: Exception,
    *,
    send: Callable[[Step], Awaitable[T]],
    asked: Target,
    started_s: float,
    timeout_s: float | None,
    config: RecoveryConfig,
    request: Request = _NO_REQUEST,
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
    now: Callable[[], datetime] = _utc_now,
) -> T:
    """Mend a failed call, or raise `error` again: `recover` for tasks."""
    session: _Session[T] = _Session(
        error,
        asked=asked,
        started_s=started_s,
        timeout_s=timeout_s,
        config=config,
        request=request,
        watch=watch,
        clock=clock,
        jitter=jitter,
        now=now,
    )
    with session:
        for turn in session.turns():
            with turn:
                if turn.step.delay_s > 0:
                    await sleep(turn.step.delay_s)
                with turn.attempt():
                    session.answers.append(await send(turn.step))
    return session.result()


def first_step(
    error: Exception,
    *,
    asked: Target,
    started_s: float,
    timeout_s: float | None,
    config: RecoveryConfig,
    at_s: float,
    now: datetime,
    request: Request = _NO_REQUEST,
    jitter: float = 0.5,
) -> Step | GiveUp:
    """Return the step that recovery would take first, and take none: for `observe` mode.

    Args:
        error: The exception of the original attempt.
        asked: Where it went.
        started_s: When it started.
        timeout_s: The caller's own time-out.
        config: Policy and providers; the mode does not matter.
        at_s: When it failed, on the clock of `started_s`.
        now: The same moment by the wall clock.
        request: What the application asked for.
        jitter: A draw from [0, 1); the default shows the average wait.
    """
    failure = failure_from(error, asked, at_s=at_s, now=now)
    health = health_of(config, asked, started_s=started_s, timeout_s=timeout_s)
    return plan.next_step(
        failure,
        (),
        config.policy,
        health,
        now_s=at_s,
        jitter=jitter,
        request=request,
        strategies=tuple(FencedStrategy(strategy) for strategy in config.strategies),
    )


def original_timeout_s(
    timeout_s: float | None, *, asked: Target, config: RecoveryConfig
) -> float | None:
    """Return the time-out to give to the original attempt, so that a fallback finds time left."""
    if config.mode != "on":
        return timeout_s
    ready = ready_alternatives(config.fallback_providers, asked)
    return plan.original_timeout_s(timeout_s, config.policy, ready)


def health_of(
    config: RecoveryConfig, asked: Target, *, started_s: float, timeout_s: float | None
) -> Health:
    """Look up what the plan may not: which providers are ready, and when the deadline is."""
    allowed_s = timeout_s if config.policy.deadline_s is None else config.policy.deadline_s
    return Health(
        started_s=started_s,
        deadline_s=None if allowed_s is None else started_s + allowed_s,
        timeout_s=timeout_s,
        ready=ready_alternatives(config.fallback_providers, asked),
    )


class _Session(Generic[T]):
    """One recovery: what was decided and learnt so far.

    As a context manager it is the fence around our own faults: an `Exception` inside is logged and
    the original error comes out of `result`.
    """

    def __init__(
        self,
        error: Exception,
        *,
        asked: Target,
        started_s: float,
        timeout_s: float | None,
        config: RecoveryConfig,
        request: Request,
        watch: Watch | None,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.answers: list[T] = []
        self.watch = FencedWatch(watch or NullWatch())
        self._error = error
        self._asked = asked
        self._started_s = started_s
        self._timeout_s = timeout_s
        self._config = config
        self._request = request
        self._strategies = tuple(FencedStrategy(strategy) for strategy in config.strategies)
        self._clock = clock
        self._jitter = jitter
        self._now = now
        self._history: list[Taken] = []
        self._told: set[Skip] = set()

    def turns(self) -> Iterator["_Turn[T]"]:
        """Yield a turn for every step, until one is answered or the plan gives up."""
        if self._config.mode != "on":
            return
        first = self.failure(self._error, self._asked)
        health = health_of(
            self._config, self._asked, started_s=self._started_s, timeout_s=self._timeout_s
        )
        while not self.answers:
            step = plan.next_step(
                first,
                self._history,
                self._config.policy,
                health,
                now_s=self._clock(),
                jitter=self._jitter(),
                request=self._request,
                strategies=self._strategies,
            )
            self._tell(step.skipped)
            if isinstance(step, GiveUp):
                return
            yield _Turn(self, step)

    def failure(self, error: Exception, target: Target) -> Failure:
        """Read an exception of an attempt at `target`."""
        return failure_from(error, target, at_s=self._clock(), now=self._now())

    def failed(self, step: Step, error: Exception) -> Failure:
        """Take a failed step into the history."""
        failure = self.failure(error, step.target)
        self._history.append(Taken(step, failure))
        return failure

    def result(self) -> T:
        """Return the answer, or raise the original error."""
        if self.answers:
            return self.answers[0]
        raise self._error

    def _tell(self, skipped: tuple[Skip, ...]) -> None:
        for skip in skipped:
            if skip not in self._told:
                self._told.add(skip)
                self.watch.skipped(skip.strategy, skip.reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(exc, Exception):
            log_fault("recovery", exc)
            return True
        return False


class _Turn(Generic[T]):
    """One step being run; as a context manager it is the watch's cover of wait and attempt."""

    def __init__(self, session: _Session[T], step: Step) -> None:
        self.step = step
        self._session = session
        self._cover = session.watch.step(step)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Cover one request; an `Exception` of it becomes a failure and goes no further."""
        try:
            with self._sending():
                yield
        except Exception as error:  # noqa: BLE001 - an SDK may raise anything
            self._watched.failed(self._session.failed(self.step, error))
        else:
            self._watched.succeeded()

    def _sending(self) -> AbstractContextManager[object]:
        """Cover a request; a look into a source is none."""
        if self.step.asks_provider:
            return self._watched.attempt(self.step.target)
        return nullcontext()

    def __enter__(self) -> Self:
        self._watched = self._cover.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cover.__exit__(exc_type, exc, traceback)
