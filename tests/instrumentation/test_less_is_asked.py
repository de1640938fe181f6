"""A request whose answer would not fit is sent again with the limit that fits."""

import json
from typing import Any

import openai
import pytest
from tests.instrumentation.conftest import Caller, Instrument, Recorder, facts_of, mending

from goldseam.recovery.testing import ScriptedProvider, chat, error
from goldseam.recovery.testing.replies import Usage

TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens "
    "(5000 in the messages, 4000 in the completion)."
)


def test_limit_is_lowered_on_the_wire(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """The prompt goes out whole, the answer is limited; the step says how."""
    instrument(recovery=mending(provider))
    provider.script(
        error(400, code="context_length_exceeded", message=TOO_LONG),
        chat("Nine"),
    )

    assert caller.ask(max_tokens=4000).choices[0].message.content == "Nine"
    first, second = (json.loads(request.body) for request in provider.requests)
    assert second == {**first, "max_tokens": 3192}
    (step,) = recorder.of_type("recovery_step")
    assert facts_of(step)["goldseam.recovery.action"] == "max_tokens 4000 → 3192"
    assert recorder.facts["goldseam.recovery.degraded"] is False


def test_extra_body_keeps_its_place(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """What the application sends in `extra_body` is sent again as well."""
    instrument(recovery=mending(provider))
    provider.script(
        error(400, code="context_length_exceeded", message=TOO_LONG),
        chat("Nine"),
    )

    caller.ask(extra_body={"max_tokens": 4000, "top_k": 3})

    first, second = (json.loads(request.body) for request in provider.requests)
    assert second == {**first, "max_tokens": 3192}
    assert second["top_k"] == 3


LONG = "\n\n".join(f"Paragraph {number} of a long report." for number in range(400))
TOO_MANY = (
    "This model's maximum context length is 3000 tokens. However, your messages resulted in "
    "3600 tokens."
)
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": LONG},
]


@pytest.mark.parametrize(
    ("path", "given", "member"),
    [
        ("chat.completions.create", {"messages": MESSAGES}, "messages"),
        ("responses.create", {"input": MESSAGES, "store": False}, "input"),
    ],
    ids=["chat", "responses"],
)
def test_prompt_is_trimmed_on_the_wire(
    caller: Caller,
    provider: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
    path: str,
    given: dict[str, Any],
    member: str,
) -> None:
    """The shorter prompt goes out once; spans tell sizes and hashes and mark the answer."""
    instrument(recovery=mending(provider, trim=True))
    provider.script(error(400, code="context_length_exceeded", message=TOO_MANY), chat("Nine"))

    assert caller.call(path, model="gpt-4o", **given).model
    first, second = (json.loads(request.body) for request in provider.requests)
    assert {**first, member: None} == {**second, member: None}
    assert second[member][0] == first[member][0]
    assert len(second[member][1]["content"]) < len(LONG)
    (step,) = recorder.of_type("recovery_step")
    told = facts_of(step)
    assert told["goldseam.recovery.strategy"] == "simplify"
    assert told["goldseam.recovery.action"].startswith(f"truncate {len(LONG) + 9}→")
    assert told["goldseam.recovery.prompt.tokens_before"] == 3600
    assert told["goldseam.recovery.prompt.tokens"] <= 2700
    assert len(told["goldseam.recovery.prompt.sha256"]) == 64
    assert told["goldseam.recovery.prompt.sha256"] != recorder.facts["goldseam.prompt.sha256"]
    assert recorder.facts["goldseam.recovery.degraded"] is True
    assert "Paragraph" not in recorder.everything()


def test_prompts_are_left_whole_unless_allowed(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """Without `trim` the provider's error comes out after one request."""
    instrument(recovery=mending(provider))
    provider.default = error(400, code="context_length_exceeded", message=TOO_MANY)

    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        caller.ask(messages=MESSAGES)
    assert provider.count == 1


def test_usage_teaches_how_many_tokens_prompts_have(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """A provider that names a limit and no count is believed by what it counted before."""
    instrument(recovery=mending(provider, trim=True))
    provider.script(
        chat("Nine", usage=Usage(input_tokens=6000)),
        error(400, code="context_length_exceeded", message="maximum context length is 5000"),
        chat("Nine"),
    )

    caller.ask(messages=MESSAGES)
    caller.ask(messages=MESSAGES)

    assert provider.count == 3
    sizes = [len(request.body) for request in provider.requests]
    assert sizes[2] < 0.85 * sizes[1]
