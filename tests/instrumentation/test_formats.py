"""What the wire formats make of answers that are not plain successes, and of unusual requests."""

import asyncio
import json
from typing import Any, Final

import openai
import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import KEY, QUESTION, Caller, Recorder
from tests.instrumentation.styles import (
    entered,
    exported,
    make_client,
    method,
    needs,
    read,
    settle,
)

from goldseam.recovery.testing import (
    MessageUsage,
    ResponseUsage,
    ScriptedProvider,
    Usage,
    completion,
    error,
    message,
    raw,
    response,
)

pytestmark = pytest.mark.usefixtures("watched")

JSON: Final = {"content-type": "application/json"}
SSE: Final = {"content-type": "text/event-stream"}
ASKED: Final = {"model": "gpt-4o", "input": "four plus five?"}
kinds = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])


def _end(recorder: Recorder) -> dict[str, Any]:
    """Return what a call's end says about it."""
    assert recorder.leaked == []
    told = {"status": recorder.request.status.status_code.name}
    ends = (
        "gen_ai.usage",
        "gen_ai.response.finish",
        "error",
        "goldseam.error",
        "goldseam.response",
    )
    return told | {key: value for key, value in recorder.facts.items() if key.startswith(ends)}


def _ask(caller: Caller, *, is_stream: bool, **asked: Any) -> None:
    async def main() -> None:
        client = make_client("openai", caller._provider, is_async=caller.is_async)
        async with entered(client):
            answer = await settle(client.responses.create(**{**ASKED, **asked}, stream=is_stream))
            if is_stream:
                await read(answer)

    asyncio.run(main())


