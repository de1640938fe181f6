"""Asks for less: a lower `max_tokens`, a lower temperature, or, where allowed, a shorter prompt.

The first two leave the prompt whole. Providers count what is sent and what may be answered
together, and say both numbers in the error: the room that is left for the answer is known exactly.
A shorter prompt is the last resort and off unless the policy allows it. Pure, like all strategies;
`failures` reads the numbers.
"""

from typing import Any, ClassVar, Final, TypeGuard

from goldseam.errors import ErrorCode
from goldseam.recovery.situation import BIGGER, ONCE_MORE, Situation
from goldseam.recovery.strategies import (
    ErrorRecoveryStrategy,
    FallbackStrategy,
    RetryStrategy,
)
from goldseam.recovery.trimming import Trimmed, conversation_chars, trimmed
from goldseam.recovery.values import Body, Failure, Policy, Skip, Step
from goldseam.semconv import attributes as names

MIN_ANSWER_TOKENS: Final = 64
"""A smaller room for the answer is not worth a request: it would end in mid-sentence."""

TEMPERATURE_SHARE: Final = 0.5
"""A repeat after bad output asks for this share of the temperature that the request set."""

FILL_SHARE: Final = 0.9
"""A shortened prompt fills this share of what fits: token counts are estimates."""

_OVERFLOWS: Final = frozenset({ErrorCode.CONTEXT_LENGTH})
_ANSWER_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class SimplifyStrategy(ErrorRecoveryStrategy):
    """Sends the same prompt again and asks for less."""

    name: ClassVar[str] = "simplify"
    mends: ClassVar[frozenset[ErrorCode]] = _OVERFLOWS | ONCE_MORE

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a step where the latest failure is one that asking for less can mend."""
        failure = situation.failures[-1]
        if any(taken.step.strategy == self.name for taken in situation.history):
            return Skip(self.name, "less was asked for already")
        if not failure.was_sent or not situation.may_ask(failure.target):
            return Skip(self.name, f"{failure.target} had its attempts")
        body = situation.request.body
        change = _cooler(body) if failure.code in ONCE_MORE else _shorter(body, failure)
        if change is None:
            return Skip(self.name, "there is nothing to lower")
        name, before, after = change
        return situation.step(
            self.name,
            failure.target,
            0.0,
            f"{name} {before:g} → {after:g}",
            body={**body, name: after},
        )


class TrimStrategy(ErrorRecoveryStrategy):
    """Sends a shorter prompt where the whole one fits nowhere, if the policy allows it."""

    name: ClassVar[str] = "simplify"
    mends: ClassVar[frozenset[ErrorCode]] = BIGGER

    def applies(self, policy: Policy) -> bool:
        """Tell whether prompts may be shortened."""
        return policy.trim

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a step with the oldest turns and the middle of the longest text left out."""
        failure = situation.failures[-1]
        if situation.request.operation != "chat" or failure.code not in BIGGER:
            return Skip(self.name, "a shorter prompt does not help")
        if any(taken.step.degraded for taken in situation.history):
            return Skip(self.name, "the prompt was shortened already")
        if not failure.was_sent or not situation.may_ask(failure.target):
            return Skip(self.name, f"{failure.target} had its attempts")
        shorter = _trimmed(situation, failure)
        if isinstance(shorter, str):
            return Skip(self.name, shorter)
        return situation.step(
            self.name,
            failure.target,
            0.0,
            f"truncate {shorter.chars_before}→{shorter.chars_after} chars",
            body=shorter.body,
            degraded=True,
            facts={
                names.RECOVERY_PROMPT_LENGTH: shorter.chars_after,
                names.RECOVERY_PROMPT_TOKENS: shorter.tokens_after,
                names.RECOVERY_PROMPT_TOKENS_BEFORE: shorter.tokens_before,
                names.RECOVERY_PROMPT_CUT_SHARE: round(shorter.cut_share, 4),
            },
        )


def _trimmed(situation: Situation, failure: Failure) -> Trimmed | str:
    """Return the shortened request, or why there is none."""
    last = situation.last_sent(failure.target)
    body = last.body if last and last.body is not None else situation.request.body
    limit = failure.limit_tokens or situation.window_of(failure.target)
    if limit is None:
        return "nobody says how much would fit"
    answer = _answer_tokens(body)
    room = FILL_SHARE * limit - answer
    if room <= 0:
        return "the answer's limit leaves no room for a prompt"
    policy = situation.policy
    if conversation_chars(body) < policy.trim_over_chars:
        return f"the conversation has fewer than {policy.trim_over_chars} characters"
    shorter = trimmed(
        body,
        target_tokens=room,
        tokens_before=_tokens_before(situation, failure, body, limit - answer),
        floor_chars=policy.trim_floor_chars,
    )
    return shorter or "what may not be touched does not fit either"


def _tokens_before(situation: Situation, failure: Failure, body: Body, too_few: float) -> float:
    """Return the prompt's size: the provider's count, else an estimate, more than what fits."""
    counted = failure.prompt_tokens
    if counted is not None:
        counted -= _answer_tokens(body) if failure.code is ErrorCode.REQUEST_TOO_LARGE else 0
    return max(counted or situation.prompt_tokens(body), too_few)


def _answer_tokens(body: Body) -> int:
    limits = (body.get(name) for name in _ANSWER_LIMITS)
    return next((int(limit) for limit in limits if _is_number(limit)), 0)


def _cooler(body: Body) -> tuple[str, float, float] | None:
    """Return a lower temperature, where the request set one: some models refuse any."""
    temperature = body.get("temperature")
    if not _is_number(temperature) or temperature <= 0:
        return None
    return "temperature", temperature, round(temperature * TEMPERATURE_SHARE, 3)


def _shorter(body: Body, failure: Failure) -> tuple[str, int, int] | None:
    """Return the answer limit that fits beside the prompt, by the numbers of the provider."""
    if failure.limit_tokens is None or failure.prompt_tokens is None:
        return None
    room = failure.limit_tokens - failure.prompt_tokens
    for name in _ANSWER_LIMITS:
        asked = body.get(name)
        if _is_number(asked) and MIN_ANSWER_TOKENS <= room < asked:
            return name, int(asked), room
    return None


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


STRATEGIES: Final[tuple[ErrorRecoveryStrategy, ...]] = (
    SimplifyStrategy(),
    FallbackStrategy(),
    TrimStrategy(),
    RetryStrategy(),
)
"""In the order in which they are asked: what keeps the application's own model and prompt comes
first, then another ready provider, before any wait; a shorter prompt only after them."""
