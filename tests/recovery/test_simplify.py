"""Asking for less: only where it helps, by the provider's own numbers, with the prompt whole."""

from typing import Any

import pytest

from goldseam.errors import ErrorCode
from goldseam.recovery import (
    Failure,
    GiveUp,
    Health,
    Policy,
    Provider,
    Request,
    Step,
    Taken,
    Target,
    next_step,
)
from goldseam.recovery.failures import window_of
from goldseam.recovery.providers import PRESETS, ready_alternatives
from goldseam.recovery.testing import chat, error
from goldseam.recovery.values import Alternative

from .conftest import Application

ASKED, BIG = Target("openai", "gpt-4o"), Target("spare", "big")

WINDOWS = (
    ("openai", ("This model's maximum context length is 8192 tokens. However, you requested 9000 "
     "tokens (5000 in the messages, 4000 in the completion)."), (8192, 5000)),
    ("openai-prompt", ("This model's maximum context length is 128000 tokens. However, your "
     "messages resulted in 130001 tokens."), (128000, 130001)),
    ("vllm", ("You passed 3001 input tokens and requested 2000 output tokens. However, the model's "
     "context length is only 4096 tokens"), (4096, 3001)),
    ("anthropic", "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
     (200000, 190000)),
    ("anthropic-prompt", "prompt is too long: 210,000 tokens > 200,000 maximum", (200000, 210000)),
    ("mistral", ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 "
     "maximum context length"), (32768, 40000)),
    ("azure", "Input tokens exceed the configured limit of 272000 tokens.", (272000, None)),
    ("openai-tpm", ("Request too large for gpt-4o in organization org-1 on tokens per min (TPM): "
     "Limit 30000, Requested 31234. The input or output tokens must be reduced"), (30000, 31234)),
    ("nothing", "the prompt is longer than the context", (None, None)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "numbers"), [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS]
)
def test_numbers_are_read_from_the_providers_text(
    text: str, numbers: tuple[int | None, int | None]
) -> None:
    """Window and prompt, where the text says them."""
    assert window_of(text) == numbers


def decide(
    body: dict[str, Any],
    *,
    code: ErrorCode = ErrorCode.CONTEXT_LENGTH,
    ready: tuple[Alternative, ...] = (),
    history: tuple[Taken, ...] = (),
    **numbers: Any,
) -> Step | GiveUp:
    """Return the next step after a failure at second 1."""
    failure = Failure(target=ASKED, code=code, at_s=1.0, **numbers)
    health = Health(started_s=0.0, deadline_s=20.0, ready=ready)
    request = Request(body=body)
    return next_step(failure, history, Policy(), health, now_s=1.0, jitter=0.5, request=request)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_answer_is_limited_to_what_fits(name: str) -> None:
    """Window less prompt; everything else of the request stays."""
    step = decide({name: 4000, "messages": ["whole"]}, limit_tokens=8192, prompt_tokens=5000)

    assert isinstance(step, Step)
    assert (step.strategy, step.target, step.delay_s) == ("simplify", ASKED, 0.0)
    assert step.body == {name: 3192, "messages": ["whole"]}
    assert step.action == f"{name} 4000 → 3192"
    assert not step.degraded


UNFIT: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("prompt-alone-is-too-long", {"max_tokens": 100}, {"limit_tokens": 8, "prompt_tokens": 9}),
    ("no-room-for-a-sentence", {"max_tokens": 100}, {"limit_tokens": 60, "prompt_tokens": 9}),
    ("no-limit-in-the-request", {}, {"limit_tokens": 8192, "prompt_tokens": 5000}),
    ("no-numbers-in-the-text", {"max_tokens": 4000}, {}),
)


@pytest.mark.parametrize(
    ("body", "numbers"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT]
)
def test_nothing_is_sent_that_cannot_fit(body: dict[str, Any], numbers: dict[str, Any]) -> None:
    """Without room for an answer there is no second request."""
    assert isinstance(decide(body, **numbers), GiveUp)


