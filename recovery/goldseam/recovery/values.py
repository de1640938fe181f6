"""The values that the plan decides on and with.

Frozen and without behaviour beyond small sums: made by `drivers` and `config`, read by `plan` and
`strategies`, shown to `hooks`. Times are monotonic seconds of one clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from goldseam.errors import ErrorCode

Body: TypeAlias = Mapping[str, Any]
"""The JSON body of a request or of an answer; read, never changed in place."""

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
class Request:
    """What the application asked for, as far as a strategy may look at it.

    Attributes:
        body: The JSON body.
        operation: What is asked, for example `chat` or `embeddings`.
        is_stream: Whether the answer comes in chunks.
        tenant_id: For whom, where the application says so.
        module: Which part of the application asks, where it says so.
        cache_key: The key that its answer is kept under; None where answers are not kept.
        token_scale: By how much an estimate of its tokens must be multiplied, as learnt so far.
    """

    body: Body = field(default_factory=dict, repr=False)
    operation: str = "chat"
    is_stream: bool = False
    tenant_id: str | None = None
    module: str | None = None
    cache_key: str | None = None
    token_scale: float = 1.0


class Source(Protocol):
    """Answers a step in place of a provider, for example a cache."""

    def read(self, request: Request) -> Body | None:
        """Return the JSON body of an answer, None where there is none."""
        ...

    async def aread(self, request: Request) -> Body | None:
        """Return the same from a task."""
        ...


class NothingFoundError(Exception):
    """A step's source holds no answer to this request."""


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
        limit_tokens: Size of the model's window, where the provider said it.
        prompt_tokens: Tokens of the prompt, where the provider counted them.
        was_sent: Whether a request went there at all; False where its breaker is open.
    """

    target: Target
    code: ErrorCode
    rule: str = ""
    retry_after_s: float | None = None
    http_status: int | None = None
    at_s: float = 0.0
    limit_tokens: int | None = None
    prompt_tokens: int | None = None
    was_sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How far recovery goes.

    Attributes:
        max_attempts: Requests sent for one call in all, the original one included.
        max_attempts_per_provider: The same for any one provider.
        backoff_caps_s: Upper bound of the wait before the first, second, … repeat at a provider;
            the last one stands for all later repeats. The wait is drawn evenly from 0 to the cap.
        deadline_s: Time for everything, from the start of the original attempt; None takes as long
            as the SDK's own repeats could have taken: its time-out times their number and one.
        reserve_share: Share of the remaining time that an attempt leaves to a fallback that has
            not been tried yet.
        reserve_max_s: Upper bound of that reserve.
        fallback: Names of the providers to go to, in order.
        prefer_same_model: A single server error or lost connection is repeated at the same
            provider first where every fallback would answer with another model.
        same_model_only: Nobody else's model may answer: only a provider of the same model.
        trim: A prompt that is too long may be shortened, where nothing else helps.
        trim_over_chars: Shorter conversations than this are never shortened.
        trim_floor_chars: Fewer characters than this are never left of a conversation.
        max_prompt_tokens: Upper bound of the prompt tokens of all requests of a call, estimated;
            the original one is always sent. None sets no bound.
    """

    max_attempts: int = 5
    max_attempts_per_provider: int = 3
    backoff_caps_s: tuple[float, ...] = (0.5, 1.0, 2.0)
    deadline_s: float | None = None
    reserve_share: float = 0.25
    reserve_max_s: float = 10.0
    fallback: tuple[str, ...] = ()
    prefer_same_model: bool = False
    same_model_only: bool = False
    trim: bool = False
    trim_over_chars: int = 5000
    trim_floor_chars: int = 3000
    max_prompt_tokens: int | None = None

    @property
    def counts_tokens(self) -> bool:
        """Whether it matters how many tokens prompts have."""
        return self.trim or self.max_prompt_tokens is not None


@dataclass(frozen=True, slots=True)
class Alternative:
    """A provider that is ready to take the call.

    Attributes:
        target: The provider and the model that it would be asked for.
        timeout_s: That provider's own time-out for one attempt; None takes the caller's.
        window_tokens: Size of that model's window, where the settings say it.
    """

    target: Target
    timeout_s: float | None = None
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the plan may not look up itself.

    Attributes:
        started_s: When the original attempt started.
        deadline_s: When everything must be over, on the same clock; None without a limit.
        timeout_s: The caller's time-out for one attempt; None without one.
        window_tokens: Size of the asked model's window, where the settings say it.
        ready: Providers that could answer in place of the asked one, in order of preference.
        open: Targets with an open breaker, the asked one among them.
        budgets: Extra attempts left, by provider; absent means any number.
    """

    started_s: float
    deadline_s: float | None
    timeout_s: float | None = None
    window_tokens: int | None = None
    ready: tuple[Alternative, ...] = ()
    open: frozenset[Target] = frozenset()
    budgets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip:
    """A strategy that is not tried, and why in a few words."""

    strategy: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One recovery action: a wait, which may be none, and one attempt or one look into a source.

    Attributes:
        strategy: Name of the strategy that proposes it.
        number: From 1, over all steps of the call.
        attempt: From 1, over the steps of this strategy.
        target: Where the request goes.
        delay_s: Wait before it.
        timeout_s: Time-out of the attempt; None leaves the client's own.
        action: What is done, short and without content.
        body: The body to send in place of the application's; None sends that.
        source: Who answers in place of a provider; None sends a request.
        degraded: The answer would be less than what was asked for: a shortened prompt, an old
            answer. Another model is told by the target.
        facts: More for the step's span, by attribute name, without content.
        draws: Whether its request is taken out of the provider's retry budget.
        skipped: Strategies passed over on the way to this one.
    """

    strategy: str
    number: int
    attempt: int
    target: Target
    delay_s: float
    timeout_s: float | None
    action: str
    body: Body | None = field(default=None, repr=False)
    source: Source | None = None
    degraded: bool = False
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    draws: bool = False
    skipped: tuple[Skip, ...] = field(default=(), compare=False)

    @property
    def asks_provider(self) -> bool:
        """Whether the step sends a request: an attempt, which costs money and is counted."""
        return self.source is None


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
