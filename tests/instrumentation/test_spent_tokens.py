"""What a call cost is the sum of all answers that came, good or not."""

import json
from typing import Any

from tests.instrumentation.conftest import Caller, Instrument, Recorder, facts_of, mending

from goldseam.recovery.testing import Reply, ScriptedProvider, chat, raw
from goldseam.recovery.testing.replies import Usage


def empty(prompt_tokens: int) -> Reply:
    """Return an answer without choices that was paid for."""
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 1, "total_tokens": 9}
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    return raw(
        headers={"content-type": "application/json"},
        body=json.dumps({**body, "choices": [], "usage": usage}),
    )


def test_usage_is_the_sum_over_attempts(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """The request tells the sum, each attempt its own; the metric agrees with the request."""
    instrument(recovery=mending(provider))
    provider.script(empty(20), chat("Nine", usage=Usage(input_tokens=22, output_tokens=3)))

    assert caller.ask().choices[0].message.content == "Nine"
    facts = recorder.facts
    assert facts["gen_ai.usage.input_tokens"] == 42
    assert facts["gen_ai.usage.output_tokens"] == 4
    last = facts_of(recorder.of_type("attempt")[-1])
    assert last["gen_ai.usage.input_tokens"] == 22


def test_usage_of_calls_that_fail_is_told(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """Two bad answers were paid for although nothing good came; neither counts twice."""
    instrument(recovery=mending(provider))
    provider.script(empty(20), empty(22))

    assert caller.ask().choices == []
    assert recorder.facts["goldseam.error.code"] == "RESPONSE_INVALID"
    assert recorder.facts["gen_ai.usage.input_tokens"] == 42
    assert recorder.facts["gen_ai.usage.output_tokens"] == 2
