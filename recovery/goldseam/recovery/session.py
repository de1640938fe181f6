"""One recovery from the inside: what was decided and learnt so far, and the fences around it.

The drivers' two loops share all of it; they only wait and send.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Generic, Self, TypeVar

from goldseam.errors import ErrorCode
from goldseam.recovery import plan
from goldseam.recovery.config import RecoveryConfig
from goldseam.recovery.failures import failure_from
from goldseam.recovery.hooks import FencedStrategy, FencedWatch, NullWatch, Watch, log_fault
from goldseam.recovery.outlook import health_of
from goldseam.recovery.values import Failure, GiveUp, Request, Skip, Step, Taken, Target
from goldseam.recovery.vitals import Vitals

T = TypeVar("T")


class NothingAskedError(Exception):
    """Others were to be asked in place of a provider with an open breaker, and nobody was."""


class Session(Generic[T]):
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

    def turns(self) -> Iterator["Turn[T]"]:
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
            yield Turn(self, step)

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


class Turn(Generic[T]):
    """One step being run; as a context manager it is the watch's cover of wait and attempt."""

    def __init__(self, session: Session[T], step: Step) -> None:
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
