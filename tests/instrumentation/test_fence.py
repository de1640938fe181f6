"""Goldseam's own faults never reach the application's call, and the call is made exactly once."""

import asyncio
from typing import Any

import openai
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from tests.instrumentation.conftest import QUESTION, Caller, Instrument, Recorder, mending

from goldseam.instrumentation import _asked, _guard
from goldseam.recovery.testing import ScriptedProvider, chat, error

pytestmark = pytest.mark.usefixtures("faults_expected")


class OurFaultError(Exception):
    """Stands for a bug of Goldseam."""


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    raise OurFaultError


def test_fault_is_warned_of_once(
    provider: ScriptedProvider, instrument: Instrument, client: openai.OpenAI,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A fault is one warning that names its place and nothing of the call."""
    instrument()
    monkeypatch.setattr(_asked, "canonical_text", _fail)
    for _ in range(3):
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    (warning,) = [record.getMessage() for record in caplog.records]
    assert "Invocation._facts_of_recorded (OurFaultError at" in warning
    assert "four plus five" not in warning


def test_interrupts_are_the_applications(recorder: Recorder) -> None:
    """The fence stops faults, not cancellation or interrupts."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _guard.fenced(interrupt)()


def test_broken_span_processor_is_not_the_callers_problem(
    provider: ScriptedProvider, instrument: Instrument, client: openai.OpenAI, recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Telemetry that raises while a span ends changes no answer."""
    instrument()
    monkeypatch.setattr(recorder, "on_end", _fail)
    recorder.tracer_provider.add_span_processor(recorder)
    provider.script(chat("Nine"))

    answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    assert answer.choices[0].message.content == "Nine"


def test_suppressed_instrumentation_passes_through(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """Under OpenTelemetry's suppression there is no span and no recovery."""
    instrument(recovery=mending(provider))
    provider.script(error(500))

    with suppress_instrumentation(), pytest.raises(openai.InternalServerError):
        caller.ask()

    assert provider.count == 1
    assert recorder.finished == []


def test_thrown_away_coroutine_is_quiet(
    provider: ScriptedProvider, recorder: Recorder, instrument: Instrument,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A call whose coroutine is closed from outside ends its span without log noise."""
    instrument()

    async def throw_away() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=provider.base_url) as client:
            call: Any = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
            call.send(None)
            call.close()

    asyncio.run(throw_away())

    assert recorder.leaked == []
    assert "detach" not in caplog.text
