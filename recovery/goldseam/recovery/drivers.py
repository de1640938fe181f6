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
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from goldseam.errors import ErrorCode
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
from goldseam.recovery.vitals import Vitals

T = TypeVar("T")

_NO_REQUEST: Final = Request()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def recover(
    error: Exception | None,
    *,
    send: Callable[[Step], T],
    asked: Target,
    started_s: float,
    timeout_s: float | None,
    config: RecoveryConfig,
    patience_s: float | None = None,
    request: Request = _NO_REQUEST,
    vitals: Vitals | None = None,
    watch: Watch | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    jitter: Callable[[], float] = random.random,
    now: Callable[[], datetime] = _utc_now,
) -> T:
    """Mend a failed call, or raise `error` again.

    Args:
        error: The exception of the original attempt; None where the breaker of `asked` is open, so
            that others are asked first.
        send: Takes a step: sends the call once more, to `step.target`, with `step.body` in place of
            its own if there is one, giving up after `step.timeout_s`; or reads `step.source`.
        asked: Where the original attempt went.
        started_s: When it started, on `clock`.
        timeout_s: The caller's own time-out; None without one.
        patience_s: How long the SDK's own repeats could have taken; None takes `timeout_s`. It is
            the deadline of a policy that names none.
        config: Mode, policy and providers. Unless its mode is `on`, `error` is raised at once.
        request: What the application asked for, for strategies that change it.
        vitals: Breakers and budgets, told of every failure and of the steps' answers; None keeps
            none.
        watch: Is told of every step.
        clock: Monotonic seconds.
        sleep: Waits for some seconds.
        jitter: Draws from [0, 1).
        now: Wall-clock time, for dates in `Retry-After`.

    Returns:
        What the first successful `send` returned.

    Raises:
        Exception: `error` itself; without one, the first exception of `asked`, else of another.
        NothingAskedError: There was no `error`, and nobody was asked.
    """
    session: _Session[T] = _Session(
        error,
        asked=asked,
        started_s=started_s,
        timeout_s=timeout_s,
        patience_s=patience_s,
        config=config,
        request=request,
        vitals=vitals or Vitals(config.providers),
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
                    session.answered(turn.step, send(turn.step))
    return session.result()


async def arecover(
    error: Exception | None,
    *,
    send: Callable[[Step], Awaitable[T]],
    asked: Target,
    started_s: float,
    timeout_s: float | None,
    config: RecoveryConfig,
    patience_s: float | None = None,
    request: Request = _NO_REQUEST,
    vitals: Vitals | None = None,
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
        patience_s=patience_s,
        config=config,
        request=request,
        vitals=vitals or Vitals(config.providers),
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
                    session.answered(turn.step, await send(turn.step))
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
    patience_s: float | None = None,
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
        patience_s: How long the SDK's own repeats could have taken; None takes `timeout_s`.
        request: What the application asked for.
        jitter: A draw from [0, 1); the default shows the average wait.
    """
    failure = failure_from(error, asked, at_s=at_s, now=now)
    health = health_of(
        config, asked, started_s=started_s, timeout_s=timeout_s, patience_s=patience_s
    )
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
    timeout_s: float | None,
    *,
    asked: Target,
    config: RecoveryConfig,
    patience_s: float | None = None,
) -> float | None:
    """Return the time-out to give to the original attempt, so that a fallback finds time left."""
    if config.mode != "on":
        return timeout_s
    ready = ready_alternatives(config.fallback_providers, asked)
    return plan.original_timeout_s(timeout_s, config.policy, ready, patience_s=patience_s)


def is_spared(asked: Target, *, config: RecoveryConfig, vitals: Vitals, now_s: float) -> bool:
    """Tell whether others should be asked first: its breaker is open and another's is not.

    The last provider is never spared: without a ready one beside it, it is asked.
    """
    if config.mode != "on" or vitals.admits(asked, now_s):
        return False
    ready = {each.target for each in ready_alternatives(config.fallback_providers, asked)}
    return bool(ready - vitals.open_among(ready, now_s))


def health_of(
    config: RecoveryConfig,
    asked: Target,
    *,
    started_s: float,
    timeout_s: float | None,
    patience_s: float | None = None,
) -> Health:
    """Look up what the plan may not: which providers are ready, and when the deadline is."""
    allowed_s = plan.allowed_s(timeout_s, config.policy, patience_s=patience_s)
    return Health(
        started_s=started_s,
        deadline_s=None if allowed_s is None else started_s + allowed_s,
        timeout_s=timeout_s,
        ready=ready_alternatives(config.fallback_providers, asked),
    )


class NothingAskedError(Exception):
    """Others were to be asked in place of a provider with an open breaker, and nobody was."""


class _Session(Generic[T]):
    """One recovery: what was decided and learnt so far.

    As a context manager it is the fence around our own faults: an `Exception` inside is logged and
    the original error comes out of `result`.
    """

    def __init__(
        self,
        error: Exception | None,
        *,
        asked: Target,
        started_s: float,
        timeout_s: float | None,
        patience_s: float | None,
        config: RecoveryConfig,
        request: Request,
        vitals: Vitals,
        watch: Watch | None,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.answers: list[T] = []
        self.watch = FencedWatch(watch or NullWatch())
        self._error = error
        self._other_error: Exception | None = None
        self._asked = asked
        self._started_s = started_s
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._vitals = vitals
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
        first = self._first()
        fixed = health_of(
            self._config,
            self._asked,
            started_s=self._started_s,
            timeout_s=self._timeout_s,
            patience_s=self._patience_s,
        )
        targets = [self._asked, *(alternative.target for alternative in fixed.ready)]
        while not self.answers:
            now_s = self._clock()
            health = replace(
                fixed,
                open=self._vitals.open_among(targets, now_s),
                budgets=self._vitals.budgets(now_s),
            )
            step = plan.next_step(
                first,
                self._history,
                self._config.policy,
                health,
                now_s=now_s,
                jitter=self._jitter(),
                request=self._request,
                strategies=self._strategies,
            )
            self._tell(step.skipped)
            if isinstance(step, GiveUp):
                return
            if step.draws and not self._vitals.draw(step.target.provider, now_s):
                continue  # another call was quicker; the plan now sees an empty budget
            yield _Turn(self, step)

    def failure(self, error: Exception, target: Target) -> Failure:
        """Read an exception of an attempt at `target`."""
        now = self._now()
        failure = failure_from(error, target, at_s=self._clock(), now=now)
        if failure.code is not ErrorCode.RATE_LIMIT or failure.retry_after_s is not None:
            return failure
        provider = self._config.providers.get(target.provider)
        window_s = provider.limit_window_s if provider else None
        if window_s is None:
            return failure
        return replace(failure, retry_after_s=window_s - now.timestamp() % window_s)

    def failed(self, step: Step, error: Exception) -> Failure:
        """Take a failed step into the history."""
        failure = self.failure(error, step.target)
        self._history.append(Taken(step, failure))
        if step.asks_provider:
            self._vitals.failed(failure, is_first=False)
            if self._error is None:
                self._other_error = self._other_error or error
                if step.target == self._asked:
                    self._error = error
        return failure

    def answered(self, step: Step, answer: T) -> None:
        """Take a step's answer."""
        self.answers.append(answer)
        if step.asks_provider:
            self._vitals.answered(step.target, self._clock(), is_first=False)

    def result(self) -> T:
        """Return the answer, or raise the original error."""
        if self.answers:
            return self.answers[0]
        raise self._error or self._other_error or NothingAskedError

    def _first(self) -> Failure:
        if self._error is None:
            return self._vitals.unasked(self._asked, self._clock())
        failure = self.failure(self._error, self._asked)
        self._vitals.failed(failure, is_first=True)
        return failure

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
