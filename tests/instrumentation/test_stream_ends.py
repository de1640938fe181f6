"""Streams: the caller's object stays the SDK's, and its span ends once, with the right outcome."""

import asyncio
import gc
from typing import Any

import openai
import pytest
from tests.instrumentation.conftest import KEY, QUESTION, Caller, Recorder, mending

from goldseam.instrumentation import _streams, uninstrument
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery.testing import ScriptedProvider, chat, error, raw, stream

WORDS = ("one", " two", " three", " four")

pytestmark = pytest.mark.usefixtures("watched")


def _open(client: openai.OpenAI, **options: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True, **options)


def _outcome(recorder: Recorder) -> tuple[str, Any]:
    """Return status and `error.type` of the only request span; nothing may be left open."""
    assert recorder.leaked == []
    return recorder.request.status.status_code.name, recorder.facts.get("error.type")


class TestSync:
    """`openai.OpenAI`."""

    def test_finished_stream_tells_everything(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Usage, finish reason, length and the time to the first chunk stand on the span."""
        provider.script(stream(WORDS))

        chunks = list(_open(client, stream_options={"include_usage": True}))

        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == "one two three four"
        assert _outcome(recorder) == ("UNSET", None)
        facts = recorder.facts
        assert facts["gen_ai.request.stream"] is True
        assert facts["gen_ai.response.finish_reasons"] == ("stop",)
        assert facts["goldseam.response.length"] == len(text)
        assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"]) == (9, 3)
        assert 0 < facts["gen_ai.response.time_to_first_chunk"] < 5
        assert len(recorder.points("gen_ai.client.operation.time_to_first_chunk")) == 1

    def test_stream_is_still_the_sdks(
        self, client: openai.OpenAI, provider: ScriptedProvider
    ) -> None:
        """Type, `next`, `response`, `with` and `close` are what they were."""
        provider.script(stream(WORDS))

        with _open(client) as answer:
            assert type(answer) is openai.Stream
            assert next(answer).choices[0].delta.role == "assistant"
            assert answer.response.status_code == 200
        assert answer.response.is_closed

    def test_no_usage_is_no_zero(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Without `include_usage` there are no token attributes, and the request is unchanged."""
        provider.script(stream(WORDS))

        list(_open(client))

        assert not [key for key in recorder.facts if key.startswith("gen_ai.usage")]
        assert "stream_options" not in provider.requests[0].json

    def test_close_is_no_error(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Closing early ends the span with what had come."""
        provider.script(stream(WORDS))
        answer = _open(client)
        next(answer)
        next(answer)

        answer.close()

        assert _outcome(recorder) == ("UNSET", None)
        assert recorder.facts["goldseam.response.length"] == len("one")
        assert answer.response.is_closed

    def test_break_and_drop_is_no_error(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A plain break ends the span when the stream is collected."""
        provider.script(stream(WORDS))
        answer = _open(client)
        for _ in answer:
            break

        del answer
        gc.collect()

        assert _outcome(recorder) == ("UNSET", None)

    def test_break_out_of_with_is_no_error(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Leaving the block closes the stream, and with it the span."""
        provider.script(stream(WORDS))

        with _open(client) as answer:
            for _ in answer:
                break

        assert _outcome(recorder) == ("UNSET", None)

    def test_callers_own_error_is_not_the_providers(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An exception of the application inside the loop is no failure of the call."""
        provider.script(stream(WORDS))

        def stumble() -> None:
            with _open(client) as answer:
                1 / len(next(answer).choices[0].delta.content)

        with pytest.raises(ZeroDivisionError):
            stumble()

        assert _outcome(recorder) == ("UNSET", None)

    def test_stream_that_is_never_read_ends(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A dropped stream ends its span without one chunk."""
        provider.script(stream(WORDS))

        _open(client)
        gc.collect()

        assert _outcome(recorder) == ("UNSET", None)
        assert "gen_ai.response.time_to_first_chunk" not in recorder.facts

    def test_lost_connection_is_an_error(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A cut stream raises the SDK's own error, and the span tells it with what had come."""
        provider.script(stream(WORDS, cut_after=2))

        with pytest.raises(Exception, match=r"(?i)connection|peer closed") as raised:
            list(_open(client))

        kind = type(raised.value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        assert _outcome(recorder) == ("ERROR", name)
        assert recorder.facts["goldseam.error.code"] == "CONNECTION"
        assert recorder.facts["goldseam.response.length"] == len("one two")

    def test_stream_without_finish_reason_is_incomplete(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A proxy that ends a stream politely in the middle is found out."""
        body = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
        provider.script(raw(headers={"content-type": "text/event-stream"}, body=body))

        assert len(list(_open(client))) == 1

        assert _outcome(recorder) == ("ERROR", "incomplete_stream")
        assert recorder.facts["goldseam.error.code"] == "RESPONSE_INVALID"

    def test_error_event_is_an_error(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An error inside the stream is the call's error."""
        body = b'data: {"error":{"message":"Overloaded","code":"overloaded"}}\n\n'
        provider.script(raw(headers={"content-type": "text/event-stream"}, body=body))

        with pytest.raises(openai.APIError):
            list(_open(client))

        assert _outcome(recorder) == ("ERROR", "openai.APIError")

    @pytest.mark.usefixtures("faults_expected")
    @pytest.mark.parametrize(
        "body",
        [
            b'data: {"id":"c","model":"m","choices":null}\n\n',
            b'data: {"id":"c","choices":[{"index":0,"delta":null,"finish_reason":"stop"}]}\n\n',
            b"data: 17\n\n",
            b'data: {"choices":[17]}\n\n',
        ],
        ids=["null choices", "null delta", "a number", "choice is a number"],
    )
    def test_strange_chunks_reach_the_caller(
        self, body: bytes, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder,
    ) -> None:  # fmt: skip
        """What cannot be understood is passed on as it is, and the span still ends."""
        provider.script(raw(headers={"content-type": "text/event-stream"}, body=body))

        assert len(list(_open(client))) == 1
        assert recorder.leaked == []

    def test_helper_stream_is_followed(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """`chat.completions.stream()` sits on the same stream."""
        provider.script(chat("one two"))

        with client.chat.completions.stream(model="gpt-4o", messages=QUESTION) as events:
            for _ in events:
                pass
            assert events.get_final_completion().choices[0].message.content == "one two"

        assert _outcome(recorder) == ("UNSET", None)
        assert recorder.facts["gen_ai.response.finish_reasons"] == ("stop",)

    def test_raw_response_of_a_stream_is_followed(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The stream that a raw response is parsed into ends the span."""
        provider.script(stream(WORDS))

        response = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=QUESTION, stream=True
        )
        assert recorder.finished == []
        answer = response.parse()
        assert type(answer) is openai.Stream
        list(answer)

        assert _outcome(recorder) == ("UNSET", None)
        assert recorder.facts["gen_ai.response.finish_reasons"] == ("stop",)

    def test_raw_response_that_is_closed_ends(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A raw stream that nobody parses ends with its close."""
        provider.script(stream(WORDS))

        client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=QUESTION, stream=True
        ).http_response.close()

        assert _outcome(recorder) == ("UNSET", None)

    def test_span_ends_once(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Finishing, closing and collecting the same stream counts one call."""
        provider.script(stream(WORDS))
        answer = _open(client)
        list(answer)
        answer.close()
        del answer
        gc.collect()

        assert len(recorder.requests) == 1
        assert [count for _, count in recorder.points("gen_ai.client.operation.duration")] == [1]

    def test_collection_inside_telemetry_waits(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """A stream collected while telemetry may hold its locks ends with the next call."""
        provider.script(stream(WORDS), chat())
        monkeypatch.setattr(_streams, "_is_inside_telemetry", lambda: True)
        _open(client)
        gc.collect()
        assert recorder.leaked == ["chat gpt-4o"]

        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        assert recorder.leaked == []
        assert len(recorder.requests) == 2


class TestAsync:
    """`openai.AsyncOpenAI`."""

    @pytest.fixture
    def aclient(self, provider: ScriptedProvider) -> openai.AsyncOpenAI:
        """An async client; each test closes it."""
        return openai.AsyncOpenAI(api_key=KEY, base_url=provider.base_url, max_retries=0)

    async def _open(self, client: openai.AsyncOpenAI) -> Any:
        return await client.chat.completions.create(
            model="gpt-4o", messages=QUESTION, stream=True
        )  # fmt: skip

    @pytest.mark.anyio
    async def test_finished_stream(
        self, aclient: openai.AsyncOpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An async stream read to its end is a success of the SDK's own type."""
        provider.script(stream(WORDS))
        async with aclient:
            answer = await self._open(aclient)
            assert type(answer) is openai.AsyncStream
            assert len([chunk async for chunk in answer]) == 6

        assert _outcome(recorder) == ("UNSET", None)
        assert recorder.facts["gen_ai.response.finish_reasons"] == ("stop",)

    @pytest.mark.anyio
    async def test_close(
        self, aclient: openai.AsyncOpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """`await stream.close()` ends the span without an error."""
        provider.script(stream(WORDS))
        async with aclient:
            answer = await self._open(aclient)
            await anext(answer)
            await answer.close()
            assert _outcome(recorder) == ("UNSET", None)

    @pytest.mark.anyio
    async def test_break_and_drop(
        self, aclient: openai.AsyncOpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A break without `aclose` ends the span when the stream is collected."""
        provider.script(stream(WORDS))
        async with aclient:
            answer = await self._open(aclient)
            async for _ in answer:
                break
            response = answer.response
            del answer
            gc.collect()
            await response.aclose()

        assert _outcome(recorder) == ("UNSET", None)

    @pytest.mark.anyio
    async def test_lost_connection(
        self, aclient: openai.AsyncOpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A cut async stream is an error."""
        provider.script(stream(WORDS, cut_after=1))
        async with aclient:
            with pytest.raises(Exception, match=r"(?i)connection|peer closed"):
                [chunk async for chunk in await self._open(aclient)]

        assert _outcome(recorder)[0] == "ERROR"
        assert recorder.facts["goldseam.error.code"] == "CONNECTION"

    @pytest.mark.anyio
    async def test_cancelled_while_waiting(
        self, aclient: openai.AsyncOpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A task cancelled between two chunks ends the span as cancelled."""
        provider.script(stream(WORDS, gap_s=30))
        seen = asyncio.Event()

        async def read() -> None:
            async for _ in await self._open(aclient):
                seen.set()

        async with aclient:
            task = asyncio.create_task(read())
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert _outcome(recorder) == ("ERROR", "asyncio.exceptions.CancelledError")
        assert recorder.facts["goldseam.error.code"] == "CANCELLED"

    @pytest.mark.anyio
    async def test_read_on_in_another_task(
        self, aclient: openai.AsyncOpenAI, provider: ScriptedProvider, recorder: Recorder,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        """A stream handed to another task ends there, and no context is left attached."""
        provider.script(stream(WORDS))

        async def read(answer: Any) -> int:
            return len([chunk async for chunk in answer])

        async with aclient:
            answer = await self._open(aclient)
            assert await asyncio.create_task(read(answer)) == 6

        assert _outcome(recorder) == ("UNSET", None)
        assert "detach" not in caplog.text


def test_failure_before_the_stream_is_mended(
    caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider, recorder: Recorder,
    instrument: Any,
) -> None:  # fmt: skip
    """Recovery covers a stream until the SDK hands it over."""
    uninstrument()
    instrument(recovery=mending(provider, backup))
    provider.script(error(500))
    backup.script(stream(WORDS))

    if caller.is_async:
        asyncio.run(_read_async(provider))
    else:
        with openai.OpenAI(api_key=KEY, base_url=provider.base_url) as client:
            assert len(list(_open(client))) == 6

    assert _outcome(recorder) == ("UNSET", None)
    assert recorder.tree() == [
        "chat gpt-4o CLIENT request",
        "  chat gpt-4o CLIENT attempt ERROR SERVER_ERROR",
        "  recovery fallback INTERNAL recovery_step",
        "    chat llama3.1 CLIENT attempt",
    ]
    assert recorder.facts["gen_ai.response.finish_reasons"] == ("stop",)


async def _read_async(provider: ScriptedProvider) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=provider.base_url) as client:
        answer = await client.chat.completions.create(
            model="gpt-4o", messages=QUESTION, stream=True
        )  # fmt: skip
        assert len([chunk async for chunk in answer]) == 6
        choke_point = SWITCH.choke_point
        assert choke_point is not None
        await choke_point.aclose()
