"""Requests and answers that nobody expects: the caller gets what a bare client would give."""

import re
from typing import Any

import openai
import pytest
from tests.instrumentation.conftest import QUESTION, Caller, Instrument, Recorder, facts_of, mending

from goldseam.recovery.testing import ScriptedProvider, raw

JSON = {"content-type": "application/json"}

ANSWERS = {
    "null choices": raw(headers=JSON, body='{"id":"c","choices":null}'),
    "no choices": raw(headers=JSON, body='{"id":"c"}'),
    "choice without message": raw(headers=JSON, body='{"choices":[{"index":0}]}'),
    "null message": raw(headers=JSON, body='{"choices":[{"index":0,"message":null}]}'),
    "choices of numbers": raw(headers=JSON, body='{"choices":[1,2]}'),
    "no usage": raw(
        headers=JSON,
        body='{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}',
    ),
    "usage of text": raw(headers=JSON, body='{"choices":[],"usage":"many"}'),
    "negative usage": raw(
        headers=JSON, body='{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":true}}'
    ),
    "surrogate in the model": raw(headers=JSON, body='{"model":"\\ud800","choices":[]}'),
    "a list": raw(headers=JSON, body="[1,2]"),
    "a number": raw(headers=JSON, body="17"),
    "null": raw(headers=JSON, body="null"),
    "html": raw(headers={"content-type": "text/html"}, body="<html>proxy</html>"),
    "nothing": raw(headers={"content-type": "text/plain"}),
}


@pytest.mark.parametrize("mode", ["off", "on"])
@pytest.mark.parametrize("name", ANSWERS)
def test_odd_answer_is_passed_on(
    name: str, mode: str, caller: Caller, provider: ScriptedProvider, recorder: Recorder,
    instrument: Instrument,
) -> None:  # fmt: skip
    """Where the provider has nothing better the caller gets the same as without Goldseam."""
    provider.default = ANSWERS[name]
    bare = _told(caller)
    instrument(recovery=mending(provider, mode=mode))

    assert _told(caller) == bare
    assert recorder.leaked == []
    assert len(recorder.requests) == 1
    recorder.everything().encode()


def _told(caller: Caller) -> Any:
    try:
        answer = caller.ask()
    except Exception as error:  # noqa: BLE001 - whatever the SDK makes of it
        return type(error), str(error)
    return type(answer), str(answer)


def test_messages_that_can_be_read_once_are_sent(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """A generator of messages reaches the provider whole."""
    instrument(recovery=mending(provider))

    caller.ask(messages=(message for message in QUESTION))

    assert provider.requests[0].json["messages"] == QUESTION


def test_sdk_objects_as_messages(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """An earlier answer can be handed back as a message; its text counts as input."""
    instrument()
    earlier = caller.ask().choices[0].message

    caller.ask(messages=[*QUESTION, earlier, *QUESTION])

    assert len(provider.requests[1].json["messages"]) == 3
    text = f"{QUESTION[0]['content']}\nok\n{QUESTION[0]['content']}"
    facts = facts_of(recorder.requests[1])
    assert facts["goldseam.prompt.length"] == len(text)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": True},
        {"temperature": "warm"},
        {"max_tokens": 2**70},
        {"seed": "7"},
        {"n": None},
        {"response_format": "json"},
        {"service_tier": 5},
        {"messages": "just text"},
        {"messages": []},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": ["bare", {"type": "text"}]}]},
        {"model": ""},
        {"extra_body": {"model": None}},
        {"extra_headers": {"X-Nothing": openai.Omit()}},
        {"timeout": None},
    ],
    ids=lambda options: re.sub(r" object at 0x\w+", "", str(options)),
)
def test_odd_request_is_sent_as_it_is(
    options: dict[str, Any], caller: Caller, provider: ScriptedProvider, recorder: Recorder,
    instrument: Instrument,
) -> None:  # fmt: skip
    """A parameter of a wrong type is the provider's to judge; the span leaves it out."""
    caller.ask(**options)
    instrument(recovery=mending(provider))

    caller.ask(**options)

    bare, watched = provider.requests
    assert bare.body == watched.body
    assert len(recorder.requests) == 1
    assert recorder.request.name in {"chat", "chat gpt-4o"}


UNREACHABLE = {
    "nobody listens": ("http://127.0.0.1:9/v1", ("[Errno 111] ", "All connection attempts failed")),
    "no such name": ("http://nowhere.invalid/v1", ("[Errno -",)),
    "no scheme": ("nowhere.invalid/v1", ("Request URL is missing an",)),
}


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("case", UNREACHABLE)
def test_lost_connection_tells_what_broke_it(case: str, caller: Caller, recorder: Recorder) -> None:
    """The SDK's own text is the same for a closed port, an unknown name and a wrong address."""
    base_url, reasons = UNREACHABLE[case]

    with pytest.raises(openai.APIConnectionError, match=r"^Connection error\.$"):
        caller.ask(client={"base_url": base_url})

    assert recorder.facts["goldseam.error.code"] == "CONNECTION"
    told = recorder.request.status.description or ""
    assert told.removeprefix("Connection error: ").startswith(reasons)