def test_bigger_window_takes_what_is_too_long() -> None:
    """A fallback is asked if its window is known and bigger; others are left alone."""
    numbers: dict[str, Any] = {"limit_tokens": 8192, "prompt_tokens": 9000}
    small, unknown, big = (
        Alternative(Target("a", "small"), window_tokens=8192),
        Alternative(Target("b", "unknown")),
        Alternative(BIG, window_tokens=200_000),
    )
    step = decide({}, ready=(small, unknown, big), **numbers)
    surrender = decide({}, ready=(small, unknown), **numbers)

    assert isinstance(step, Step)
    assert (step.strategy, step.target) == ("fallback", BIG)
    assert isinstance(surrender, GiveUp)
    assert surrender.reason == "no ready provider is known to have a bigger window"


TALK = {"messages": [{"role": "user", "content": "word " * 4000}]}
TRIM = Policy(trim=True)


def trim_step(policy: Policy = TRIM, body: dict[str, Any] | None = None, **facts: Any) -> Any:
    """Decide about a conversation of some 5,400 tokens that does not fit."""
    health = Health(started_s=0.0, deadline_s=20.0, window_tokens=facts.pop("window", None))
    code = facts.pop("code", ErrorCode.CONTEXT_LENGTH)
    request = Request(body=TALK if body is None else body, operation=facts.pop("operation", "chat"))
    failure = Failure(target=ASKED, code=code, at_s=1.0, **facts)
    return next_step(failure, (), policy, health, now_s=1.0, jitter=0.5, request=request)


def test_prompt_is_trimmed_for_those_who_allow_it() -> None:
    """To nine tenths of the limit, marked as degraded, with sizes before and after."""
    step = trim_step(limit_tokens=4000, prompt_tokens=5000)

    assert isinstance(step, Step)
    assert (step.strategy, step.target, step.degraded) == ("simplify", ASKED, True)
    assert step.facts["goldseam.recovery.prompt.tokens_before"] == 5000
    assert 3000 < int(step.facts["goldseam.recovery.prompt.tokens"]) <= 3600
    after = step.facts["goldseam.recovery.prompt.length"]
    assert step.action == f"truncate 20000→{after} chars"
    assert isinstance(trim_step(Policy(), limit_tokens=4000, prompt_tokens=5000), GiveUp)


TRIMS: tuple[tuple[str, dict[str, Any], str | None], ...] = (
    ("window-of-the-settings", {"window": 4600}, None),
    ("minute-limit", {"code": ErrorCode.REQUEST_TOO_LARGE, "limit_tokens": 4600,
     "prompt_tokens": 5000}, None),
    ("estimate-says-it-fits", {"limit_tokens": 9000}, None),
    ("no-limit", {}, "nobody says how much would fit"),
    ("answer-takes-all", {"body": {**TALK, "max_tokens": 4000}, "limit_tokens": 4000},
     "the answer's limit leaves no room for a prompt"),
    ("short", {"body": {"messages": [{"role": "user", "content": "word " * 900}]},
     "limit_tokens": 900}, "the conversation has fewer than 5000 characters"),
    ("half-is-not-enough", {"limit_tokens": 1000, "prompt_tokens": 5000},
     "what may not be touched does not fit either"),
    ("no-conversation", {"operation": "embeddings", "limit_tokens": 4000},
     "a shorter prompt does not help"),
)  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), [row[1:] for row in TRIMS], ids=[r[0] for r in TRIMS])
def test_prompt_is_trimmed_only_where_it_helps(facts: dict[str, Any], reason: str | None) -> None:
    """A limit must be known, and what is left must fit; otherwise the reason is told."""
    step = trim_step(**facts)

    if reason is None:
        assert isinstance(step, Step)
        assert step.degraded
    else:
        assert isinstance(step, GiveUp)
        assert reason in {skip.reason for skip in step.skipped}


