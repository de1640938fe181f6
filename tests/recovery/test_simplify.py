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
