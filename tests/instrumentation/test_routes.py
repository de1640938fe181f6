"""Recovery differs by tenant and module, as the rules say."""

import dataclasses

import openai
import pytest
from tests.instrumentation.conftest import Caller, Instrument, Recorder, mending

from goldseam.instrumentation import context
from goldseam.recovery import Rule
from goldseam.recovery.testing import ScriptedProvider, chat, error


def test_no_other_model_answers_one_tenant(
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """Where the backup has another model, that tenant's call fails and all others' are mended."""
    config = mending(provider, backup, max_attempts_per_provider=1)
    rule = Rule(tenant="acme", policy={"same_model_only": True})
    instrument(recovery=dataclasses.replace(config, rules=(rule,)))
    provider.default = error(503)
    backup.default = chat("Nine")

    with context(tenant_id="acme"), pytest.raises(openai.InternalServerError):
        caller.ask()
    assert backup.count == 0
    with context(tenant_id="other"):
        assert caller.ask().choices[0].message.content == "Nine"
    assert [len(recorder.requests), backup.count] == [2, 1]


def test_one_module_is_mended(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """Recovery may be on for one part of the application and off for the rest."""
    config = mending(provider, mode="off")
    instrument(recovery=dataclasses.replace(config, rules=(Rule(module="chat", mode="on"),)))
    provider.script(error(500), error(500), chat("Nine"))

    with pytest.raises(openai.InternalServerError):
        caller.ask()
    with context(module="chat"):
        assert caller.ask().choices[0].message.content == "Nine"
    assert provider.count == 3
