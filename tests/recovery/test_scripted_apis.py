"""The scripted provider speaks the Responses API, text completions and Anthropic's messages."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import openai
import pytest
from inline_snapshot import snapshot

from goldseam.recovery.testing import (
    MessageUsage,
    ResponseUsage,
    ScriptedProvider,
    completion,
    message,
    message_error,
    response,
)

ASKED: Any = {"model": "m", "input": "four plus five?"}


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """Give a provider with an empty script."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture
def client(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    """Give the real SDK's client."""
    with openai.OpenAI(base_url=provider.base_url, api_key="test", max_retries=0) as real:
        yield real


def post(provider: ScriptedProvider, path: str, body: Any) -> tuple[int, str]:
    """Send a request without an SDK and return status and body of the answer."""
    with closing(http.client.HTTPConnection(provider.host, provider.port)) as connection:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def events(body: str) -> list[str]:
    """Return the names of a stream's events."""
    return [line[7:] for line in body.splitlines() if line.startswith("event: ")]


def test_response(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """The real SDK reads text, status and every count of a response."""
    provider.script(response("Nine", usage=ResponseUsage(14, 2, 8, 4, 1)))

    answer = client.responses.create(**ASKED)

    assert (answer.output_text, answer.status, answer.id) == ("Nine", "completed", "resp_1")
    assert answer.usage is not None
    assert answer.usage.to_dict() == ResponseUsage(14, 2, 8, 4, 1).as_json()


def test_streamed_response(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """A stream has OpenAI's events, one delta a word, and ends with the whole response."""
    provider.script(response("Nine it is"))

    found = list(client.responses.create(**ASKED, stream=True))

    assert [event.type for event in found] == snapshot(
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    )
    last: Any = found[-1]
    assert last.response.output_text == "Nine it is"
    assert [event.sequence_number for event in found] == list(range(len(found)))


def test_response_that_ends_badly(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """Incomplete and failed responses tell why; a queued one has no words yet."""
    provider.script(
        response("Ni", status="incomplete"), response(status="failed"), response(status="queued")
    )

    cut_off, failed, queued = (client.responses.create(**ASKED) for _ in range(3))

    assert cut_off.incomplete_details is not None
    assert cut_off.incomplete_details.reason == "max_output_tokens"
    assert failed.error is not None
    assert failed.error.code == "server_error"
    assert (queued.status, queued.output, queued.usage) == ("queued", [], None)


def test_cut_response(provider: ScriptedProvider, client: openai.OpenAI) -> None:
    """A cut stream has the scripted number of words and loses the connection."""
    provider.script(response("one two three", cut_after=2))
    seen: list[str] = []

    with pytest.raises(Exception, match=r"(?i)connection|peer closed"):
        seen.extend(event.type for event in client.responses.create(**ASKED, stream=True))

    assert seen.count("response.output_text.delta") == 2
    assert "response.completed" not in seen


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_completion(
    is_stream: bool, provider: ScriptedProvider, client: openai.OpenAI  # noqa: FBT001 - a parameter
) -> None:  # fmt: skip
    """The real SDK reads a text completion, whole or word by word."""
    provider.script(completion("Nine it is"))
    asked: Any = {"model": "m", "prompt": "four plus five?", "stream": is_stream}

    answer = client.completions.create(**asked)

    chunks = list(answer) if is_stream else [answer]
    assert [chunk.choices[0].text for chunk in chunks] == (
        ["Nine", " it", " is", ""] if is_stream else ["Nine it is"]
    )
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_message_has_anthropics_shape(provider: ScriptedProvider) -> None:
    """Every field of a message is there; the cache's tokens stand apart."""
    provider.script(message("Nine", usage=MessageUsage(11, 5, 8)))

    status, body = post(provider, "/v1/messages", {"model": "claude"})

    assert (status, json.loads(body)) == snapshot(
        (
            200,
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude",
                "content": [{"type": "text", "text": "Nine"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 11,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 8,
                    "output_tokens": 5,
                    "service_tier": "standard",
                },
            },
        )
    )


def test_streamed_message(provider: ScriptedProvider) -> None:
    """A stream has Anthropic's events, one delta a word."""
    provider.script(message("Nine it is"))

    _, body = post(provider, "/v1/messages", {"model": "claude", "stream": True})

    assert events(body) == snapshot(
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    )


def test_message_stream_that_fails(provider: ScriptedProvider) -> None:
    """An error event comes after the scripted number of words and ends the stream."""
    provider.script(message("one two three", fail_after=2))

    _, body = post(provider, "/v1/messages", {"model": "claude", "stream": True})

    assert events(body)[-3:] == ["content_block_delta", "content_block_delta", "error"]
    assert "overloaded_error" in body


def test_message_error(provider: ScriptedProvider) -> None:
    """An error has Anthropic's shape, with its usual type and words for the status."""
    provider.script(message_error(529, retry_after=2))

    status, body = post(provider, "/v1/messages", {})

    assert (status, json.loads(body)) == snapshot(
        (
            529,
            {
                "type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"},
                "request_id": None,
            },
        )
    )


def test_any_path_can_be_scripted(provider: ScriptedProvider) -> None:
    """A reply that stands in the script is given on any path; afterwards it is unknown again."""
    provider.script(response())

    assert post(provider, "/v1/images/generations", {})[0] == 200
    assert post(provider, "/v1/images/generations", {})[0] == 404