def test_bigger_window_comes_before_trimming() -> None:
    """Nothing is left out as long as somebody takes it all."""
    health = Health(
        started_s=0.0, deadline_s=20.0, ready=(Alternative(BIG, window_tokens=200_000),)
    )
    failure = Failure(
        target=ASKED, code=ErrorCode.CONTEXT_LENGTH, limit_tokens=4000, prompt_tokens=5000
    )
    step = next_step(failure, (), TRIM, health, now_s=1.0, jitter=0.5, request=Request(body=TALK))

    assert isinstance(step, Step)
    assert (step.strategy, step.body) == ("fallback", None)


def test_trimming_is_tried_once() -> None:
    """If the shorter prompt is too long as well, the error comes out."""
    failure = Failure(
        target=ASKED, code=ErrorCode.CONTEXT_LENGTH, limit_tokens=4000, prompt_tokens=5000
    )
    step = trim_step(limit_tokens=4000, prompt_tokens=5000)
    health = Health(started_s=0.0, deadline_s=20.0)
    again = next_step(
        failure, (Taken(step, failure),), TRIM, health, now_s=1.0, jitter=0.5,
        request=Request(body=TALK),
    )  # fmt: skip

    assert isinstance(again, GiveUp)


@pytest.mark.parametrize(("limit", "is_sent"), [(10_000, False), (11_000, True)])
def test_prompt_tokens_of_a_call_are_bounded(limit: int, is_sent: bool) -> None:  # noqa: FBT001 - a table
    """A repeat is sent only if both prompts together keep to the bound."""
    policy = Policy(max_prompt_tokens=limit)
    step = trim_step(policy, code=ErrorCode.SERVER_ERROR)

    assert isinstance(step, Step) is is_sent
    if not is_sent:
        assert isinstance(step, GiveUp)
        assert step.reason == "it would pass 10000 prompt tokens for this call"


def test_temperature_is_lowered_after_bad_output() -> None:
    """Half of what the request set, and only if it set one."""
    hot = decide({"temperature": 0.8}, code=ErrorCode.RESPONSE_INVALID)
    silent = decide({}, code=ErrorCode.RESPONSE_INVALID)
    slow = decide({"temperature": 0.8}, code=ErrorCode.TIMEOUT)

    assert isinstance(hot, Step)
    assert isinstance(silent, Step)
    assert isinstance(slow, Step)
    assert (hot.strategy, hot.body) == ("simplify", {"temperature": 0.4})
    assert (silent.strategy, silent.body) == ("retry", None)
    assert (slow.strategy, slow.body) == ("retry", None)


def test_less_is_asked_for_once() -> None:
    """If the smaller request is too big as well, the numbers were wrong."""
    numbers: dict[str, Any] = {"limit_tokens": 8192, "prompt_tokens": 5000}
    step = decide({"max_tokens": 4000}, **numbers)
    assert isinstance(step, Step)
    again = Failure(target=ASKED, code=ErrorCode.CONTEXT_LENGTH, at_s=1.0, **numbers)

    assert isinstance(
        decide({"max_tokens": 4000}, history=(Taken(step, again),), **numbers), GiveUp
    )


def test_window_of_the_settings_reaches_the_plan() -> None:
    """A model's own window stands before that of all others."""
    spare = Provider(
        name="spare", base_url="http://127.0.0.1:1", models={"gpt-4o": "big"},
        windows={"big": 9, "*": 5},
    )  # fmt: skip

    assert [each.window_tokens for each in ready_alternatives([spare], ASKED)] == [9]
    assert [each.window_tokens for each in ready_alternatives([spare], Target("x", "y"))] == [5]


def test_silent_rate_limit_waits_until_the_minute_is_over(app: Application) -> None:
    """OVHcloud counts by the minute and says nothing about it: START is 7 s into a minute."""
    main = Provider(name="main", base_url=app.main.base_url, limit_window_s=60.0)
    app.extra = {"main": main}
    app.timeout_s = 100.0
    app.main.script(error(429), chat("Nine"))

    assert PRESETS["ovhcloud"].limit_window_s == 60.0
    assert app.call() == "Nine"
    assert app.clock.waits == [pytest.approx(53.0)]
