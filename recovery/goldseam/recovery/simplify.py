"""Asks for less: a lower `max_tokens` where prompt and answer don't fit, or a lower temperature.

Both leave the prompt whole. Providers count what is sent and what may be answered together, and say
both numbers in the error: the room that is left for the answer is known exactly. Pure, like all
strategies; `failures` reads the numbers.
"""

from typing import Any, ClassVar, Final, TypeGuard

from goldseam.errors import ErrorCode
from goldseam.recovery.situation import ONCE_MORE, Situation
from goldseam.recovery.strategies import (
    ErrorRecoveryStrategy,
    FallbackStrategy,
    RetryStrategy,
)
from goldseam.recovery.values import Body, Failure, Skip, Step

MIN_ANSWER_TOKENS: Final = 64
"""A smaller room for the answer is not worth a request: it would end in mid-sentence."""

TEMPERATURE_SHARE: Final = 0.5
"""A repeat after bad output asks for this share of the temperature that the request set."""

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
    RetryStrategy(),
)
"""In the order in which they are asked: what keeps the application's own model comes first, then
another ready provider, before any wait."""
