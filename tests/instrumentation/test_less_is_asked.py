"""A request whose answer would not fit is sent again with the limit that fits."""

import json

from tests.instrumentation.conftest import Caller, Instrument, Recorder, facts_of, mending

from goldseam.recovery.testing import ScriptedProvider, chat, error

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
