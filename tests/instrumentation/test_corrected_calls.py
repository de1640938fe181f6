"""A correction of the playbook mends the calls of a running application."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.instrumentation.conftest import Caller, Instrument, Recorder, facts_of, mending
from tests.recovery.playbook_server import PlaybookServer, document, entry

from goldseam.errors import classify, evidence_from_exception
from goldseam.errors.fingerprint import error_pattern, fingerprint
from goldseam.recovery.extras import CacheConfig, PlaybookConfig
from goldseam.recovery.playbook import MIN_APPLICATIONS
from goldseam.recovery.testing import ScriptedProvider, chat, error

RETIRED = "Unsupported value: this parameter is retired"


@pytest.fixture
def server() -> Iterator[PlaybookServer]:
    """Serve a playbook."""
    made = PlaybookServer()
    yield made
    made.close()


class Correcting:
    """Instruments an application whose playbook the test writes."""

    def __init__(
        self,
        instrument: Instrument,
        server: PlaybookServer,
        provider: ScriptedProvider,
        backup: ScriptedProvider,
    ) -> None:
        self._instrument = instrument
        self._server = server
        self._providers = (provider, backup)

    def on(self, *, mode: str = "on", **more: Any) -> None:
        """Switch recovery on, with a playbook that has no correction yet."""
        playbook = PlaybookConfig(url=self._server.url, interval_s=0.01)
        config = dataclasses.replace(
            mending(*self._providers, mode=mode), playbook=playbook, **more
        )
        self._instrument(recovery=config)

    def correct(self, pattern: str, **config: Any) -> None:
        """Enable a correction on the server and wait until it is in force."""
        self._server.body = document(entry(error_pattern=pattern, config=config))
        self._server.wait_for_next()


@pytest.fixture
def correcting(
    instrument: Instrument,
    server: PlaybookServer,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
) -> Correcting:
    """Give a switch for recovery with a playbook."""
    return Correcting(instrument, server, provider, backup)


def pattern_of(caught: BaseException, message: str, provider: str = "primary") -> str:
    """Return the pattern that rows of this failure are filed under."""
    code = classify(evidence_from_exception(caught)).code
    return error_pattern(code, provider, fingerprint(message))


def failing(caller: Caller, message: str) -> str:
    """Make a call that fails and return its pattern."""
    with pytest.raises(openai.OpenAIError) as raised:
        caller.ask()
    return pattern_of(raised.value, message)


def test_calls_succeed_once_the_document_changes(
    correcting: Correcting,
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    recorder: Recorder,
) -> None:
    """A pattern fails, somebody enables a fallback for it, and the same calls are mended."""
    correcting.on()
    provider.default = error(400, message=RETIRED)
    backup.default = chat("Nine")
    pattern = failing(caller, RETIRED)
    recorder.finished.clear()

    correcting.correct(pattern, strategy="fallback", provider="backup", model="llama3.1")
    answer = caller.ask()

    assert answer.choices[0].message.content == "Nine"
    assert recorder.facts["goldseam.correction.id"] == "c1"
    assert recorder.facts["goldseam.recovery.outcome"] == "recovered"
    assert recorder.facts["goldseam.recovery.provider.name"] == "backup"
    (step,) = recorder.of_type("recovery_step")
    assert facts_of(step)["goldseam.correction.id"] == "c1"
    assert facts_of(step)["goldseam.recovery.strategy"] == "fallback"
    assert recorder.tree() == [
        "chat gpt-4o CLIENT request",
        "  chat gpt-4o CLIENT attempt ERROR INVALID_REQUEST",
        "  recovery fallback INTERNAL recovery_step",
        "    chat llama3.1 CLIENT attempt",
    ]


def test_pattern_is_the_collectors(
    correcting: Correcting, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """What the collector files a failure under is what the application looks up."""
    mapping = pytest.importorskip("goldseam.collector.mapping.outcome", exc_type=ImportError)
    provider.default = error(400, message=RETIRED)
    correcting.on()

    pattern = failing(caller, RETIRED)

    facts, status = recorder.facts, recorder.request.status
    first = mapping.FirstError(code=facts["goldseam.error.code"], message=str(status.description))
    filed = mapping.pattern_of(first, provider=facts["goldseam.provider.name"], tenant_id="default")
    assert filed.error_pattern == pattern


def test_correction_lowers_max_tokens(
    correcting: Correcting, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """The same provider is sent the same request with a smaller answer."""
    correcting.on()
    provider.script(error(400, message=RETIRED), error(400, message=RETIRED), chat("Nine"))
    pattern = failing(caller, RETIRED)

    correcting.correct(pattern, strategy="simplify", max_tokens=64)
    caller.ask(max_tokens=4096)

    sent = [json.loads(request.body).get("max_tokens") for request in provider.requests]
    assert sent == [None, 4096, 64]
    assert facts_of(recorder.requests[-1])["goldseam.recovery.strategy"] == "simplify"


def test_correction_waits_and_sends_again(
    correcting: Correcting, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """A failure that is never repeated by itself is repeated where somebody knows better."""
    correcting.on()
    provider.script(error(400, message=RETIRED), error(400, message=RETIRED), chat("Nine"))
    pattern = failing(caller, RETIRED)

    correcting.correct(pattern, strategy="retry", delay_s=0.01)
    caller.ask()

    (step,) = recorder.of_type("recovery_step")
    assert facts_of(step)["goldseam.recovery.action"] == "correction: wait 0.01s, resend"


def test_no_correction_asks_again_after_a_refused_key(
    correcting: Correcting,
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    recorder: Recorder,
) -> None:
    """A wrong key stays wrong: the usual fallback follows."""
    correcting.on()
    provider.default = error(401)
    backup.default = chat("Nine")
    caller.ask()
    told = dict(recorder.events())["goldseam.original_error"]
    pattern = f"AUTH:primary:{fingerprint(told['exception.message']).key}"
    before = provider.count

    correcting.correct(pattern, strategy="retry", delay_s=0)
    caller.ask()

    assert provider.count == before + 1
    reasons = [dict(event.attributes or {}) for event in recorder.requests[-1].events]
    assert {
        "goldseam.recovery.strategy": "retry",
        "goldseam.skip.reason": "no correction asks again after AUTH",
    } in reasons


def test_unreached_provider_stays_unreached(
    correcting: Correcting, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """A correction cannot send data to a provider that is not in the application's fallback."""
    correcting.on()
    provider.default = error(400, message=RETIRED)
    pattern = failing(caller, RETIRED)
    recorder.finished.clear()

    correcting.correct(pattern, strategy="fallback", provider="openai")
    failing(caller, RETIRED)

    reasons = [facts.get("goldseam.skip.reason") for _name, facts in recorder.events()]
    assert "openai is not ready in this application's fallback" in reasons
    assert "goldseam.correction.id" not in recorder.facts


