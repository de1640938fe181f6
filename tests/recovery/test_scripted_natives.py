"""The scripted provider speaks Ollama's and Gemini's own protocols."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from inline_snapshot import snapshot

from goldseam.recovery.testing import (
    GeminiUsage,
    ScriptedProvider,
    Usage,
    gemini,
    gemini_blocked,
    gemini_embedding,
    gemini_error,
    ollama,
    ollama_embedding,
    ollama_error,
)

GENERATE = "/v1beta/models/g:generateContent"
STREAM = "/v1beta/models/g:streamGenerateContent?alt=sse"


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """Give a provider with an empty script."""
    with ScriptedProvider() as scripted:
        yield scripted


def _post(provider: ScriptedProvider, path: str, body: Any) -> tuple[int, str | None, bytes]:
    with closing(http.client.HTTPConnection(provider.host, provider.port)) as connection:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.getheader("content-type"), response.read()


def _lines(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines()]


class TestOllama:
    """`/api/…`."""

    def test_whole_chat(self, provider: ScriptedProvider) -> None:
        """With `stream` false one object has it all."""
        provider.script(ollama("Nine", usage=Usage(14, 2)))

        _, kind, content = _post(provider, "/api/chat", {"model": "m", "stream": False})

        assert kind == "application/json; charset=utf-8"
        assert json.loads(content) == snapshot(
            {
                "model": "m",
                "created_at": "2025-10-09T08:53:20Z",
                "message": {"role": "assistant", "content": "Nine"},
                "done": True,
                "done_reason": "stop",
                "total_duration": 800000000,
                "load_duration": 500000000,
                "prompt_eval_duration": 100000000,
                "eval_duration": 200000000,
                "prompt_eval_count": 14,
                "eval_count": 2,
            }
        )

    def test_stream_is_the_default(self, provider: ScriptedProvider) -> None:
        """A line per word, then one with the counts."""
        provider.script(ollama("four plus five"))

        _, kind, content = _post(provider, "/api/generate", {"model": "m"})

        lines = _lines(content)
        assert kind == "application/x-ndjson"
        assert [line["response"] for line in lines] == ["four", " plus", " five", ""]
        assert [line["done"] for line in lines] == [False, False, False, True]
        assert lines[-1]["eval_count"] == 3

    def test_cut_stream(self, provider: ScriptedProvider) -> None:
        """The connection is closed where more is expected."""
        provider.script(ollama("four plus five", cut_after=1))

        with pytest.raises(http.client.IncompleteRead) as caught:
            _post(provider, "/api/chat", {"model": "m"})

        assert _lines(caught.value.partial)[0]["message"]["content"] == "four"

    def test_embedding(self, provider: ScriptedProvider) -> None:
        """One vector per input."""
        provider.script(ollama_embedding())

        _, _, content = _post(provider, "/api/embed", {"model": "m", "input": ["a", "b"]})

        assert json.loads(content)["embeddings"] == [[0.1, 0.2, 0.3]] * 2

    def test_errors(self, provider: ScriptedProvider) -> None:
        """At once with a status, or as a line after some words."""
        provider.script(ollama_error(404, "no"), ollama_error(200, "late", after=2))

        assert _post(provider, "/api/chat", {})[::2] == (404, b'{"error": "no"}')
        status, _, content = _post(provider, "/api/chat", {})
        assert (status, len(_lines(content)), _lines(content)[-1]) == (200, 3, {"error": "late"})


class TestGemini:
    """`/v1beta/models/NAME:method`."""

    def test_whole_content(self, provider: ScriptedProvider) -> None:
        """One object with candidate and usage; the model is the path's."""
        provider.script(gemini("Nine", usage=GeminiUsage(14, 2, 4, 8)))

        _, _, content = _post(provider, GENERATE, {})

        assert json.loads(content) == snapshot(
            {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": [{"text": "Nine"}]},
                        "finishReason": "STOP",
                        "index": 0,
                    }
                ],
                "modelVersion": "g",
                "responseId": "gemini-1",
                "usageMetadata": {
                    "promptTokenCount": 14,
                    "candidatesTokenCount": 2,
                    "totalTokenCount": 20,
                    "thoughtsTokenCount": 4,
                    "cachedContentTokenCount": 8,
                },
            }
        )

    def test_stream(self, provider: ScriptedProvider) -> None:
        """Server-sent events; the last one has reason and usage."""
        provider.script(gemini("four plus five"))

        _, kind, content = _post(provider, STREAM, {})

        events = [json.loads(each[6:]) for each in content.decode().split("\r\n\r\n") if each]
        assert kind == "text/event-stream"
        assert len(events) == 3
        assert events[-1]["candidates"][0]["finishReason"] == "STOP"
        assert ["usageMetadata" in event for event in events] == [False, False, True]

    @pytest.mark.parametrize("text", ["one", "four plus five"])
    def test_stream_as_an_array(self, provider: ScriptedProvider, text: str) -> None:
        """The chunks are one JSON array."""
        provider.script(gemini(text, as_array=True))

        _, _, content = _post(provider, STREAM, {})

        parts = [
            part["candidates"][0]["content"]["parts"][0]["text"] for part in json.loads(content)
        ]
        assert "".join(parts) == text

    def test_embeddings(self, provider: ScriptedProvider) -> None:
        """One text and several have Google's two shapes."""
        provider.script(gemini_embedding(), gemini_embedding())

        _, _, one = _post(provider, "/v1beta/models/e:embedContent", {"content": {}})
        _, _, two = _post(provider, "/v1beta/models/e:batchEmbedContents", {"requests": [{}, {}]})

        assert json.loads(one)["embedding"]["values"] == [0.1, 0.2, 0.3]
        assert len(json.loads(two)["embeddings"]) == 2

    def test_refusals(self, provider: ScriptedProvider) -> None:
        """Google's error body, and an answer without candidates."""
        provider.script(gemini_error(429, "RESOURCE_EXHAUSTED", "no"), gemini_blocked())

        status, _, content = _post(provider, GENERATE, {})
        assert (status, json.loads(content)["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert json.loads(_post(provider, GENERATE, {})[2])["promptFeedback"] == {
            "blockReason": "SAFETY"
        }


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api/chat", "message"),
        ("/api/generate", "response"),
        ("/api/embed", "embeddings"),
        (GENERATE, "candidates"),
        ("/v1beta/models/e:embedContent", "embedding"),
    ],
)
def test_each_path_has_its_default(provider: ScriptedProvider, path: str, key: str) -> None:
    """Without a script every protocol is answered in its own shape."""
    status, _, content = _post(provider, path, {"stream": False})

    assert status == 200
    assert key in json.loads(content)
