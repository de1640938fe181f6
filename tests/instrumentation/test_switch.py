"""Switching on and off: import order, repetition, exact restoration, zero-code start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import openai._base_client as base
import pytest
import wrapt
from tests.instrumentation.conftest import KEY, QUESTION, Caller, Instrument, Recorder

from goldseam.instrumentation import (
    GoldseamInstrumentor,
    SettingsError,
    _settings,
    instrument,
    uninstrument,
)
from goldseam.recovery.testing import ScriptedProvider, chat, error

BIN = Path(sys.executable).parent

PROGRAM = """
from openai import OpenAI

with OpenAI() as client:
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "four plus five?"}]
    )
    print(answer.choices[0].message.content)
"""


def _methods() -> tuple[Any, Any]:
    return vars(base.SyncAPIClient)["request"], vars(base.AsyncAPIClient)["request"]


def test_uninstrument_leaves_nothing(
    caller: Caller, recorder: Recorder, instrument: Instrument
) -> None:
    """The SDK's own functions are back, and later calls give no span."""
    before = _methods()
    instrument()
    assert all(isinstance(each, wrapt.FunctionWrapper) for each in _methods())

    GoldseamInstrumentor().uninstrument()

    assert _methods() == before
    assert not any(hasattr(each, "__wrapped__") for each in _methods())
    caller.ask()
    assert recorder.finished == []


def test_instrument_again_after_uninstrument(
    caller: Caller, recorder: Recorder, instrument: Instrument
) -> None:
    """Off and on again watches once."""
    instrument()
    GoldseamInstrumentor().uninstrument()
    instrument()

    caller.ask()

    assert len(recorder.finished) == 1


def test_instrument_twice_watches_once(
    caller: Caller, recorder: Recorder, instrument: Instrument
) -> None:
    """The second `instrument()` changes nothing."""
    instrument()
    instrument()

    caller.ask()

    assert len(recorder.finished) == 1


def test_wrapper_put_over_ours_survives_uninstrument(
    client: openai.OpenAI, recorder: Recorder, instrument: Instrument,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What others put on top of us stays theirs, ours underneath is idle, and we can come back."""
    instrument()
    with monkeypatch.context() as patched:
        theirs = wrapt.FunctionWrapper(_methods()[0], _pass_on)
        patched.setattr(base.SyncAPIClient, "request", theirs)
        GoldseamInstrumentor().uninstrument()
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert _methods()[0] is theirs
        assert recorder.finished == []

    instrument()
    client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert len(recorder.finished) == 1


def _pass_on(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def test_stands_aside_where_another_wrapper_sits(
    client: openai.OpenAI, recorder: Recorder, instrument: Instrument,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A method that is wrapped already is left alone, with a warning that says what to do."""
    theirs = wrapt.FunctionWrapper(_methods()[0], _pass_on)
    monkeypatch.setattr(base.SyncAPIClient, "request", theirs)

    instrument(recovery="on")
    client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    assert _methods()[0] is theirs
    assert recorder.tree() == ["chat gpt-4o CLIENT request"]  # seen on the wire
    assert "SyncAPIClient.request is wrapped already" in caplog.text


def test_wrong_setting_says_what_is_right() -> None:
    """A wrong argument is refused with the right ones."""
    with pytest.raises(SettingsError, match=r"recovery='sometimes'.*off, observe, on"):
        instrument(recovery="sometimes")
    with pytest.raises(TypeError, match=r"'colour'.*meter_provider, .*recovery, .*tracer_provider"):
        GoldseamInstrumentor().instrument(colour="gold")
    assert not GoldseamInstrumentor().is_instrumented_by_opentelemetry


def test_wrong_environment_leaves_recovery_off(caplog: pytest.LogCaptureFixture) -> None:
    """A typing error in the environment is logged; the application starts all the same."""
    settings = _settings.read(environ={"GOLDSEAM_RECOVERY": "yes"})

    assert settings.recovery is not None
    assert settings.recovery.mode == "off"
    assert "GOLDSEAM_RECOVERY" in caplog.text


def test_door_instruments_and_uninstruments(provider: ScriptedProvider, recorder: Recorder) -> None:
    """The two functions of the door do what the class does."""
    instrument(tracer_provider=recorder.tracer_provider, recovery="off")
    try:
        with openai.OpenAI(api_key=KEY, base_url=provider.base_url) as client:
            client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    finally:
        uninstrument()

    assert recorder.tree() == ["chat gpt-4o CLIENT request"]


def _run(*command: str, **environ: str) -> str:
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OPENAI_API_KEY": KEY, **environ},
    )
    return done.stdout


IMPORT_PROBE = """
import json, sys, threading
opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event.startswith("socket.") else None)
import opentelemetry.sdk.trace, opentelemetry.sdk.metrics
before = set(sys.modules)
import goldseam.instrumentation
goldseam.instrumentation.instrument()
new = set(sys.modules) - before
heavy = "openai anthropic groq together cerebras httpx httpx2 pydantic".split()
heavy += "sqlalchemy psycopg fastapi starlette typer rich grpc".split()
print(json.dumps({
    "heavy": [name for name in heavy if name in sys.modules],
    "threads": threading.active_count(),
    "sockets": opened,
    "own": len([name for name in new if name.startswith("goldseam")]),
}))
"""


def test_import_is_light() -> None:
    """Importing and switching on loads no SDK, no server package, and opens nothing."""
    found = json.loads(_run(sys.executable, "-c", IMPORT_PROBE))

    assert found["heavy"] == []
    assert (found["threads"], found["sockets"]) == (1, [])
    assert found["own"] <= 80


@pytest.mark.parametrize("order", ["before", "after"])
def test_import_order_does_not_matter(order: str, provider: ScriptedProvider) -> None:
    """The SDK may be imported before or after `instrument()`."""
    lines = ["import openai", "from goldseam.instrumentation import instrument; instrument()"]
    lines = lines if order == "before" else lines[::-1]
    check = "print(hasattr(openai._base_client.SyncAPIClient.request, '__wrapped__'))"

    assert _run(sys.executable, "-c", "\n".join([*lines, check])).strip() == "True"


def test_no_sdk_is_fine() -> None:
    """Without any SDK installed, switching on and off does nothing and says nothing."""
    program = """
import sys
for name in "openai", "anthropic", "groq", "together", "cerebras":
    sys.modules[name] = None
from goldseam.instrumentation import instrument, uninstrument
instrument(); uninstrument()
print("fine")
"""
    assert _run(sys.executable, "-W", "error", "-c", program).strip() == "fine"


def test_zero_code_start_gives_spans(provider: ScriptedProvider, tmp_path: Path) -> None:
    """`opentelemetry-instrument python app.py` mends and shows an unchanged program's calls."""
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)
    provider.script(error(500), chat("Nine"))

    output = _run(
        str(BIN / "opentelemetry-instrument"), sys.executable, str(program),
        OPENAI_BASE_URL=provider.base_url, GOLDSEAM_RECOVERY="on", OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none",
    )  # fmt: skip

    assert "Nine" in output.splitlines()
    for expected in ('"goldseam.span.type": "request"', '"recovery retry"', '"goldseam.log.id"'):
        assert expected in output
    assert provider.count == 2
