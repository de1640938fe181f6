"""Decide the next step of a recovery.

Called by `drivers` after every failure and by the instrumentation in `observe` mode. Pure: the
clock's reading and the random draw are passed in, so the same inputs give the same step. It
promises: no step past the deadline or beyond the attempts of the policy, none before a provider's
Retry-After has passed, none at a place where the failure is hopeless.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from goldseam.errors import ErrorCode
from goldseam.recovery.simplify import STRATEGIES
from goldseam.recovery.situation import Situation, reserve_s
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import (
    MIN_ATTEMPT_S,
    Alternative,
    Failure,
    GiveUp,
    Health,
    Policy,
    Request,
    Skip,
    Step,
    Taken,
    Target,
)

__all__ = [
    "Alternative",
    "Failure",
    "GiveUp",
    "Health",
    "Policy",
    "Request",
    "Skip",
    "Step",
    "Taken",
    "Target",
    "next_step",
    "original_timeout_s",
]

_FINAL: Final = frozenset({ErrorCode.CONTENT_FILTER, ErrorCode.CANCELLED})
"""A refusal by moderation is not carried from provider to provider; a cancelled call is over."""

_NO_REQUEST: Final = Request()


def next_step(
    failure: Failure,
    history: Sequence[Taken],
    policy: Policy,
    health: Health,
    *,
    now_s: float,
    jitter: float,
    request: Request = _NO_REQUEST,
    strategies: Iterable[ErrorRecoveryStrategy] = STRATEGIES,
) -> Step | GiveUp:
    """Return what to do now about a call that failed.

    Args:
        failure: The failure of the original attempt.
        history: The steps taken since, in order, each with its own failure.
        policy: How far recovery goes.
        health: Time limits and ready providers.
        now_s: The present, monotonic seconds.
        jitter: A draw from [0, 1).
        request: What the application asked for.
        strategies: Who may propose, in order; the first proposal that keeps the promises wins.
    """
    situation = Situation(
        failure=failure,
        history=history,
        policy=policy,
        health=health,
        now_s=now_s,
        jitter=jitter,
        request=request,
    )
    able = [each for each in strategies if failure.code in each.mends and each.applies(policy)]
    if reason := _no_hope(situation, able):
        return GiveUp(reason)
    exhausted = _exhausted(situation)
    skipped: list[Skip] = []
    for strategy in able:
        if exhausted and strategy.asks_provider:
            continue
        proposal = _kept(_proposal(strategy, situation), situation)
        if isinstance(proposal, Step):
            return replace(proposal, skipped=tuple(skipped))
        skipped.append(proposal)
    return GiveUp(exhausted or skipped[-1].reason, tuple(skipped))


def original_timeout_s(
    timeout_s: float | None,
    policy: Policy,
    ready: Sequence[object],
    *,
    patience_s: float | None = None,
) -> float | None:
    """Return the time-out of the original attempt: the caller's, less a reserve for a fallback.

    Without a ready provider, or where the deadline leaves room anyway, it is the caller's own.

    Args:
        timeout_s: The caller's time-out for one attempt.
        policy: How far recovery goes.
        ready: Providers that could answer in place of the asked one; whether there are any counts.
        patience_s: How long the SDK's own repeats could have taken; None takes `timeout_s`.
    """
    deadline_s = allowed_s(timeout_s, policy, patience_s=patience_s)
    if deadline_s is None:
        return timeout_s
    usable_s = deadline_s
    if ready and policy.max_attempts > 1:
        usable_s = deadline_s - reserve_s(policy, deadline_s)
    return usable_s if timeout_s is None else min(timeout_s, usable_s)


def allowed_s(
    timeout_s: float | None, policy: Policy, *, patience_s: float | None = None
) -> float | None:
    """Return the time for everything: the policy's, or what the SDK itself could have taken."""
    if policy.deadline_s is not None:
        return policy.deadline_s
    return timeout_s if patience_s is None else patience_s


def _no_hope(situation: Situation, able: Sequence[ErrorRecoveryStrategy]) -> str | None:
    """Return why nothing at all may be tried, None where something may."""
    if not able or situation.failure.code in _FINAL:
        return f"{situation.failure.code} is not mended by asking again"
    last = situation.failures[-1]
    if not last.was_sent:
        return None
    return f"{last.target.provider} answered {last.code}" if last.code in _FINAL else None


def _exhausted(situation: Situation) -> str | None:
    """Return why no further request may be sent, None where one may."""
    if situation.attempts_left < 1:
        return f"all {situation.policy.max_attempts} attempts are used"
    if situation.remaining_s < MIN_ATTEMPT_S:
        return "no time is left before the deadline"
    return None


def _proposal(strategy: ErrorRecoveryStrategy, situation: Situation) -> Step | Skip:
    taken = (past.step for past in situation.history)
    if not strategy.asks_provider and any(step.strategy == strategy.name for step in taken):
        return Skip(strategy.name, "it was tried")
    return strategy.propose(situation)


def _kept(proposal: Step | Skip, situation: Situation) -> Step | Skip:
    """Refuse a step that breaks what the plan promises, whoever proposes it."""
    if isinstance(proposal, Skip) or not proposal.asks_provider:
        return proposal
    if proposal.delay_s + MIN_ATTEMPT_S > situation.remaining_s:
        return Skip(proposal.strategy, "it would pass the deadline")
    limit = situation.policy.max_prompt_tokens
    if limit is not None:
        sent = situation.prompt_tokens_sent + situation.prompt_tokens(proposal.body)
        if sent > limit:
            return Skip(proposal.strategy, f"it would pass {limit} prompt tokens for this call")
    return proposal
