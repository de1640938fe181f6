"""The values that the plan decides on and with.

Frozen and without behaviour beyond small sums: made by `drivers` and `config`, read by `plan` and
`strategies`, shown to `hooks`. Times are monotonic seconds of one clock.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from goldseam.errors import ErrorCode

Strategy = Literal["retry", "simplify", "fallback", "cache"]

MIN_ATTEMPT_S: Final = 0.05
"""Less time than this before the deadline is not worth an attempt: it would only cost money."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        provider: Provider name, for example `openai`.
        model: Model name there; None where the request names none.
    """

    provider: str
    model: str | None = None

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}" if self.model else self.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt.

    Attributes:
        target: Where it failed.
        code: What went wrong.
        rule: Which evidence decided the code.
        retry_after_s: Seconds after `at_s` before which the provider does not want to be asked
            again; None where it said nothing.
        http_status: Status of the answer, None without one.
        at_s: When it failed.
    """

    target: Target
    code: ErrorCode
    rule: str = ""
    retry_after_s: float | None = None
    http_status: int | None = None
    at_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How far recovery goes.

    Attributes:
        max_attempts: Requests sent for one call in all, the original one included.
        max_attempts_per_provider: The same for any one provider.
        backoff_caps_s: Upper bound of the wait before the first, second, … repeat at a provider;
            the last one stands for all later repeats. The wait is drawn evenly from 0 to the cap.
        deadline_s: Time for everything, from the start of the original attempt; None takes the
            caller's own timeout.
        reserve_share: Share of the remaining time that an attempt leaves to a fallback that has
            not been tried yet.
        reserve_max_s: Upper bound of that reserve.
        fallback: Names of the providers to go to, in order.
        prefer_same_model: A single server error or lost connection is repeated at the same
            provider first where every fallback would answer with another model.
    """

    max_attempts: int = 5
    max_attempts_per_provider: int = 3
    backoff_caps_s: tuple[float, ...] = (0.5, 1.0, 2.0)
    deadline_s: float | None = None
    reserve_share: float = 0.25
    reserve_max_s: float = 10.0
    fallback: tuple[str, ...] = ()
    prefer_same_model: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """A provider that is ready to take the call.

    Attributes:
        target: The provider and the model that it would be asked for.
        timeout_s: That provider's own time-out for one attempt; None takes the caller's.
    """

    target: Target
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the plan may not look up itself.

    Attributes:
        started_s: When the original attempt started.
        deadline_s: When everything must be over, on the same clock; None without a limit.
        timeout_s: The caller's time-out for one attempt; None without one.
        ready: Providers that could answer in place of the asked one, in order of preference.
    """

    started_s: float
    deadline_s: float | None
    timeout_s: float | None = None
    ready: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """A strategy that is not tried, and why in a few words."""

    strategy: Strategy
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One recovery action: a wait, which may be none, and one attempt.

    Attributes:
        strategy: The strategy that proposes it.
        number: From 1, over all steps of the call.
        attempt: From 1, over the steps of this strategy.
        target: Where the request goes.
        delay_s: Wait before it.
        timeout_s: Time-out of the attempt; None leaves the client's own.
        action: What is done, short and without content.
        skipped: Strategies passed over on the way to this one.
    """

    strategy: Strategy
    number: int
    attempt: int
    target: Target
    delay_s: float
    timeout_s: float | None
    action: str
    skipped: tuple[Skip, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The decision to raise the original error.

    Attributes:
        reason: Why, in a few words.
        skipped: The strategies that were considered, each with its reason.
    """

    reason: str
    skipped: tuple[Skip, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was run and failed."""

    step: Step
    failure: Failure
