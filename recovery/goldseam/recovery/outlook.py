"""What recovery would do or leave time for, asked before anything is done.

Called by the instrumentation when a call begins, and in `observe` mode; the session takes the
plan's circumstances from here. Sends nothing and waits for nothing.
"""

from datetime import datetime
from typing import Final

from goldseam.recovery import plan
from goldseam.recovery.config import RecoveryConfig
from goldseam.recovery.failures import failure_from
from goldseam.recovery.hooks import FencedStrategy
from goldseam.recovery.providers import ready_alternatives
from goldseam.recovery.values import GiveUp, Health, Request, Step, Target
from goldseam.recovery.vitals import Vitals

_NO_REQUEST: Final = Request()


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
    policy = config.policy
    limit_s = plan.original_timeout_s(timeout_s, policy, policy.fallback, patience_s=patience_s)
    if limit_s == timeout_s:  # whoever is ready: every call comes here, and asking them costs
        return timeout_s
    ready = ready_alternatives(config.fallback_providers, asked)
    return plan.original_timeout_s(timeout_s, policy, ready, patience_s=patience_s)


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
    provider = config.providers.get(asked.provider)
    return Health(
        started_s=started_s,
        deadline_s=None if allowed_s is None else started_s + allowed_s,
        timeout_s=timeout_s,
        window_tokens=provider.window_of(asked) if provider else None,
        ready=ready_alternatives(config.fallback_providers, asked),
    )
