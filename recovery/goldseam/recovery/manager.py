"""Recovery by hand, for calls that no instrumentation sees: one object with two verbs.

Applications use it around a client of their own; `recover` and `arecover` run the same plan through
the same drivers as the instrumentation, with one more convenience: a step that is answered by a
cache never reaches `send`. `suggest_fix` says what usually helps; what has helped in this
application is what the API measures.
"""

import dataclasses
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from goldseam.errors import ErrorCode, Evidence, classify, fix_for
from goldseam.recovery.config import RecoveryConfig
from goldseam.recovery.drivers import arecover, recover
from goldseam.recovery.hooks import Watch
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import Body, NothingFoundError, Request, Step, Target

T = TypeVar("T")

_ON: Final = RecoveryConfig(mode="on")
_NO_REQUEST: Final = Request()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedFix:
    """What usually helps against a kind of failure.

    Attributes:
        type: The kind, one of `goldseam.errors.ErrorCode`.
        suggestions: What to do, most useful first.
        probable_cause: The usual cause, one sentence.
        documentation: Pages of providers about it.
        strategies: Names of the manager's strategies that are asked against it, in order.
    """

    type: ErrorCode
    suggestions: tuple[str, ...]
    probable_cause: str
    documentation: tuple[str, ...]
    strategies: tuple[str, ...]


class AIRecoveryManager:
    """Mends failed calls by a configuration's strategies, and by those that are added."""

    def __init__(self, config: RecoveryConfig = _ON, *, watch: Watch | None = None) -> None:
        """Take the settings.

        Args:
            config: Mode, policy, providers and strategies, for example
                `preset_config("development")`.
            watch: Is told of every step of every call.
        """
        self._config = config
        self._watch = watch

    @property
    def strategies(self) -> tuple[ErrorRecoveryStrategy, ...]:
        """Who is asked, in order."""
        return self._config.strategies

    def add_strategy(self, strategy: ErrorRecoveryStrategy, *, before: str | None = None) -> None:
        """Ask one more strategy.

        Args:
            strategy: One of Goldseam's or of your own.
            before: Name of the strategy that it is asked before; None asks it last.

        Raises:
            ValueError: There is no strategy of that name.
        """
        names = [each.name for each in self.strategies]
        if before is not None and before not in names:
            raise ValueError(f"there is no strategy {before!r}; there are {', '.join(names)}")
        place = len(names) if before is None else names.index(before)
        asked = (*self.strategies[:place], strategy, *self.strategies[place:])
        self._config = dataclasses.replace(self._config, strategies=asked)

    def recover(
        self,
        error: Exception,
        *,
        send: Callable[[Step], T],
        asked: Target,
        started_s: float | None = None,
        timeout_s: float | None = None,
        request: Request = _NO_REQUEST,
        read: Callable[[Body], T] | None = None,
    ) -> T:
        """Return another answer to a failed call, or raise `error` again.

        Args:
            error: The exception of the original attempt.
            send: Sends the request of a step: to its target, within its time-out, with its body.
            asked: Where the original attempt went.
            started_s: When it started, on `time.monotonic`; None takes now.
            timeout_s: The caller's own time-out; None without one.
            request: What was asked for, for strategies that look at it.
            read: Makes an answer of a cached body; None returns the body itself.
        """

        def take(step: Step) -> T:
            if step.source is None:
                return send(step)
            return _read(step.source.read(request), read)

        return recover(
            error,
            send=take,
            asked=asked,
            started_s=time.monotonic() if started_s is None else started_s,
            timeout_s=timeout_s,
            config=self._config,
            request=request,
            watch=self._watch,
        )

    async def arecover(
        self,
        error: Exception,
        *,
        send: Callable[[Step], Awaitable[T]],
        asked: Target,
        started_s: float | None = None,
        timeout_s: float | None = None,
        request: Request = _NO_REQUEST,
        read: Callable[[Body], T] | None = None,
    ) -> T:
        """Return another answer to a failed call, or raise `error` again: `recover` for tasks."""

        async def take(step: Step) -> T:
            if step.source is None:
                return await send(step)
            return _read(await step.source.aread(request), read)

        return await arecover(
            error,
            send=take,
            asked=asked,
            started_s=time.monotonic() if started_s is None else started_s,
            timeout_s=timeout_s,
            config=self._config,
            request=request,
            watch=self._watch,
        )

    def suggest_fix(self, error_code: str, error_message: str = "") -> SuggestedFix:
        """Return what usually helps.

        Args:
            error_code: One of the sixteen codes, or `INVALID`. `UNKNOWN` and codes that
                do not exist are read from the message.
            error_message: The provider's words.
        """
        code = _code(error_code)
        if code is ErrorCode.UNKNOWN and error_message:
            code = classify(Evidence(message=error_message)).code
        fix = fix_for(code)
        return SuggestedFix(
            type=code,
            suggestions=fix.suggested_actions,
            probable_cause=fix.probable_cause,
            documentation=fix.documentation,
            strategies=tuple(each.name for each in self.strategies if code in each.mends),
        )


def _read(body: Body | None, read: Callable[[Body], T] | None) -> T:
    if body is None:
        raise NothingFoundError
    if read is not None:
        return read(body)
    answer: Any = body
    return answer  # type: ignore[no-any-return] # the caller takes bodies as they are


def _code(text: str) -> ErrorCode:
    return ErrorCode.__members__.get(text.strip().upper(), ErrorCode.UNKNOWN)
