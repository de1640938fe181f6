"""The strategies: each looks at the situation and proposes a step, or says why not.

`plan` asks them in the order of the policy. Pure: no clock, no randomness, no I/O.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from goldseam.errors import ErrorCode
from goldseam.recovery.values import (
    MIN_ATTEMPT_S,
    Alternative,
    Body,
    Failure,
    Health,
    Policy,
    Request,
    Skip,
    Source,
    Step,
    Taken,
    Target,
)

RETRYABLE: Final = frozenset(
    {
        ErrorCode.TIMEOUT,
        ErrorCode.CONNECTION,
        ErrorCode.RATE_LIMIT,
        ErrorCode.OVERLOADED,
        ErrorCode.SERVER_ERROR,
    }
)
"""The same request may succeed at the same place a little later."""

ELSEWHERE: Final = frozenset({ErrorCode.QUOTA_EXCEEDED, ErrorCode.AUTH, ErrorCode.NOT_FOUND})
"""Trying again there is hopeless; another provider may answer."""

_PER_MODEL: Final = frozenset({ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED, ErrorCode.NOT_FOUND})
"""Another model on the same host may be spared: limits, capacity and absence are per model."""

_BLIP: Final = frozenset({ErrorCode.SERVER_ERROR, ErrorCode.CONNECTION})
_NO_REQUEST: Final = Request()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that a decision rests on.

    Attributes:
        failure: The failure of the original attempt.
        history: The steps taken since, all of which failed, in order.
        policy: How far recovery goes.
        health: Time limits and ready providers.
        now_s: The present, on the clock of the failures.
        jitter: A draw from [0, 1).
        request: What the application asked for.
    """

    failure: Failure
    history: Sequence[Taken]
    policy: Policy
    health: Health
    now_s: float
    jitter: float
    request: Request = _NO_REQUEST

    @property
    def asked(self) -> Target:
        """Where the application sent its call."""
        return self.failure.target

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures of all requests sent: the original one and those of the steps."""
        sent = (taken.failure for taken in self.history if taken.step.asks_provider)
        return (self.failure, *sent)

    @property
    def attempts_left(self) -> int:
        """How many more requests the policy allows."""
        return self.policy.max_attempts - len(self.failures)

    def last_sent(self, target: Target) -> Step | None:
        """Return the step that last sent a request to `target`, None where none did."""
        sent = (taken.step for taken in reversed(self.history) if taken.step.asks_provider)
        return next((step for step in sent if step.target == target), None)

    @property
    def remaining_s(self) -> float:
        """Time until the deadline; infinite without one."""
        deadline_s = self.health.deadline_s
        return float("inf") if deadline_s is None else deadline_s - self.now_s

    def attempts_at(self, provider: str) -> int:
        """Return how many requests went to `provider`."""
        return sum(failure.target.provider == provider for failure in self.failures)

    def may_ask(self, provider: str) -> bool:
        """Return whether the policy allows one more request to `provider`."""
        return self.attempts_at(provider) < self.policy.max_attempts_per_provider

    def untried(self) -> Iterator[Alternative]:
        """Yield the ready providers that were not asked yet and may be, in order."""
        tried = {failure.target for failure in self.failures}
        for alternative in self.health.ready:
            target = alternative.target
            account_is_fine = all(
                failure.code in _PER_MODEL
                for failure in self.failures
                if failure.target.provider == target.provider
            )
            if target not in tried and account_is_fine and self.may_ask(target.provider):
                yield alternative

    def timeout_s(self, target: Target, delay_s: float, *, keep_reserve: bool) -> float | None:
        """Return the time-out of an attempt at `target` after `delay_s`.

        The provider's own or the caller's, and never past the deadline; with a reserve, a share of
        the rest is left to the next provider.
        """
        own_s = next(
            (ready.timeout_s for ready in self.health.ready if ready.target == target), None
        )
        own_s = self.health.timeout_s if own_s is None else own_s
        if self.health.deadline_s is None:
            return own_s
        rest_s = self.remaining_s - delay_s
        usable_s = rest_s - reserve_s(self.policy, rest_s) if keep_reserve else rest_s
        return usable_s if own_s is None else min(own_s, usable_s)

    def step(
        self,
        strategy: str,
        target: Target,
        delay_s: float,
        action: str,
        *,
        body: Body | None = None,
        source: Source | None = None,
        degraded: bool = False,
        facts: Mapping[str, str | int | float | bool] | None = None,
    ) -> Step:
        """Return the next step, numbered and with its time-out; the rest is as in `Step`."""
        is_same = [taken.step.strategy == strategy for taken in self.history]
        others = (ready for ready in self.untried() if ready.target != target)
        has_next = self.attempts_left > 1 and any(others)
        return Step(
            strategy=strategy,
            number=len(self.history) + 1,
            attempt=sum(is_same) + 1,
            target=target,
            delay_s=delay_s,
            timeout_s=self.timeout_s(target, delay_s, keep_reserve=has_next),
            action=action,
            body=body,
            source=source,
            degraded=degraded,
            facts=facts or {},
        )


class ErrorRecoveryStrategy(ABC):
    """One way to mend a failed call; subclass it for a way of your own.

    Attributes:
        name: One lower-case word, unique among the strategies.
        mends: The kinds of failure against which it is asked.
        asks_provider: Whether its steps send a request. Those of others (`Step.source`) are also
            taken when attempts, budget or time are used up, each strategy once per call.
    """

    name: ClassVar[str]
    mends: ClassVar[frozenset[ErrorCode]]
    asks_provider: ClassVar[bool] = True

    @abstractmethod
    def propose(self, situation: Situation) -> Step | Skip:
        """Return the step that this strategy would take now, or why it takes none."""


class FallbackStrategy(ErrorRecoveryStrategy):
    """Sends the call to the next ready provider that was not asked yet, without a wait."""

    name: ClassVar[str] = "fallback"
    mends: ClassVar[frozenset[ErrorCode]] = RETRYABLE | ELSEWHERE

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a step to the first untried provider."""
        if _stays_with_model(situation):
            return Skip(self.name, "the same model is asked once more first")
        if not situation.health.ready:
            return Skip(self.name, "no other provider is ready")
        alternative = next(situation.untried(), None)
        if alternative is None:
            return Skip(self.name, "every ready provider was tried")
        action = f"{situation.asked} → {alternative.target}"
        return situation.step(self.name, alternative.target, 0.0, action)


