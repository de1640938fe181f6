"""What strategies decide on: the failures of a call so far, and what may still be done about them.

`plan` makes a `Situation` for every decision and every strategy looks at the same one. Pure: no
clock, no randomness, no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from goldseam.errors import ErrorCode
from goldseam.recovery.tokens import estimated_prompt_tokens
from goldseam.recovery.values import (
    Alternative,
    Body,
    Failure,
    Health,
    Policy,
    Request,
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

ONCE_MORE: Final = frozenset({ErrorCode.RESPONSE_INVALID})
"""A model's bad output: asked once more at the same place, at once, then elsewhere."""

ELSEWHERE: Final = frozenset({ErrorCode.QUOTA_EXCEEDED, ErrorCode.AUTH, ErrorCode.NOT_FOUND})
"""Trying again there is hopeless; another provider may answer."""

BIGGER: Final = frozenset({ErrorCode.CONTEXT_LENGTH, ErrorCode.REQUEST_TOO_LARGE})
"""Only where more fits into one request is the same one taken."""

_PER_MODEL: Final = frozenset({ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED, ErrorCode.NOT_FOUND})
"""Another model on the same host may be spared: limits, capacity and absence are per model."""

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
        """The failures of all requests: the original one, sent or not, and those of the steps."""
        sent = (taken.failure for taken in self.history if taken.step.asks_provider)
        return (self.failure, *sent)

    @property
    def latest(self) -> tuple[Failure, ...]:
        """The last failure of every target."""
        return tuple({failure.target: failure for failure in self.failures}.values())

    @property
    def attempts_left(self) -> int:
        """How many more requests the policy allows."""
        return self.policy.max_attempts - sum(failure.was_sent for failure in self.failures)

    @property
    def prompt_tokens_sent(self) -> float:
        """About how many prompt tokens all requests so far took."""
        bodies = [taken.step.body for taken in self.history if taken.step.asks_provider]
        original = [None] * self.failure.was_sent
        return sum(map(self.prompt_tokens, [*original, *bodies]))

    def prompt_tokens(self, body: Body | None = None) -> float:
        """Return about how many tokens a prompt takes; None means the application's."""
        estimated = estimated_prompt_tokens(self.request.body if body is None else body)
        return estimated * self.request.token_scale

    def window_of(self, target: Target) -> int | None:
        """Return the size of a target's window, None where the settings do not say it."""
        if target == self.asked:
            return self.health.window_tokens
        sizes = (ready.window_tokens for ready in self.health.ready if ready.target == target)
        return next(sizes, None)

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
        return sum(
            failure.was_sent and failure.target.provider == provider for failure in self.failures
        )

    def may_ask(self, target: Target) -> bool:
        """Return whether policy and budget allow one more request to `target`."""
        return self.attempts_at(
            target.provider
        ) < self.policy.max_attempts_per_provider and self.can_afford(target)

    def can_afford(self, target: Target) -> bool:
        """Return whether the retry budget has room, or is not asked."""
        return not self.draws(target) or self.health.budgets.get(target.provider, 1.0) >= 1

    def draws(self, target: Target) -> bool:
        """Return whether a request to `target` is taken out of its provider's budget.

        The first request of a call to a place is free, unless its breaker is open; the asked one
        may be asked once even then, for it would have been asked anyway.
        """
        was_asked = any(failure.was_sent and failure.target == target for failure in self.failures)
        return was_asked or (target in self.health.open and target != self.asked)

    def repeatable(self) -> list[Failure]:
        """Return the last failures of those targets where the same request may still help."""
        return [
            failure
            for failure in self.latest
            if self._is_worth_a_repeat(failure) and self.may_ask(failure.target)
        ]

    def _is_worth_a_repeat(self, failure: Failure) -> bool:
        if failure.code in ONCE_MORE:
            same = (past for past in self.failures if past.target == failure.target)
            return sum(past.code in ONCE_MORE for past in same) == 1
        return failure.code in RETRYABLE or not failure.was_sent

    def untried(self) -> Iterator[Alternative]:
        """Yield the ready providers that were not asked yet and may be, in order."""
        tried = {failure.target for failure in self.failures}
        for alternative in self.health.ready:
            target = alternative.target
            account_is_fine = all(
                failure.code in _PER_MODEL
                for failure in self.failures
                if failure.was_sent and failure.target.provider == target.provider
            )
            if (
                target not in tried
                and account_is_fine
                and self._fits(alternative)
                and self.may_ask(target)
            ):
                yield alternative

    def _fits(self, alternative: Alternative) -> bool:
        """Tell whether the request may fit there: always, unless it was too long elsewhere."""
        if all(failure.code not in BIGGER for failure in self.failures):
            return True
        if alternative.window_tokens is None:
            return False
        known = (failure.limit_tokens or 0 for failure in self.failures)
        needed = (failure.prompt_tokens or 0 for failure in self.failures)
        return alternative.window_tokens > max(*known, *needed, 0, 0)

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
        others = [ready.target for ready in self.untried() if ready.target != target]
        if not self.failure.was_sent and target != self.asked:
            others.append(self.asked)
        has_next = self.attempts_left > 1 and bool(others)
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
            draws=source is None and self.draws(target),
        )


def reserve_s(policy: Policy, rest_s: float) -> float:
    """Return how much of `rest_s` an attempt leaves to a provider not tried yet."""
    return min(rest_s * policy.reserve_share, policy.reserve_max_s)
