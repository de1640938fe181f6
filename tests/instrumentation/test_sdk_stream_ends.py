"""Every way in which a stream of an SDK can end, for each wire format that streams: one span."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from tests.instrumentation.conftest import QUESTION, Recorder
from tests.instrumentation.styles import create, entered, make_client, read, sdk_params

from goldseam.recovery.testing import (
    Reply,
    ScriptedProvider,
    completion,
    message,
    response,
    stream,
)

pytestmark = pytest.mark.usefixtures("watched")

TEXT: Final = "one two three four"
CHAT: Final = {"model": "m", "messages": QUESTION, "stream": True}

ASKED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "responses": ("responses", {"model": "m", "input": "four plus five?", "stream": True}),
    "messages": ("messages", {**CHAT, "max_tokens": 9}),
    "completions": ("completions", {"model": "m", "prompt": "four plus five?", "stream": True}),
    "chat": ("chat.completions", CHAT),
}

SURFACES: Final = [
    *sdk_params(["openai"], ("responses",), ("completions",)),
    *sdk_params(["anthropic"], ("messages",)),
    *sdk_params(["groq", "together", "cerebras"], ("chat",)),
]
surfaces = pytest.mark.parametrize(("sdk", "surface"), SURFACES)
kinds = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def _words(surface: str, *, cut_after: int | None = None, gap_s: float = 0.0) -> Reply:
    """Return a stream of four words, whole, cut or slow."""
    match surface:
        case "responses":
            return response(TEXT, cut_after=cut_after, gap_s=gap_s)
        case "messages":
            return message(TEXT, cut_after=cut_after, gap_s=gap_s)
        case "completions":
            return completion(TEXT, cut_after=cut_after)
        case _:
            chunks = ["one", " two", " three", " four"]
            return stream(chunks, cut_after=cut_after, gap_s=gap_s)


@asynccontextmanager
async def _opened(
    sdk: str, surface: str, provider: ScriptedProvider, *, is_async: bool
) -> AsyncIterator[Any]:
    resource, asked = ASKED[surface]
    async with entered(make_client(sdk, provider, is_async=is_async)) as client:
        yield await create(client, resource, asked)


async def _take(answer: Any, count: int) -> None:
    for _ in range(count):
        await anext(answer) if hasattr(answer, "__anext__") else next(answer)


async def _close(answer: Any) -> None:
    closing = answer.close()
    if closing is not None:
        await closing


async def _fail_inside(answer: Any) -> None:
    async with entered(answer) as block:
        await _take(block, 2)
        raise ZeroDivisionError


def _outcome(recorder: Recorder) -> tuple[str, Any]:
    """Return status and error type of the only span, which has ended."""
    assert recorder.leaked == []
    assert len(recorder.finished) == 1
    return recorder.request.status.status_code.name, recorder.facts.get("error.type")


@surfaces
@kinds
def test_read_to_the_end(
    sdk: str, surface: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """The span ends with the last chunk and knows the length of all words and why they ended."""

    async def main() -> None:
        async with _opened(sdk, surface, provider, is_async=is_async) as answer:
            await _take(answer, 3)
            assert recorder.finished == []
            await read(answer)
            assert _outcome(recorder) == ("UNSET", None)

    provider.script(_words(surface))
    asyncio.run(main())

    assert _outcome(recorder) == ("UNSET", None)
    assert recorder.facts["goldseam.response.length"] == len(TEXT)
    assert recorder.facts["gen_ai.response.finish_reasons"] in {("stop",), ("end_turn",)}


@surfaces
@kinds
def test_closed_by_the_caller(
    sdk: str, surface: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """`close()` ends the span at once, without an error."""

    async def main() -> None:
        async with _opened(sdk, surface, provider, is_async=is_async) as answer:
            await _take(answer, 2)
            await _close(answer)
            assert _outcome(recorder) == ("UNSET", None)
            await _close(answer)

    provider.script(_words(surface))
    asyncio.run(main())

    assert _outcome(recorder) == ("UNSET", None)


@surfaces
@kinds
def test_block_left_early(
    sdk: str, surface: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """Leaving the stream's block with an exception of one's own ends the span; it is no error."""

    async def main() -> None:
        async with _opened(sdk, surface, provider, is_async=is_async) as answer:
            with pytest.raises(ZeroDivisionError):
                await _fail_inside(answer)
            assert _outcome(recorder) == ("UNSET", None)

    provider.script(_words(surface))
    asyncio.run(main())

    assert _outcome(recorder) == ("UNSET", None)


@surfaces
@kinds
def test_dropped(
    sdk: str, surface: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """A stream that is left and forgotten ends its span when Python collects it."""

    async def main() -> None:
        async with _opened(sdk, surface, provider, is_async=is_async) as answer:
            await _take(answer, 2)
            http = answer.response
            del answer
            gc.collect()
            assert _outcome(recorder) == ("UNSET", None)
            await http.aclose() if is_async else http.close()

    provider.script(_words(surface))
    asyncio.run(main())

    assert _outcome(recorder) == ("UNSET", None)


@surfaces
@kinds
def test_cut(
    sdk: str, surface: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """A lost connection is an error of that kind, with what had come."""

    async def main() -> None:
        async with _opened(sdk, surface, provider, is_async=is_async) as answer:
            with pytest.raises(Exception, match=r"(?i)connection|peer closed"):
                await read(answer)

    provider.script(_words(surface, cut_after=2))
    asyncio.run(main())

    assert _outcome(recorder)[0] == "ERROR"
    assert recorder.facts["goldseam.error.code"] == "CONNECTION"
    assert recorder.facts["goldseam.response.length"] == len("one two")


@pytest.mark.parametrize(
    ("sdk", "surface"),
    [
        *sdk_params(["openai"], ("responses",)),
        *sdk_params(["anthropic"], ("messages",)),
        *sdk_params(["groq", "together", "cerebras"], ("chat",)),
    ],
)
def test_cancelled(sdk: str, surface: str, provider: ScriptedProvider, recorder: Recorder) -> None:
    """A task cancelled between two chunks ends the span as cancelled."""

    async def main() -> None:
        seen = asyncio.Event()

        async def consume() -> None:
            async with _opened(sdk, surface, provider, is_async=True) as answer:
                await _take(answer, 1)
                seen.set()
                await read(answer)

        task = asyncio.create_task(consume())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    provider.script(_words(surface, gap_s=0.5))
    asyncio.run(main())

    assert _outcome(recorder) == ("ERROR", "asyncio.exceptions.CancelledError")
    assert recorder.facts["goldseam.error.code"] == "CANCELLED"


@pytest.mark.parametrize(
    ("sdk", "surface"),
    [*sdk_params(["openai"], ("responses",)), *sdk_params(["anthropic"], ("messages",))],
)
@kinds
def test_helper_left_early(
    sdk: str, surface: str, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """The SDK's own `stream()` helper ends the span too when its block is left after two events."""

    async def main() -> None:
        resource, asked = ASKED[surface]
        asked = {key: value for key, value in asked.items() if key != "stream"}
        async with entered(make_client(sdk, provider, is_async=is_async)) as client:
            manager = getattr(client, resource).stream(**asked)
            async with entered(manager) as events:
                await _take(events, 2)
            assert _outcome(recorder) == ("UNSET", None)

    provider.script(_words(surface))
    asyncio.run(main())

    assert _outcome(recorder) == ("UNSET", None)


def test_error_inside_a_stream_of_messages(provider: ScriptedProvider, recorder: Recorder) -> None:
    """Anthropic's error event is what the caller sees, named by its type, not by its status 200."""
    anthropic = pytest.importorskip("anthropic")
    provider.script(message(TEXT, fail_after=2))
    base_url = provider.base_url.removesuffix("/v1")

    with (
        anthropic.Anthropic(api_key="k", base_url=base_url, max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
    ):
        list(client.messages.create(model="m", max_tokens=9, messages=QUESTION, stream=True))

    assert _outcome(recorder)[0] == "ERROR"
    assert recorder.facts["goldseam.error.code"] == "OVERLOADED"
    assert recorder.facts["goldseam.response.length"] == len("one two")