class RetryStrategy(ErrorRecoveryStrategy):
    """Sends the call again to where it failed, as soon as that place allows.

    The wait is full jitter: drawn evenly from 0 to a cap that grows with each repeat, counted from
    the failure, and never shorter than what the provider asked for.
    """

    name: ClassVar[str] = "retry"
    mends: ClassVar[frozenset[ErrorCode]] = RETRYABLE | ELSEWHERE

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a step to the failed target that may be asked soonest."""
        latest = {failure.target: failure for failure in situation.failures}
        hopeful = [failure for failure in latest.values() if failure.code in RETRYABLE]
        if not hopeful:
            return Skip(self.name, f"trying again does not help against {situation.failure.code}")
        allowed = [failure for failure in hopeful if situation.may_ask(failure.target.provider)]
        if not allowed:
            return Skip(self.name, "every provider had its attempts")
        soonest = min(allowed, key=lambda failure: _wait_s(failure, situation))
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


STRATEGIES: Final[tuple[ErrorRecoveryStrategy, ...]] = (FallbackStrategy(), RetryStrategy())
"""In the order in which they are asked: another ready provider comes before any wait."""


def _stays_with_model(situation: Situation) -> bool:
    return (
        situation.policy.prefer_same_model
        and not situation.history
        and situation.failure.code in _BLIP
        and all(ready.target.model != situation.asked.model for ready in situation.health.ready)
    )


def reserve_s(policy: Policy, rest_s: float) -> float:
    """Return how much of `rest_s` an attempt leaves to a provider not tried yet."""
    return min(rest_s * policy.reserve_share, policy.reserve_max_s)


def _wait_s(failure: Failure, situation: Situation) -> float:
    """Return how long to wait from now before asking again where `failure` happened."""
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
    where = "resend" if target == situation.asked else f"resend to {target}"
    return f"wait {round(delay_s, 2):g}s, {where}" if delay_s else where
