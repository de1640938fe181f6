"""Recovery with every SDK: who owns the repeats, who may step in, and what is never repeated."""

import asyncio
import importlib
import subprocess
import sys
from typing import Any, Final, Literal

import pytest
from tests.instrumentation.conftest import KEY, QUESTION, Instrument, Recorder, facts_of
from tests.instrumentation.styles import (
    PACKAGES,
    create,
    entered,
    make_client,
    method,
    needs,
    sdk_params,
    settle,
)

from goldseam.instrumentation import GoldseamInstrumentor
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery import Policy, Provider, RecoveryConfig
from goldseam.recovery.testing import (
    Reply,
    ScriptedProvider,
    chat,
    error,
    message,
    message_error,
    response,
)

ASKED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "openai": ("responses", {"model": "m", "input": "four plus five?", "store": False}),
    "anthropic": ("messages", {"model": "m", "max_tokens": 9, "messages": QUESTION}),
    "groq": ("chat.completions", {"model": "m", "messages": QUESTION}),
    "together": ("chat.completions", {"model": "m", "messages": QUESTION}),
    "cerebras": ("chat.completions", {"model": "m", "messages": QUESTION}),
}
kinds = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def _nine(sdk: str) -> Reply:
    if sdk == "openai":
        return response("Nine")
    return message("Nine") if sdk == "anthropic" else chat("Nine")


def _call(sdk: str, provider: ScriptedProvider, *, is_async: bool, **options: Any) -> Any:
    """Ask with an SDK's default repeats; return the answer."""
    resource, asked = ASKED[sdk]

    async def main() -> Any:
        async with entered(make_client(sdk, provider, is_async=is_async, max_retries=2)) as client:
            try:
                return await create(client, resource, {**asked, **options})
            finally:
                choke_point = SWITCH.choke_point
                if choke_point is not None:
                    await choke_point.aclose()

    return asyncio.run(main())


def _mending(*fallback: Provider) -> RecoveryConfig:
    return RecoveryConfig(
        mode="on",
        policy=Policy(backoff_caps_s=(0.01,), fallback=tuple(each.name for each in fallback)),
        providers={each.name: each for each in fallback},
    )


@pytest.mark.parametrize("sdk", sdk_params(ASKED))
@kinds
def test_retry_is_ours_and_visible(
    sdk: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder,  # noqa: FBT001 - a parameter
    instrument: Instrument,
) -> None:  # fmt: skip
    """429, then 500, then an answer: three requests, each an attempt of ours, none of the SDK."""
    instrument(recovery=_mending())
    provider.script(error(429), error(500), _nine(sdk))

    answer = _call(sdk, provider, is_async=is_async)

    assert "Nine" in str(answer)
    assert type(answer).__module__.startswith(PACKAGES[sdk].package)
    assert provider.count == 3
    assert [facts_of(each).get("goldseam.error.code") for each in recorder.of_type("attempt")] == [
        "RATE_LIMIT",
        "SERVER_ERROR",
        None,
    ]
    assert recorder.facts["goldseam.retry.count"] == 2
    assert recorder.facts["goldseam.recovery.outcome"] == "recovered"
    assert recorder.leaked == []


@pytest.mark.parametrize("sdk", sdk_params(ASKED))
@kinds
def test_failure_for_good_is_the_first_error(
    sdk: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder,  # noqa: FBT001 - a parameter
    instrument: Instrument,
) -> None:  # fmt: skip
    """Where nothing helps, the caller gets the SDK's exception of the first attempt."""
    instrument(recovery=_mending())
    provider.script(error(503, message="first"), error(500), error(500))

    with pytest.raises(Exception, match="first") as raised:
        _call(sdk, provider, is_async=is_async)

    assert type(raised.value).__module__.startswith(PACKAGES[sdk].package)
    assert (provider.count, recorder.facts["goldseam.recovery.outcome"]) == (3, "failed")


@pytest.mark.parametrize("sdk", sdk_params(ASKED))
@kinds
def test_fallback_speaks_the_same_api(
    sdk: str, is_async: bool, provider: ScriptedProvider, backup: ScriptedProvider,  # noqa: FBT001 - a parameter
    recorder: Recorder, instrument: Instrument,
) -> None:  # fmt: skip
    """A call goes to the provider of its own API, with nothing of the application's client."""
    own: Literal["openai", "anthropic"] = "anthropic" if sdk == "anthropic" else "openai"
    base_urls = {"openai": backup.base_url, "anthropic": backup.base_url.removesuffix("/v1")}
    with ScriptedProvider() as stranger:
        wrong = Provider(
            name="wrong",
            base_url=stranger.base_url,
            api="openai" if own == "anthropic" else "anthropic",
        )
        right = Provider(name="right", base_url=base_urls[own], api=own, models={"m": "m-there"})
        instrument(recovery=_mending(wrong, right))
        provider.script(error(500))
        backup.script(_nine(sdk))

        answer = _call(
            sdk,
            provider,
            is_async=is_async,
            extra_headers={"X-Secret": "mine", "anthropic-beta": "b"},
        )

        assert stranger.count == 0
    assert "Nine" in str(answer)
    (sent,) = backup.requests
    (asked,) = provider.requests
    assert sent.json == {**asked.json, "model": "m-there"}
    assert KEY not in str(sent.headers)
    assert "x-secret" not in sent.headers
    assert sent.headers["anthropic-beta"] == "b"
    assert recorder.facts["goldseam.recovery.provider.name"] == "right"
    assert recorder.tree() == [
        "chat m CLIENT request",
        "  chat m CLIENT attempt ERROR SERVER_ERROR",
        "  recovery fallback INTERNAL recovery_step",
        "    chat m-there CLIENT attempt",
    ]


