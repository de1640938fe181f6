"""A provider that keeps failing is left alone: what callers get, what is sent, what is recorded."""

import openai
import pytest
from tests.instrumentation.conftest import Caller, Instrument, Recorder, facts_of, mending

from goldseam.instrumentation import GoldseamInstrumentor
from goldseam.recovery.testing import ScriptedProvider, chat, error, hang


def _break(caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider) -> None:
    """Make ten calls that the provider fails and the backup answers."""
    provider.default, backup.default = error(500), chat("Nine")
    for _ in range(10):
        caller.ask()
    provider.default = chat("from the provider")


def test_failing_provider_is_left_alone(
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """After ten failures the fallback is asked at once; the span says that and why."""
    instrument(recovery=mending(provider, backup))
    _break(caller, provider, backup)
    recorder.finished.clear()

    assert caller.ask().choices[0].message.content == "Nine"
    assert (provider.count, backup.count) == (10, 11)
    assert recorder.tree() == [
        "chat gpt-4o CLIENT request",
        "  recovery fallback INTERNAL recovery_step",
        "    chat llama3.1 CLIENT attempt",
    ]
    assert recorder.facts["goldseam.recovery.outcome"] == "recovered"
    assert "goldseam.retry.count" not in recorder.facts
    assert recorder.events()[0] == (
        "goldseam.recovery.skipped",
        {
            "goldseam.recovery.strategy": "original",
            "goldseam.skip.reason": "the breaker of primary/gpt-4o is open",
        },
    )


def test_attempts_are_counted_exactly(
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """What the providers saw is what the metrics say, also on a detour."""
    instrument(recovery=mending(provider, backup))
    _break(caller, provider, backup)
    backup.script(error(401))
    caller.ask()

    counted = sum(value for _, value in recorder.points("goldseam.client.attempts"))
    assert counted == provider.count + backup.count == 10 + 11 + 1
    assert facts_of(recorder.requests[-1])["goldseam.retry.count"] == 1


def test_error_on_a_detour_is_the_providers_own(
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """If everybody fails, the caller sees the exception of the provider it had asked."""
    instrument(recovery=mending(provider, backup))
    _break(caller, provider, backup)
    provider.default, backup.default = error(503), error(401)

    with pytest.raises(openai.InternalServerError) as raised:
        caller.ask()

    assert raised.value.status_code == 503
    assert facts_of(recorder.requests[-1])["goldseam.error.code"] == "OVERLOADED"
    assert facts_of(recorder.requests[-1])["goldseam.recovery.outcome"] == "failed"
    assert recorder.leaked == []


def test_budget_is_a_gauge(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """The extra attempts that are left can be watched; after the end nothing is shown."""
    instrument(recovery=mending(provider))
    provider.script(error(500), chat("Nine"))
    caller.ask()

    ((attributes, left),) = recorder.points("goldseam.recovery.budget")
    assert attributes == {"gen_ai.provider.name": "primary"}
    assert 119 <= left < 120
    GoldseamInstrumentor().uninstrument()
    assert recorder.points("goldseam.recovery.budget") == []


def test_lone_provider_that_hangs_is_asked_again(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """The deadline is what the SDK's own repeats could have taken: time-out times one and them."""
    instrument(recovery=mending(provider))
    provider.script(hang(), chat("Nine"))

    answer = caller.call(
        "chat.completions.create",
        client={"timeout": 0.3, "max_retries": 2},
        model="gpt-4o",
        messages=[{"role": "user", "content": "?"}],
    )

    assert answer.choices[0].message.content == "Nine"
    assert provider.count == 2


def test_tenant_that_wants_one_model_gets_no_other(
    caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider, instrument: Instrument
) -> None:
    """With `same_model_only` a fallback of another model is none."""
    instrument(recovery=mending(provider, backup, same_model_only=True, max_attempts=2))
    provider.default = error(500)

    with pytest.raises(openai.InternalServerError):
        caller.ask()

    assert (provider.count, backup.count) == (2, 0)