class TestResponses:
    """OpenAI's Responses API."""

    @kinds
    def test_incomplete(
        self, is_stream: bool, caller: Caller, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
    ) -> None:  # fmt: skip
        """A response that ran into its limit is an answer with that reason."""
        provider.script(response("Ni", status="incomplete", usage=ResponseUsage(7, 1)))

        _ask(caller, is_stream=is_stream, max_output_tokens=1)

        assert recorder.facts["gen_ai.request.max_tokens"] == 1
        assert _end(recorder) == snapshot(
            {
                "status": "UNSET",
                "gen_ai.usage.input_tokens": 7,
                "gen_ai.usage.output_tokens": 1,
                "gen_ai.usage.cache_read.input_tokens": 0,
                "gen_ai.usage.cache_creation.input_tokens": 0,
                "gen_ai.usage.reasoning.output_tokens": 0,
                "goldseam.response.length": 2,
                "gen_ai.response.finish_reasons": ("length",),
            }
        )

    @kinds
    def test_filtered(
        self, is_stream: bool, caller: Caller, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
    ) -> None:  # fmt: skip
        """A reason that chat has no other word for is told as it is."""
        provider.script(response("", status="incomplete", incomplete_reason="content_filter"))

        _ask(caller, is_stream=is_stream)

        assert recorder.facts["gen_ai.response.finish_reasons"] == ("content_filter",)

    @kinds
    def test_failed(
        self, is_stream: bool, caller: Caller, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
    ) -> None:  # fmt: skip
        """A response that failed, with HTTP status 200, is an error with the provider's code."""
        told = {"code": "rate_limit_exceeded", "message": "Slow down."}
        provider.script(response("", status="failed", error=told, usage=ResponseUsage(7, 0)))

        _ask(caller, is_stream=is_stream)

        assert recorder.request.status.description == "Slow down."
        assert _end(recorder) == snapshot(
            {
                "status": "ERROR",
                "gen_ai.usage.input_tokens": 7,
                "gen_ai.usage.output_tokens": 0,
                "gen_ai.usage.cache_read.input_tokens": 0,
                "gen_ai.usage.cache_creation.input_tokens": 0,
                "gen_ai.usage.reasoning.output_tokens": 0,
                "goldseam.response.length": 0,
                "error.type": "error_in_body",
                "goldseam.error.code": "RATE_LIMIT",
            }
        )

    def test_error_event(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An error event ends the stream with that error."""
        event = {"type": "error", "code": "server_error", "message": "Sorry.", "param": None}
        body = f"event: error\ndata: {json.dumps({**event, 'sequence_number': 0})}\n\n"
        provider.script(raw(headers=SSE, body=body))

        _ask(caller, is_stream=True)

        assert recorder.facts["goldseam.error.code"] == "SERVER_ERROR"
        assert recorder.facts["error.type"] == "error_in_body"

    def test_in_the_background(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A response that is only queued is a success without counts, length and reason."""
        provider.script(response(status="queued"))

        _ask(caller, is_stream=False, background=True)

        assert _end(recorder) == {"status": "UNSET"}

    def test_request_facts(self, caller: Caller, recorder: Recorder) -> None:
        """Conversation, output type and every text of the input are known."""
        _ask(
            caller,
            is_stream=False,
            instructions="Be brief.",
            input=[
                {"role": "user", "content": "one"},
                {"role": "user", "content": [
                    {"type": "input_text", "text": "two"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                ]},
                {"type": "function_call_output", "call_id": "c", "output": "three"},
            ],
            text={"format": {"type": "json_object"}},
            conversation={"id": "conv_1"},
        )  # fmt: skip

        facts = recorder.facts
        assert facts["goldseam.prompt.length"] == len("Be brief.\none\ntwo\nthree")
        assert facts["gen_ai.output.type"] == "json"
        assert facts["gen_ai.conversation.id"] == "conv_1"

    def test_other_calls_of_the_api(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Looking a response up asks no model; cancelling one is a request of its own name."""
        provider.script(response())
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve("resp_1")
        assert recorder.finished == []

        client.responses.cancel("resp_1")

        assert recorder.request.name == "cancel"


class TestMessages:
    """Anthropic's Messages API."""

    pytestmark = needs("anthropic")

    @kinds
    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    def test_input_contains_the_cache(
        self, is_stream: bool, is_async: bool, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
    ) -> None:  # fmt: skip
        """Tokens read from and written to the cache count as input; a metric says the same."""
        provider.script(
            message("Nine", usage=MessageUsage(11, 5, 8, 100), stop_reason="max_tokens")
        )

        self._ask(provider, is_async=is_async, stream=is_stream)

        assert _end(recorder) == snapshot(
            {
                "status": "UNSET",
                "gen_ai.usage.input_tokens": 119,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.cache_read.input_tokens": 8,
                "gen_ai.usage.cache_creation.input_tokens": 100,
                "goldseam.response.length": 4,
                "gen_ai.response.finish_reasons": ("max_tokens",),
            }
        )
        points = recorder.reader.get_metrics_data()
        assert points is not None
        assert '"sum": 119' in points.to_json()

    def test_prompt_is_every_text(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """System prompt, text blocks and tool results are input; images are not text."""
        image = {"type": "base64", "media_type": "image/png", "data": "AA"}
        result = {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [{"type": "text", "text": "9"}],
        }
        self._ask(
            provider,
            system=[{"type": "text", "text": "Be brief."}],
            messages=[
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": [{"type": "text", "text": "two"}]},
                {"role": "user", "content": [{"type": "image", "source": image}, result]},
            ],
        )

        assert recorder.facts["goldseam.prompt.length"] == len("Be brief.\none\ntwo\n9")

    def test_structured_output(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """A schema for the answer shows as output type."""
        schema = {"type": "object", "properties": {}, "additionalProperties": False}

        self._ask(provider, output_config={"format": {"type": "json_schema", "schema": schema}})

        assert recorder.facts["gen_ai.output.type"] == "json"

    def test_error_with_status_200(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """A gateway's error in the place of an answer is an error."""
        body = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}
        provider.script(raw(headers=JSON, body=json.dumps(body)))

        self._ask(provider)

        assert recorder.facts["goldseam.error.code"] == "OVERLOADED"

    @pytest.mark.parametrize(
        ("path", "asked", "told"),
        [
            ("messages.count_tokens", {"model": "m", "messages": QUESTION}, "count_tokens m"),
            ("messages.batches.create", {"requests": []}, "batches"),
        ],
    )
    def test_other_calls(
        self, path: str, asked: dict[str, Any], told: str, provider: ScriptedProvider,
        recorder: Recorder,
    ) -> None:  # fmt: skip
        """Counting tokens and batches are requests of their own name."""
        provider.script(raw(headers=JSON, body='{"input_tokens": 19}'))

        async def main() -> None:
            async with entered(make_client("anthropic", provider, is_async=False)) as client:
                method(client, path)(**asked)

        asyncio.run(main())

        assert recorder.request.name == told
        assert recorder.request.status.is_unset

    def _ask(self, provider: ScriptedProvider, *, is_async: bool = False, **asked: Any) -> None:
        async def main() -> None:
            async with entered(make_client("anthropic", provider, is_async=is_async)) as client:
                given = {"model": "m", "max_tokens": 9, "messages": QUESTION, **asked}
                answer = await settle(client.messages.create(**given))
                if asked.get("stream"):
                    await read(answer)

        asyncio.run(main())


@kinds
def test_text_completion(
    is_stream: bool, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """The predecessor of chat has its own operation."""
    provider.script(completion("Nine it is", usage=Usage(4, 3), finish_reason="length"))

    asked: dict[str, Any] = {"model": "m", "prompt": ["four plus", "five?"], "max_tokens": 3}
    if is_stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    answer = client.completions.create(**asked)
    if is_stream:
        list(answer)

    told = exported(recorder.request)
    for line in (
        ["gen_ai.request.stream = True", "gen_ai.response.time_to_first_chunk = float"]
        if is_stream else []
    ):  # fmt: skip
        told.remove(line)
    assert told == snapshot(
        [
            "CLIENT text_completion m",
            "status UNSET",
            "gen_ai.operation.name = 'text_completion'",
            "gen_ai.provider.name = 'openai'",
            "gen_ai.request.max_tokens = 3",
            "gen_ai.request.model = 'm'",
            "gen_ai.response.finish_reasons = ('length',)",
            "gen_ai.response.id = 'cmpl-1'",
            "gen_ai.response.model = 'm'",
            "gen_ai.usage.input_tokens = 4",
            "gen_ai.usage.output_tokens = 3",
            "goldseam.log.id = …",
            "goldseam.prompt.length = 15",
            "goldseam.prompt.sha256 = 7d25b9b0…",
            "goldseam.provider.name = 'openai'",
            "goldseam.recovery.outcome = 'not_needed'",
            "goldseam.response.length = 10",
            "goldseam.span.type = 'request'",
            "http.response.status_code = 200",
            "server.address = '127.0.0.1'",
            "server.port = …",
        ]
    )


@needs("groq")
def test_groq_sends_counts_unasked(provider: ScriptedProvider, recorder: Recorder) -> None:
    """Groq's streams have their token counts in a place of their own; they are found there."""
    chunk = {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "delta": {"content": "Nine"}}],
        "x_groq": {"id": "r", "usage": {
            "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7,
        }},
    }  # fmt: skip
    provider.script(raw(headers=SSE, body=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"))

    async def main() -> None:
        async with entered(make_client("groq", provider, is_async=False)) as client:
            asked = {"model": "m", "messages": QUESTION, "stream": True}
            await read(client.chat.completions.create(**asked))

    asyncio.run(main())

    assert recorder.facts["gen_ai.usage.input_tokens"] == 5
    assert recorder.facts["gen_ai.usage.output_tokens"] == 2


OTHER: Final[dict[str, tuple[str, dict[str, Any], Any]]] = {
    "image": (
        "images.generate", {"model": "m", "prompt": "nine"},
        raw(headers=JSON, body='{"created": 1, "data": [],'
            ' "usage": {"input_tokens": 4, "output_tokens": 90, "total_tokens": 94}}'),
    ),
    "edit": (
        "images.edit", {"model": "m", "prompt": "nine", "image": b"png"},
        raw(headers=JSON, body='{"created": 1, "data": []}'),
    ),
    "speech": (
        "audio.speech.create", {"model": "m", "voice": "alloy", "input": "nine"},
        raw(headers={"content-type": "audio/mpeg"}, body=b"mpeg"),
    ),
    "transcription": (
        "audio.transcriptions.create", {"model": "m", "file": ("nine.mp3", b"mpeg")},
        raw(headers=JSON, body='{"text": "nine"}'),
    ),
    "moderation": (
        "moderations.create", {"model": "m", "input": "nine"},
        raw(headers=JSON, body='{"id": "modr-1", "model": "m-2", "results": []}'),
    ),
    "upload": (
        "files.create", {"file": ("a.jsonl", b"{}"), "purpose": "batch"},
        raw(headers=JSON, body='{"id": "file-1"}'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_other_request(
    name: str, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """Images, audio and the rest: operation, model, status and duration."""
    path, asked, reply = OTHER[name]
    provider.script(reply)

    caller.call(path, **asked)

    assert (
        exported(recorder.request)
        == snapshot(
            {
                "image": [
                    "CLIENT image_generation m",
                    "status UNSET",
                    "gen_ai.operation.name = 'image_generation'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'm'",
                    "gen_ai.usage.input_tokens = 4",
                    "gen_ai.usage.output_tokens = 90",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 4",
                    "goldseam.prompt.sha256 = edcd8e70…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "edit": [
                    "CLIENT image_generation m",
                    "status UNSET",
                    "gen_ai.operation.name = 'image_generation'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'm'",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 4",
                    "goldseam.prompt.sha256 = edcd8e70…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "speech": [
                    "CLIENT speech m",
                    "status UNSET",
                    "gen_ai.operation.name = 'speech'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'm'",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 4",
                    "goldseam.prompt.sha256 = edcd8e70…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "transcription": [
                    "CLIENT transcription m",
                    "status UNSET",
                    "gen_ai.operation.name = 'transcription'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'm'",
                    "goldseam.log.id = …",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "moderation": [
                    "CLIENT moderation m",
                    "status UNSET",
                    "gen_ai.operation.name = 'moderation'",
                    "gen_ai.provider.name = 'openai'",
                    "gen_ai.request.model = 'm'",
                    "gen_ai.response.model = 'm-2'",
                    "goldseam.log.id = …",
                    "goldseam.prompt.length = 4",
                    "goldseam.prompt.sha256 = edcd8e70…",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
                "upload": [
                    "CLIENT files",
                    "status UNSET",
                    "gen_ai.operation.name = 'files'",
                    "gen_ai.provider.name = 'openai'",
                    "goldseam.log.id = …",
                    "goldseam.provider.name = 'openai'",
                    "goldseam.recovery.outcome = 'not_needed'",
                    "goldseam.span.type = 'request'",
                    "http.response.status_code = 200",
                    "server.address = '127.0.0.1'",
                    "server.port = …",
                ],
            }
        )[name]
    )
    (point,) = recorder.points("gen_ai.client.operation.duration")
    assert point[0]["gen_ai.operation.name"] == recorder.facts["gen_ai.operation.name"]


def test_other_request_that_fails(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """A refusal is an error with its code, and echoes nothing of the request."""
    provider.script(error(400, code="content_policy_violation", message="No: a purple canary bird"))

    with pytest.raises(openai.BadRequestError):
        caller.call("images.generate", model="m", prompt="draw a purple canary bird please")

    assert recorder.facts["goldseam.error.code"] == "CONTENT_FILTER"
    assert "canary" not in recorder.everything()


def test_streamed_bytes(provider: ScriptedProvider, recorder: Recorder) -> None:
    """Speech that is read piece by piece ends its span when it is closed."""
    provider.script(raw(headers={"content-type": "audio/mpeg"}, body=b"mpeg" * 1000))

    with openai.OpenAI(api_key=KEY, base_url=provider.base_url) as client:
        created = client.audio.speech.with_streaming_response.create
        with created(model="m", voice="alloy", input="nine") as answer:
            assert b"".join(answer.iter_bytes()) == b"mpeg" * 1000

    assert recorder.leaked == []
    assert recorder.request.name == "speech m"


def test_listing_models_is_no_request(client: openai.OpenAI, recorder: Recorder) -> None:
    """What only looks something up asks no model and has no span."""
    assert [model.id for model in client.models.list()] == ["scripted-model"]

    assert recorder.finished == []


def test_attempts_are_counted_on_every_path_of_an_operation(
    client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """Two paths may have one operation; the requests of the second are counted as the first's."""
    image = raw(headers=JSON, body='{"created": 1, "data": []}')
    provider.script(image, image)

    client.images.generate(model="d", prompt="a bowl")
    client.images.edit(model="d", prompt="a bowl", image=("a.png", b"png"))

    told = [span.attributes or {} for span in recorder.finished]
    assert [each["gen_ai.operation.name"] for each in told] == ["image_generation"] * 2
    assert not any("goldseam.retry.count" in each for each in told)
    assert [each["http.response.status_code"] for each in told] == [200, 200]
