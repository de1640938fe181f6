"""`AIService` in an application without the server side: answers, clear errors, a light import."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dirty_equals import IsPartialDict
from tests.instrumentation.conftest import Instrument, Recorder, facts_of

from goldseam.instrumentation import SettingsError
from goldseam.instrumentation.service import AIService, AITask
from goldseam.recovery.testing import ScriptedProvider, chat, error, raw

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def settings(
    provider: ScriptedProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """One provider with a model of its own; connections are closed after the test."""
    path = tmp_path / "goldseam.toml"
    path.write_text(
        f'[recovery]\nfallback = ["mine"]\n\n[providers.mine]\nbase_url = "{provider.base_url}"\n'
        'models = { "*" = "small" }\n'
    )
    monkeypatch.setenv("GOLDSEAM_CONFIG", str(path))
    yield
    await AIService.aclose()


async def test_the_providers_of_the_configuration_are_asked(provider: ScriptedProvider) -> None:
    """The fallback's first provider is asked for its own model, with what the call limits."""
    provider.script(chat("nine"))
    response = await AIService.query(
        task=AITask.ANALYSIS, prompt="four plus five?", max_tokens=5, temperature=0.0
    )
    assert (response.content, response.provider) == ("nine", "mine")
    assert provider.requests[0].json == IsPartialDict(model="small", max_tokens=5, temperature=0.0)


async def test_who_asks_is_on_the_span(
    provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """In an instrumented process the call is one span that names tenant, module, user and task."""
    provider.script(chat("nine"))
    instrument()
    response = await AIService.query(
        task="summary", prompt="…", module="news", tenant_id="acme", user_id=7, request_id="r-1"
    )
    assert recorder.facts == IsPartialDict(
        {
            "goldseam.tenant.id": "acme",
            "goldseam.module": "news",
            "goldseam.user.id": "7",
            "goldseam.task": "summary",
            "goldseam.request.id": "r-1",
            "goldseam.provider.name": "mine",
        }
    )
    assert recorder.request.context
    assert response.trace_id == f"{recorder.request.context.trace_id:032x}"
    assert recorder.points("gen_ai.client.operation.duration")[0][1] == 1


async def test_confidence_reaches_the_span(
    provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """How sure the model says that it is, is told where the process's spans go."""
    provider.script(chat('{"type": "invoice", "confidence": 0.9}'))
    instrument()
    await AIService.classify_document(document_content="…", expected_types=["invoice"])
    (annotation,) = recorder.of_type("annotation")
    assert facts_of(annotation)["goldseam.confidence.score"] == 0.9


@pytest.mark.parametrize("mode", ["on", "observe"])
async def test_answers_are_kept(
    provider: ScriptedProvider,
    instrument: Instrument,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """With a cache in the settings the answer of before stands in for a failed call."""
    with (tmp_path / "goldseam.toml").open("a") as settings:
        settings.write("\n[cache]\n")
    monkeypatch.setenv("GOLDSEAM_RECOVERY", mode)
    provider.script(chat("nine"), error(404))
    instrument(recovery=None)
    await AIService.query(task=AITask.ANALYSIS, prompt="…")
    response = await AIService.query(task=AITask.ANALYSIS, prompt="…")
    assert (response.content, response.is_error) == (
        ("nine", False) if mode == "on" else ("", True)
    )


async def test_nothing_is_repeated_unwatched(provider: ScriptedProvider) -> None:
    """Without a database and without instrumentation one request goes out."""
    provider.script(error(500), chat("nine"))
    response = await AIService.query(task=AITask.ANALYSIS, prompt="…")
    assert (response.is_error, response.tokens_used, provider.count) == (True, None, 1)


@pytest.mark.parametrize("body", ['{"error": {"message": "no"}}', '{"choices": []}', "{}"])
async def test_an_answer_without_words_is_an_error(provider: ScriptedProvider, body: str) -> None:
    """A 200 that holds no text is told as an error, not as an empty answer."""
    provider.script(raw(200, headers={"content-type": "application/json"}, body=body))
    response = await AIService.query(task=AITask.ANALYSIS, prompt="…")
    assert (response.is_error, response.content) == (True, "")
    assert "no text" in str(response.error)


@pytest.mark.parametrize(
    ("module", "extra", "options"),
    [
        ("goldseam.collector.exporter", "server", {"db": "postgresql://127.0.0.1/goldseam"}),
        ("openai", "openai", {}),
    ],
)
async def test_a_missing_extra_is_named(
    module: str, extra: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not installed is named with the command that installs it, before anybody is asked."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"pip install 'goldseam\[{extra}\]'"):
        await AIService.query(task=AITask.ANALYSIS, prompt="…", db=options.get("db"))


async def test_a_provider_without_a_model_is_named(
    provider: ScriptedProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service asks for no model by name, so a provider needs one of its own."""
    path = tmp_path / "other.toml"
    path.write_text(
        f'[recovery]\nfallback = ["mine"]\n[providers.mine]\nbase_url = "{provider.base_url}"\n'
    )
    monkeypatch.setenv("GOLDSEAM_CONFIG", str(path))
    with pytest.raises(SettingsError, match=r'\[providers\.mine\] models = \{ "\*" = "…" \}'):
        await AIService.query(task=AITask.ANALYSIS, prompt="…")


async def test_a_wrong_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`GOLDSEAM_ENVIRONMENT` takes two values, and the error lists them."""
    monkeypatch.delenv("GOLDSEAM_CONFIG")
    monkeypatch.setenv("GOLDSEAM_ENVIRONMENT", "staging")
    with pytest.raises(SettingsError, match=r"'staging'.*development, production"):
        await AIService.query(task=AITask.ANALYSIS, prompt="…")
