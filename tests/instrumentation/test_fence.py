"""Goldseam's own faults never reach the application's call, and the call is made exactly once."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from tests.instrumentation.conftest import QUESTION, Caller, Instrument, Recorder, mending

from goldseam.instrumentation import (
    _context,
    _endpoint,
    _fault,
    _guard,
    _invocation,
    _raw,
    _recovery,
    _request,
    _sdk,
    _steps,
    _streams,
)
from goldseam.instrumentation._formats import _chat
from goldseam.recovery.testing import ScriptedProvider, chat, error, stream

PLACES = [
    (_sdk, "options_of"),
    (_sdk, "format_of"),
    (_sdk, "is_instrumentation_enabled"),
    (_sdk, "end_collected"),
    (_sdk, "original_timeout_s"),
    (_sdk, "_fitting"),
    (_sdk, "is_raw"),
    (_sdk, "follow"),
    (_sdk.ChokePoint, "_watches"),
    (_sdk, "SentRequest"),
    (_sdk, "Invocation"),
    (_sdk, "Mender"),
    (_endpoint.Endpoints, "of"),
    (_endpoint, "recognise"),
    (_invocation, "call_attributes"),
    (_invocation, "canonical_text"),
    (_invocation, "sha256"),
    (_invocation, "log_id"),
    (_invocation, "without_own_baggage"),
    (_invocation, "sdk_retries"),
    (_invocation.Invocation, "stop"),
    (_invocation.Invocation, "stop_with"),
    (_invocation.Invocation, "fail"),
    (_invocation.Invocation, "texts"),
    (_invocation.Invocation, "count_attempt"),
    (_invocation.Invocation, "_metric_attributes"),
    (_invocation.Repair, "attributes"),
    (_request.SentRequest, "first"),
    (_request.SentRequest, "again"),
    (_request.SentRequest, "private_texts"),
    (_context, "_text"),
    (_fault, "from_exception"),
    (_fault, "safe_message"),
    (_fault.Fault, "attributes"),
    (_recovery, "recover"),
    (_recovery, "arecover"),
    (_recovery.Mender, "step"),
    (_recovery.Mender, "endpoint"),
    (_recovery, "attempt_attributes"),
    (_steps, "attempt_attributes"),
    (_steps.StepSpan, "_attributes"),
    (_steps.AttemptSpan, "describe"),
    (_raw, "follow_raw"),
    (_streams, "notice_close"),
    (_streams, "when_collected"),
    (_streams.StreamEnd, "_is_complete"),
    (_streams.StreamEnd, "_stop"),
    (_chat.ChatFormat, "request_attributes"),
    (_chat.ChatFormat, "prompt_parts"),
    (_chat.ChatFormat, "read"),
    (_chat.ChatFormat, "tally"),
    (_chat.ChatTally, "add"),
    (_chat.ChatTally, "complete"),
]

pytestmark = pytest.mark.usefixtures("faults_expected")


class OurFaultError(Exception):
    """Stands for a bug of Goldseam."""


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    raise OurFaultError


@pytest.fixture(
    params=PLACES, ids=lambda place: f"{place[0].__name__.rpartition('.')[2]}.{place[1]}"
)
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Break one internal function when called."""
    owner, name = request.param
    return lambda: monkeypatch.setattr(owner, name, _fail)


def test_answer_comes_through(
    broken: Callable[[], None], provider: ScriptedProvider, instrument: Instrument, caller: Caller
) -> None:
    """Whatever of ours breaks, the answer is the provider's and was asked for once."""
    instrument(recovery=mending(provider))
    broken()
    provider.script(chat("Nine"))

    assert caller.ask().choices[0].message.content == "Nine"
    assert provider.count == 1


def test_exception_comes_through(
    broken: Callable[[], None], provider: ScriptedProvider, instrument: Instrument, caller: Caller
) -> None:
    """Whatever of ours breaks, a hopeless error is the SDK's own and was provoked once."""
    instrument(recovery=mending(provider))
    broken()
    provider.script(error(400, message="No."))

    with pytest.raises(openai.BadRequestError, match=r"No\."):
        caller.ask()
    assert provider.count == 1


def test_mendable_failure_stays_decent(
    broken: Callable[[], None], provider: ScriptedProvider, instrument: Instrument, caller: Caller
) -> None:
    """With recovery broken, the caller gets the mended answer or the original error, no other."""
    instrument(recovery=mending(provider))
    broken()
    provider.script(error(500, message="The first."), chat("Nine"))

    try:
        outcome = caller.ask().choices[0].message.content
    except openai.InternalServerError as original:
        outcome = str(original.body)

    assert outcome == "Nine" or "The first." in outcome


def test_stream_comes_through(
    broken: Callable[[], None], provider: ScriptedProvider, instrument: Instrument,
    client: openai.OpenAI,
) -> None:  # fmt: skip
    """Whatever of ours breaks, every chunk arrives."""
    instrument()
    broken()
    provider.script(stream(("one", " two")))

    answer: Any = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)

    assert text == "one two"
    assert provider.count == 1


def test_fault_is_warned_of_once(
    provider: ScriptedProvider, instrument: Instrument, client: openai.OpenAI,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A fault is one warning that names its place and nothing of the call."""
    instrument()
    monkeypatch.setattr(_invocation, "canonical_text", _fail)
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
