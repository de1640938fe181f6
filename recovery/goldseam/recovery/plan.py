"""Decide the next step of a recovery.

Called by `drivers` after every failure and by the instrumentation in `observe` mode. Pure: the
clock's reading and the random draw are passed in, so the same inputs give the same step. It
promises: no step past the deadline or beyond the attempts of the policy, none before a provider's
Retry-After has passed, none at a place where the failure is hopeless.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from goldseam.errors import ErrorCode
from goldseam.recovery.strategies import (
    ELSEWHERE,
    RETRYABLE,
    ErrorRecoveryStrategy,
    FallbackStrategy,
    RetryStrategy,
    Situation,
    reserve_s,
)
from goldseam.recovery.values import (
    MIN_ATTEMPT_S,
    Alternative,
    Failure,
    GiveUp,
    Health,
    Policy,
    Skip,
    Step,
    Strategy,
    Taken,
    Target,
)

__all__ = [
    "Alternative",
    "Failure",
    "GiveUp",
    "Health",
    "Policy",
    "Skip",
    "Step",
    "Strategy",
    "Taken",
    "Target",
    "next_step",
    "original_timeout_s",
]

_FINAL: Final = frozenset({ErrorCode.CONTENT_FILTER, ErrorCode.CANCELLED})
"""A refusal by moderation is not carried from provider to provider; a cancelled call is over."""

_BLIP: Final = frozenset({ErrorCode.SERVER_ERROR, ErrorCode.CONNECTION})


def next_step(
    failure: Failure,
    history: Sequence[Taken],
    policy: Policy,
    health: Health,
    *,
    now_s: float,
    jitter: float,
) -> Step | GiveUp:
    """Return what to do now about a call that failed.

    Args:
        failure: The failure of the original attempt.
        history: The steps taken since, in order, each with its own failure.
        policy: How far recovery goes.
        health: Time limits and ready providers.
        now_s: The present, monotonic seconds.
        jitter: A draw from [0, 1).
    """
    situation = Situation(
        failure=failure, history=history, policy=policy, health=health, now_s=now_s, jitter=jitter
    )
    if reason := _no_hope(situation):
        return GiveUp(reason)
    skipped: list[Skip] = []
    for strategy in _order(situation):
        proposal = strategy.propose(situation)
        if isinstance(proposal, Step):
            return replace(proposal, skipped=tuple(skipped))
        skipped.append(proposal)
    return GiveUp(skipped[-1].reason, tuple(skipped))


def original_timeout_s(
    timeout_s: float | None, policy: Policy, ready: Sequence[Alternative]
) -> float | None:
    """Return the time-out of the original attempt: the caller's, less a reserve for a fallback.

    Without a ready provider, or where the deadline leaves room anyway, it is the caller's own.
    """
    deadline_s = timeout_s if policy.deadline_s is None else policy.deadline_s
    if deadline_s is None:
        return timeout_s
    usable_s = deadline_s
    if ready and policy.max_attempts > 1:
        usable_s = deadline_s - reserve_s(policy, deadline_s)
    return usable_s if timeout_s is None else min(timeout_s, usable_s)


def _no_hope(situation: Situation) -> str | None:
    """Return why nothing at all may be tried, None where something may."""
    if situation.failure.code not in RETRYABLE | ELSEWHERE:
        return f"{situation.failure.code} is not mended by asking again"
    last = situation.failures[-1]
    if last.code in _FINAL:
        return f"{last.target.provider} answered {last.code}"
    if len(situation.failures) >= situation.policy.max_attempts:
        return f"all {situation.policy.max_attempts} attempts are used"
    if situation.remaining_s < MIN_ATTEMPT_S:
        return "no time is left before the deadline"
    return None


def _order(situation: Situation) -> tuple[ErrorRecoveryStrategy, ...]:
    """Return the strategies in the order in which they are asked.

    Another ready provider comes before any wait, save for a blip under `prefer_same_model`.
    """
    fallback, retry = FallbackStrategy(), RetryStrategy()
    return (retry, fallback) if _stays_with_model(situation) else (fallback, retry)


def _stays_with_model(situation: Situation) -> bool:
    return (
        situation.policy.prefer_same_model
        and not situation.history
        and situation.failure.code in _BLIP
        and all(ready.target.model != situation.asked.model for ready in situation.health.ready)
    )