def test_fallback_of_a_beta_call_stays_beta(
    provider: ScriptedProvider, backup: ScriptedProvider, instrument: Instrument
) -> None:
    """What `beta` says about a request goes with it to another provider."""
    anthropic = pytest.importorskip("anthropic")
    right = Provider(name="right", base_url=backup.base_url.removesuffix("/v1"), api="anthropic")
    instrument(recovery=_mending(right))
    provider.script(message_error(529))

    with anthropic.Anthropic(api_key=KEY, base_url=provider.base_url.removesuffix("/v1")) as client:
        answer = client.beta.messages.create(
            model="m", max_tokens=9, messages=QUESTION, betas=["new-thing"]
        )

    assert type(answer) is anthropic.types.beta.BetaMessage
    assert backup.requests[0].headers["anthropic-beta"] == "new-thing"


UNREPEATED: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "response that is kept": ("openai", "responses.create", {"model": "m", "input": "x"}),
    "response in the background": (
        "openai", "responses.create",
        {"model": "m", "input": "x", "store": False, "background": True},
    ),
    "response of a conversation": (
        "openai", "responses.create",
        {"model": "m", "input": "x", "store": False, "conversation": "conv_1"},
    ),
    "response with tools that act": (
        "openai", "responses.create",
        {"model": "m", "input": "x", "store": False, "tools": [
            {"type": "function", "name": "f", "parameters": {}, "strict": True},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ]},
    ),
    "image": ("openai", "images.generate", {"model": "m", "prompt": "x"}),
    "message in a container": (
        "anthropic", "messages.create",
        {"model": "m", "max_tokens": 9, "messages": QUESTION, "container": "c_1"},
    ),
    "batch": ("anthropic", "messages.batches.create", {"requests": []}),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs(row[0])) for name, row in UNREPEATED.items()]
)
@kinds
def test_what_has_effects_is_left_to_the_sdk(
    name: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder,  # noqa: FBT001 - a parameter
    instrument: Instrument,
) -> None:  # fmt: skip
    """A request that may leave something behind is not repeated by us; the SDK does as always."""
    sdk, path, asked = UNREPEATED[name]
    instrument(recovery=_mending())
    provider.script(*[error(500)] * 3)

    async def main() -> None:
        async with entered(make_client(sdk, provider, is_async=is_async, max_retries=1)) as client:
            await settle(method(client, path)(**asked))

    with pytest.raises(Exception, match=r"500|server|error"):
        asyncio.run(main())

    assert provider.count == 2
    assert recorder.of_type("attempt") == []
    assert recorder.facts["goldseam.retry.count"] == 1
    assert recorder.facts["goldseam.recovery.outcome"] == "skipped"


def test_harmless_tools_do_not_hinder(
    provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """Tools that the application runs, or that only read, may be asked for again."""
    instrument(recovery=_mending())
    provider.script(error(500), response("Nine"))
    tools = [
        {"type": "function", "name": "f", "parameters": {}, "strict": True},
        {"type": "web_search"},
    ]

    answer = _call("openai", provider, is_async=False, tools=tools)

    assert answer.output_text == "Nine"
    assert recorder.facts["goldseam.recovery.outcome"] == "recovered"


def test_one_span_beside_the_sdks_own_tracing(
    provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """Anthropic's SDK traces its calls by itself; a call that we watch has one span, ours."""
    anthropic = pytest.importorskip("anthropic")
    options: dict[str, Any] = {
        "api_key": KEY,
        "base_url": provider.base_url.removesuffix("/v1"),
        "max_retries": 0,
        "open_telemetry": {"tracer_provider": recorder.tracer_provider},
    }
    asked = ASKED["anthropic"][1]
    with anthropic.Anthropic(**options) as client:
        client.messages.create(**asked)
        bare = [span.name for span in recorder.finished]
        recorder.finished.clear()
        instrument(recovery=_mending())
        provider.script(message_error(500), message("Nine"))

        client.messages.create(**asked)

    assert bare == ["anthropic.messages.create"]
    assert {
        span.instrumentation_scope.name for span in recorder.finished if span.instrumentation_scope
    } == {"goldseam.instrumentation"}
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("sdk", sdk_params(ASKED))
def test_uninstrument_leaves_nothing(sdk: str, instrument: Instrument) -> None:
    """Each SDK's own functions are back."""
    base = importlib.import_module(PACKAGES[sdk].base_module)
    owners = base.SyncAPIClient, base.AsyncAPIClient
    before = [vars(owner)["request"] for owner in owners]
    instrument()
    watched = [vars(owner)["request"] for owner in owners]

    GoldseamInstrumentor().uninstrument()

    assert all(hasattr(each, "__wrapped__") for each in watched)
    assert [vars(owner)["request"] for owner in owners] == before


PROGRAM: Final = """
from goldseam.instrumentation import instrument; instrument()
import {package}._base_client as base
import sys
print(hasattr(base.SyncAPIClient.request, "__wrapped__"), "openai" in sys.modules)
"""


@pytest.mark.parametrize("sdk", sdk_params(sdk for sdk in ASKED if sdk != "openai"))
def test_sdk_imported_later_is_watched(sdk: str) -> None:
    """An SDK that comes after `instrument()` is watched, and no other SDK is loaded for it."""
    program = PROGRAM.format(package=PACKAGES[sdk].package)

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.split() == ["True", "False"]
