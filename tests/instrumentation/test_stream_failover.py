"""Streams that fail: before the first token another one takes over, after it the error is told."""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.instrumentation.conftest import KEY, QUESTION, Instrument, Recorder, mending

from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery.testing import ScriptedProvider, cut, error, hang, raw, stream

SSE = {"content-type": "text/event-stream"}
EARLY = {
    "status": error(503),
    "reset": cut(),
    "silence": hang(),
    "no-token": stream((), cut_after=0),
    "error-event": raw(headers=SSE, body='data: {"error": {"message": "overloaded"}}\n\n'),
    "nothing": raw(headers=SSE, body="data: [DONE]\n\n"),
}


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Any:
    """Give what reads a whole stream and returns its type, its texts and what it raised."""
    options: dict[str, Any] = {
        "api_key": KEY, "base_url": provider.base_url, "max_retries": 0, "timeout": 1.0,
    }  # fmt: skip
    asked: dict[str, Any] = {"model": "gpt-4o", "messages": QUESTION, "stream": True}

    def sync() -> tuple[str, list[str], Exception | None]:
        with openai.OpenAI(**options) as client:
            texts: list[str] = []
            kind = ""
            try:
                with client.chat.completions.create(**asked) as answer:
                    kind = type(answer).__name__
                    for chunk in answer:
                        texts.extend(_texts(chunk))
            except Exception as failure:  # noqa: BLE001 - the SDK's or the HTTP library's
                return kind, texts, failure
            return kind, texts, None

    async def tasks() -> tuple[str, list[str], Exception | None]:
        async with openai.AsyncOpenAI(**options) as client:
            texts: list[str] = []
            kind = ""
            try:
                async with await client.chat.completions.create(**asked) as answer:
                    kind = type(answer).__name__
                    async for chunk in answer:
                        texts.extend(_texts(chunk))
            except Exception as failure:  # noqa: BLE001 - the SDK's or the HTTP library's
                return kind, texts, failure
            finally:
                choke_point = SWITCH.choke_point
                if choke_point is not None:
                    await choke_point.aclose()
            return kind, texts, None

    return sync if request.param == "sync" else lambda: asyncio.run(tasks())


def _texts(chunk: Any) -> Iterator[str]:
    for choice in chunk.choices:
        if choice.delta.content:
            yield choice.delta.content


@pytest.mark.parametrize("name", EARLY)
def test_stream_that_says_nothing_is_replaced(
    read: Any,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
    name: str,
) -> None:
    """Whatever happens before the first token, the caller reads one whole stream of the SDK."""
    instrument(recovery=mending(provider, backup, max_attempts_per_provider=1))
    provider.default = EARLY[name]
    backup.default = stream(("Ni", "ne"))

    kind, texts, failure = read()

    assert (kind.removeprefix("Async"), texts, failure) == ("Stream", ["Ni", "ne"], None)
    assert (provider.count, backup.count) == (1, 1)
    assert recorder.facts["goldseam.recovery.outcome"] == "recovered"
    assert recorder.leaked == []


def test_stream_that_breaks_later_raises(
    read: Any,
    provider: ScriptedProvider,
    backup: ScriptedProvider,
    instrument: Instrument,
    recorder: Recorder,
) -> None:
    """After the first token nothing is repeated: the caller sees the error, the span is one."""
    instrument(recovery=mending(provider, backup))
    provider.default = stream(("Ni", "ne"), cut_after=1)

    _, texts, failure = read()

    assert texts == ["Ni"]
    assert failure is not None
    assert (provider.count, backup.count) == (1, 0)
    assert recorder.facts["goldseam.error.code"] == "CONNECTION"


@pytest.mark.parametrize("name", ["no-token", "nothing", "error-event"])
def test_stream_that_nobody_mends_is_the_sdks_own(
    read: Any, provider: ScriptedProvider, instrument: Instrument, name: str
) -> None:
    """Where all fails the caller reads what it would have read without Goldseam."""
    provider.default = EARLY[name]
    bare = read()
    instrument(recovery=mending(provider))
    mended = read()

    assert (mended[0], mended[1], type(mended[2])) == (bare[0], bare[1], type(bare[2]))


def test_good_stream_is_untouched(
    read: Any, provider: ScriptedProvider, instrument: Instrument, recorder: Recorder
) -> None:
    """Every chunk arrives once, in order."""
    instrument(recovery=mending(provider))
    provider.default = stream([str(number) for number in range(100)])

    assert read()[1:] == ([str(number) for number in range(100)], None)
    assert provider.count == 1
    assert recorder.facts["goldseam.recovery.outcome"] == "not_needed"
