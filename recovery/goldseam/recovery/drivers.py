"""Run a recovery: two loops that wait, send and tell, one for threads and one for tasks.

Called by the instrumentation after a call's first attempt failed. Everything but the waiting is
shared (`Session`, `Turn`). They promise: the answer of the first attempt that succeeds, or the
*original* exception object, whatever else goes wrong inside; what is no `Exception` (cancellation,
KeyboardInterrupt) passes at once, and no attempt follows it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from goldseam.recovery.config import RecoveryConfig
from goldseam.recovery.hooks import Watch
from goldseam.recovery.session import Session
from goldseam.recovery.values import Request, Step, Target
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
    session: Session[T] = Session(
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
    session: Session[T] = Session(
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