def test_observing_only_tells_of_the_correction(
    correcting: Correcting, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """In `observe` mode a correction is named and not applied."""
    correcting.on(mode="observe")
    provider.default = error(400, message=RETIRED)
    pattern = failing(caller, RETIRED)
    recorder.finished.clear()

    correcting.correct(pattern, strategy="retry", delay_s=1)
    failing(caller, RETIRED)

    reasons = [facts.get("goldseam.skip.reason") for _name, facts in recorder.events()]
    assert reasons == ["observe only; would correction: wait 1s, resend"]


def test_useless_correction_is_reported_and_left_out(
    correcting: Correcting, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """After ten failures the correction is off: a metric and an event say so."""
    correcting.on()
    provider.default = error(400, message=RETIRED)
    pattern = failing(caller, RETIRED)
    correcting.correct(pattern, strategy="retry", delay_s=0)

    for _ in range(MIN_APPLICATIONS):
        failing(caller, RETIRED)
    last = recorder.requests[-1]
    recorder.finished.clear()
    failing(caller, RETIRED)

    assert "goldseam.correction.switched_off" in [event.name for event in last.events]
    assert recorder.points("goldseam.correction.switched_off") == [
        ({"goldseam.correction.id": "c1"}, 1)
    ]
    assert recorder.of_type("recovery_step") == []


def test_correction_reads_the_cache_first(
    correcting: Correcting,
    caller: Caller,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    recorder: Recorder,
) -> None:
    """With `cache`, a known answer comes before any other provider."""
    correcting.on(cache=CacheConfig())
    provider.script(chat("Nine"))
    caller.ask()
    provider.default = error(400, message=RETIRED)
    with pytest.raises(openai.OpenAIError) as raised:
        caller.ask(temperature=1)
    pattern = pattern_of(raised.value, RETIRED)

    correcting.correct(pattern, strategy="cache")
    answer = caller.ask()

    assert answer.choices[0].message.content == "Nine"
    facts = facts_of(recorder.requests[-1])
    assert (facts["goldseam.correction.id"], facts["goldseam.cache.hit"]) == ("c1", True)
    assert backup.count == 0


def test_playbook_server_that_is_away_changes_no_call(
    instrument: Instrument, caller: Caller, provider: ScriptedProvider
) -> None:
    """Calls do not wait for the playbook, and succeed without it."""
    config = dataclasses.replace(
        mending(provider), playbook=PlaybookConfig(url="http://127.0.0.1:9/")
    )
    instrument(recovery=config)
    provider.script(error(500), chat("Nine"))

    assert caller.ask().choices[0].message.content == "Nine"
