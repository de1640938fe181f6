"""The canned answers of the provider and the transports that give them: no socket is opened.

Runs inside a subject's environment. One transport class serves `httpx` and `httpx2`, because both
have the same base classes; which one is at hand depends on the client's release.
"""

import importlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

CHUNKS: Final = 50
"""Chunks of a streamed answer: words, one with the finish reason, one with the usage."""

EMBEDDING_DIMENSIONS: Final = 256

MODEL: Final = "gpt-4o-mini"
ANSWERING_MODEL: Final = "gpt-4o-mini-2024-07-18"
_NUMBER: Final = "#number#"
"""Stands for the answer's number: some libraries keep what they know by the answer's id."""

_numbers: Final = itertools.count(1)
_CREATED_UNIX_S: Final = 1_760_000_000
_USAGE: Final = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}

_PROMPT_TOKENS: Final = b'"prompt_tokens": 21'
BYTES_PER_TOKEN: Final = 5
"""About what English takes; an answer that tells fewer tokens looks as if it had cut its prompt."""

_CHAT: Final = {
    "id": "chatcmpl-" + _NUMBER,
    "object": "chat.completion",
    "created": _CREATED_UNIX_S,
    "model": ANSWERING_MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Four plus five is nine.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        **_USAGE,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}

_RESPONSE: Final = {
    "id": "resp_" + _NUMBER,
    "object": "response",
    "created_at": _CREATED_UNIX_S,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": 100,
    "model": ANSWERING_MODEL,
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Four plus five is nine.", "annotations": []}
            ],
        }
    ],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 0.2,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": {
        "input_tokens": 21,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 30,
    },
    "user": None,
    "metadata": {},
}

_EMBEDDINGS: Final = {
    "object": "list",
    "data": [
        {
            "object": "embedding",
            "index": 0,
            "embedding": [0.001 * index for index in range(EMBEDDING_DIMENSIONS)],
        }
    ],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}

_REFUSAL: Final = {
    "error": {
        "message": "Unsupported value: 'temperature' does not support 9 with this model.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "unsupported_value",
    }
}

REFUSED_MODEL: Final = "gpt-refused"
"""A request for this model is answered 400."""


def http_module() -> Any:
    """Return the HTTP package that the installed client is built on."""
    version = importlib.import_module("openai").VERSION
    return importlib.import_module("httpx" if version.startswith("2.") else "httpx2")


def transports() -> tuple[Any, Any]:
    """Return a sync and an async transport that answer from memory."""
    http = http_module()
    stream = _stream_class(http)

    def answer(request: Any) -> Any:
        status, content_type, body = _answer(request.url.path, request.content)
        headers = {"content-type": content_type, "x-request-id": "req_1"}
        if isinstance(body, bytes):
            return http.Response(status, headers=headers, content=body)
        return http.Response(status, headers=headers, stream=stream(body))

    class Transport(http.BaseTransport):  # type: ignore[misc] # the package is chosen at run time
        def handle_request(self, request: Any) -> Any:
            return answer(request)

    class AsyncTransport(http.AsyncBaseTransport):  # type: ignore[misc] # as above
        async def handle_async_request(self, request: Any) -> Any:
            return answer(request)

    return Transport(), AsyncTransport()


def _stream_class(http: Any) -> Any:
    class Stream(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc] # as above
        def __init__(self, parts: tuple[bytes, ...]) -> None:
            self._parts = parts

        def __iter__(self) -> Iterator[bytes]:
            yield from self._parts

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for part in self._parts:
                yield part

    return Stream


def _chunk(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": _CREATED_UNIX_S,
        "model": ANSWERING_MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": choices,
        "usage": usage,
    }
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _stream_parts() -> tuple[bytes, ...]:
    words = [_chunk([_choice({"content": f" word{index}"})]) for index in range(CHUNKS - 3)]
    return (
        _chunk([_choice({"role": "assistant", "content": ""})]),
        *words,
        _chunk([_choice({}, "stop")]),
        _chunk([], _USAGE),
        b"data: [DONE]\n\n",
    )


_JSON: Final = "application/json"
_ANSWERS: Final[dict[str, bytes]] = {
    "/v1/chat/completions": json.dumps(_CHAT).encode(),
    "/v1/responses": json.dumps(_RESPONSE).encode(),
    "/v1/embeddings": json.dumps(_EMBEDDINGS).encode(),
}
_REFUSED: Final = json.dumps(_REFUSAL).encode()
_STREAM: Final = _stream_parts()


def _answer(path: str, request: bytes) -> tuple[int, str, bytes | tuple[bytes, ...]]:
    if b'"stream":true' in request:
        return 200, "text/event-stream; charset=utf-8", _STREAM
    if REFUSED_MODEL.encode() in request:
        return 400, _JSON, _REFUSED
    answer = _ANSWERS[path].replace(_NUMBER.encode(), b"%d" % next(_numbers))
    told = b'"prompt_tokens": %d' % (len(request) // BYTES_PER_TOKEN)
    return 200, _JSON, answer.replace(_PROMPT_TOKENS, told)
