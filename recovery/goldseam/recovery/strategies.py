"""The strategies: each looks at the situation and proposes a step, or says why not.

`plan` asks them in the order of the policy. Pure: no clock, no randomness, no I/O.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Final

from goldseam.errors import ErrorCode
from goldseam.recovery.situation import BIGGER, ELSEWHERE, ONCE_MORE, RETRYABLE, Situation
from goldseam.recovery.values import MIN_ATTEMPT_S, Failure, Policy, Skip, Step, Target

_BLIP: Final = frozenset({ErrorCode.SERVER_ERROR, ErrorCode.CONNECTION})


class ErrorRecoveryStrategy(ABC):
    """One way to mend a failed call; subclass it for a way of your own.

    Attributes:
        name: One lower-case word: what is done, in telemetry.
        mends: The kinds of failure against which it is asked.
        asks_provider: Whether its steps send a request. Those of others (`Step.source`) are also
            taken when attempts, budget or time are used up, each strategy once per call.
    """

    name: ClassVar[str]
    mends: ClassVar[frozenset[ErrorCode]]
    asks_provider: ClassVar[bool] = True

    def applies(self, policy: Policy) -> bool:  # noqa: ARG002 - for those who override it
        """Tell whether the policy lets this strategy be asked at all: yes, unless overridden."""
        return True

    @abstractmethod
    def propose(self, situation: Situation) -> Step | Skip:
        """Return the step that this strategy would take now, or why it takes none."""


class FallbackStrategy(ErrorRecoveryStrategy):
    """Sends the call to the next ready provider that was not asked yet, without a wait."""

    name: ClassVar[str] = "fallback"
    mends: ClassVar[frozenset[ErrorCode]] = RETRYABLE | ELSEWHERE | ONCE_MORE | BIGGER

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a step to the first untried provider."""
        if _stays_with_model(situation):
            return Skip(self.name, "the same model is asked once more first")
        if not situation.health.ready:
            return Skip(self.name, "no other provider is ready")
        untried = [alternative.target for alternative in situation.untried()]
        if not untried:
            if situation.failure.code in BIGGER and not situation.history:
                return Skip(self.name, "no ready provider is known to have a bigger window")
            return Skip(self.name, "every ready provider was tried")
        is_open = situation.health.open.__contains__
        target = min(untried, key=is_open)
        if is_open(target) and any(not is_open(f.target) for f in situation.repeatable()):
            return Skip(self.name, f"the breaker of {target} is open")
        return situation.step(self.name, target, 0.0, f"{situation.asked} → {target}")


class RetryStrategy(ErrorRecoveryStrategy):
    """Sends the call again to where it failed, as soon as that place allows.

    The wait is full jitter: drawn evenly from 0 to a cap that grows with each repeat, counted from
    the failure, and never shorter than what the provider asked for.
    """

    name: ClassVar[str] = "retry"
    mends: ClassVar[frozenset[ErrorCode]] = RETRYABLE | ELSEWHERE | ONCE_MORE

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a step to the failed target that may be asked soonest."""
        allowed = situation.repeatable()
        if not allowed:
            return Skip(self.name, _why_no_repeat(situation))
        soonest = min(allowed, key=lambda failure: _preference(failure, situation))
        delay_s = _wait_s(soonest, situation)
        if delay_s + MIN_ATTEMPT_S > situation.remaining_s:
            return Skip(self.name, _too_late(soonest, delay_s))
        last = situation.last_sent(soonest.target)
        return situation.step(
            self.name,
            soonest.target,
            delay_s,
            _resend(situation, soonest.target, delay_s),
            body=last.body if last else None,
            degraded=last.degraded if last else False,
        )


def _stays_with_model(situation: Situation) -> bool:
    if not situation.history and situation.failure.code in ONCE_MORE:
        return bool(situation.repeatable())
    return (
        situation.policy.prefer_same_model
        and not situation.history
        and situation.failure.code in _BLIP
        and all(ready.target.model != situation.asked.model for ready in situation.health.ready)
    )


def _why_no_repeat(situation: Situation) -> str:
    if all(failure.code in ONCE_MORE for failure in situation.latest):
        return "every model had a second try"
    hopeful = [failure for failure in situation.latest if failure.code in RETRYABLE]
    if not hopeful:
        return f"trying again does not help against {situation.failure.code}"
    if poor := [each.target for each in hopeful if not situation.can_afford(each.target)]:
        return f"the retry budget of {poor[0].provider} is used up"
    return "every provider had its attempts"


def _preference(failure: Failure, situation: Situation) -> tuple[bool, bool, float]:
    """Order repeats: what can be in time, then places not spared, then the soonest."""
    wait_s = _wait_s(failure, situation)
    is_late = wait_s + MIN_ATTEMPT_S > situation.remaining_s
    is_spared = failure.was_sent and failure.target in situation.health.open
    return is_late, is_spared, wait_s


def _wait_s(failure: Failure, situation: Situation) -> float:
    """Return how long to wait from now before asking again where `failure` happened."""
    if not failure.was_sent or failure.code in ONCE_MORE:
        return max(0.0, failure.at_s + (failure.retry_after_s or 0.0) - situation.now_s)
    caps_s = situation.policy.backoff_caps_s
    repeats = situation.attempts_at(failure.target.provider) - 1
    backoff_s = caps_s[min(repeats, len(caps_s) - 1)] * situation.jitter
    wait_s = max(backoff_s, failure.retry_after_s or 0.0)
    return max(0.0, failure.at_s + wait_s - situation.now_s)


def _too_late(failure: Failure, delay_s: float) -> str:
    if failure.retry_after_s is not None:
        return f"the provider asks to wait {failure.retry_after_s:g}s, past the deadline"
    return f"a wait of {delay_s:.2g}s would pass the deadline"


def _resend(situation: Situation, target: Target, delay_s: float) -> str:
    if target == situation.asked and not situation.attempts_at(target.provider):
        return f"ask {target} after all"
    where = "resend" if target == situation.asked else f"resend to {target}"
    return f"wait {round(delay_s, 2):g}s, {where}" if delay_s else where
