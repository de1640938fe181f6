"""Answers with status 200 that are none: asked once more, then elsewhere, else as they came."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.instrumentation.conftest import Caller, Instrument, Recorder, mending

from goldseam.recovery.testing import Reply, ScriptedProvider, chat, cut, error, raw

JSON = {"content-type": "application/json"}


def body(**fields: Any) -> Reply:
    """Return a chat completion with other fields."""
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    return raw(headers=JSON, body=json.dumps({**whole, **fields}))


def choice(finish_reason: str = "stop", **message: Any) -> Reply:
    """Return a chat completion with one choice."""
    told = {"role": "assistant", "content": None, **message}
    return body(choices=[{"index": 0, "message": told, "finish_reason": finish_reason}])


BAD: dict[str, Callable[[], Reply]] = {
    "no-choices": body,
    "choices-null": lambda: body(choices=None),
    "empty-content": lambda: choice(content=""),
    "no-content": choice,
    "finish-reason-error": lambda: choice("error", content="half an answ"),
    "error-in-body": lambda: body(choices=None, error={"message": "no", "code": "server_error"}),
    "html": lambda: raw(headers={"content-type": "text/html"}, body="<html>Log in</html>"),
    "cut-json": lambda: raw(headers=JSON, body='{"id": "1", "choices": [{"mess'),
    "cut-body": lambda: cut("mid_body"),
    "tool-use-failed": lambda: error(400, code="tool_use_failed"),
}
bad = pytest.mark.parametrize("name", BAD)


@bad
def test_bad_answer_is_asked_once_more(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, name: str
) -> None:
    """One more request brings the answer, at the same provider."""
    instrument(recovery=mending(provider))
    provider.script(BAD[name](), chat("Nine"))

    assert caller.ask().choices[0].message.content == "Nine"
    assert provider.count == 2


def test_second_bad_answer_goes_elsewhere(
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """A model that fails twice gives way to another; every request is counted."""
    instrument(recovery=mending(provider, backup))
    provider.default = choice(content="")
    backup.script(chat("Nine"))

    assert caller.ask().choices[0].message.content == "Nine"
    assert (provider.count, backup.count) == (2, 1)
    assert sum(value for _, value in recorder.points("goldseam.client.attempts")) == 3


def test_bad_answer_comes_out_where_nothing_helps(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """The caller gets the SDK's own object, as without Goldseam; the span says what is wrong."""
    instrument(recovery=mending(provider))
    provider.default = choice(content="")

    assert caller.ask().choices[0].message.content == ""
    assert provider.count == 2
    assert recorder.facts["goldseam.error.code"] == "RESPONSE_INVALID"
    assert recorder.facts["goldseam.recovery.outcome"] == "failed"


def test_html_comes_out_as_the_sdk_gives_it(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """The SDK returns the page as a text, and so do we."""
    instrument(recovery=mending(provider))
    provider.default = BAD["html"]()

    assert caller.ask() == "<html>Log in</html>"
    assert recorder.facts["goldseam.error.code"] == "RESPONSE_INVALID"


def test_error_in_the_body_is_told_by_its_own_code(
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """An in-band rate limit is a rate limit: another provider answers at once."""
    instrument(recovery=mending(provider, backup))
    provider.script(body(choices=None, error={"message": "slow down", "code": 429}))
    backup.script(chat("Nine"))

    assert caller.ask().choices[0].message.content == "Nine"
    assert provider.count == 1
    name, facts = recorder.events()[0]
    assert (name, facts["goldseam.error.code"]) == (
        "goldseam.original_error",
        "RATE_LIMIT",
    )


GOOD: dict[str, Callable[[], Reply]] = {
    "length": lambda: choice("length", content=""),
    "filtered": lambda: choice("content_filter", content=""),
    "refusal": lambda: choice(refusal="I cannot help with that."),
    "tool-calls": lambda: choice(
        "tool_calls",
        tool_calls=[
            {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
        ],
    ),
    "reasoning": lambda: choice(content="", reasoning_content="Let me think."),
}


@pytest.mark.parametrize("name", GOOD)
def test_answer_without_text_may_be_one(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, name: str
) -> None:
    """A refusal, a tool call or a limit is what the model had to say."""
    instrument(recovery=mending(provider))
    provider.default = GOOD[name]()

    caller.ask()

    assert provider.count == 1


@pytest.mark.parametrize(
    ("name", "error_type", "code"),
    [
        ("html", "unusable_answer", "RESPONSE_INVALID"),
        ("empty-content", "unusable_answer", "RESPONSE_INVALID"),
        ("no-choices", "unusable_answer", "RESPONSE_INVALID"),
        ("error-in-body", "error_in_body", "SERVER_ERROR"),
    ],
)
@pytest.mark.parametrize("mode", ["off", "observe", "on"])
def test_bad_answer_is_an_error_in_every_mode(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder,
    name: str, error_type: str, code: str, mode: str,
) -> None:  # fmt: skip
    """The span says what is wrong, whether or not anybody would mend it."""
    instrument(recovery=mending(provider, mode=mode))
    provider.default = BAD[name]()

    caller.ask()

    assert recorder.leaked == []
    assert recorder.request.status.status_code.name == "ERROR"
    assert recorder.facts["error.type"] == error_type
    assert recorder.facts["goldseam.error.code"] == code


@pytest.mark.parametrize("name", ["empty-content", "cut-json"])
def test_nothing_is_judged_unless_recovery_is_on(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, name: str
) -> None:
    """Observing sends nothing more."""
    instrument(recovery=mending(provider, mode="observe"))
    provider.default = BAD[name]()

    try:
        caller.ask()
    except Exception:  # noqa: BLE001 - whatever the SDK raises
        assert provider.count == 1
    assert provider.count == 1


def test_observing_tells_of_bad_answers_and_asks_nobody(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """The caller gets what came; the span tells what would have been done."""
    instrument(recovery=mending(provider, mode="observe"))
    provider.default = choice(content="")

    assert caller.ask().choices[0].message.content == ""
    assert provider.count == 1
    told = [facts.get("goldseam.skip.reason") for _, facts in recorder.events()]
    assert "observe only; would resend" in told
