"""Calls that between them run through all of the instrumentation, each told as a plain value.

A scenario makes a call or a few with real clients and returns what the caller saw, in words that
can be compared between two runs. Used where the same must hold for everything: `test_every_fault`.
"""

import gc
import importlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from copy import copy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry import baggage
from opentelemetry.context import attach, detach
from tests.instrumentation.conftest import KEY, QUESTION
from tests.instrumentation.styles import (
    PACKAGES,
    create,
    entered,
    make_client,
    read,
    settle,
)

from goldseam.instrumentation import context
from goldseam.recovery import RecoveryConfig
from goldseam.recovery.extras import CacheConfig
from goldseam.recovery.testing import (
    GeminiUsage,
    MessageUsage,
    Reply,
    ScriptedProvider,
    Usage,
    chat,
    completion,
    cut,
    embedding,
    error,
    gemini,
    gemini_embedding,
    gemini_error,
    message,
    ollama,
    ollama_embedding,
    raw,
    response,
    stream,
)

HTTP: Final = next(name for name in ("httpx2", "httpx") if find_spec(name))
CHAT: Final[dict[str, Any]] = {"model": "gpt-4o", "messages": QUESTION}
STREAM: Final[dict[str, Any]] = {**CHAT, "stream": True}
JSON: Final = {"content-type": "application/json"}

_GEMINI: Final[dict[str, Any]] = {
    "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    "generationConfig": {"temperature": 1, "maxOutputTokens": 9},
}
_EMBED: Final = {"content": _GEMINI["contents"][0]}

Run = Callable[["Asking"], Awaitable[Any]]


@dataclass(frozen=True)
class Asking:
    """Who is asked, and with what kind of client."""

    provider: ScriptedProvider
    backup: ScriptedProvider
    is_async: bool

    async def each(self, *runs: Callable[[Any], Awaitable[Any]], **options: Any) -> list[Any]:
        """Return what each use of one openai client gives."""
        async with entered(
            make_client("openai", self.provider, is_async=self.is_async, **options)
        ) as client:
            return [await told(run(client)) for run in runs]

    async def post(self, *asked: tuple[str, dict[str, Any]], **options: Any) -> list[Any]:
        """Return what hand-written requests give."""
        library: Any = importlib.import_module(HTTP)
        made = library.AsyncClient() if self.is_async else library.Client()
        async with entered(made) as client:
            return [await told(self._answer(client, path, body, options)) for path, body in asked]

    async def _answer(
        self, client: Any, path: str, body: dict[str, Any], options: dict[str, Any]
    ) -> Any:
        return await settle(client.post(self.provider.origin + path, json=body, **options))

    async def post_streamed(self, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
        """Return the bytes that hand-written requests stream, the last one closed early."""
        library: Any = importlib.import_module(HTTP)
        made = library.AsyncClient() if self.is_async else library.Client()
        async with entered(made) as client:
            last = len(asked) - 1
            return [
                await told(self._bytes(client, path, body, is_last=at == last))
                for at, (path, body) in enumerate(asked)
            ]

    async def _bytes(
        self, client: Any, path: str, body: dict[str, Any], *, is_last: bool
    ) -> list[Any]:
        async with entered(
            client.stream("POST", self.provider.origin + path, json=body)
        ) as response:
            if is_last:
                return [response.status_code]
            return await read(response.aiter_lines() if self.is_async else response.iter_lines())


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Calls, what they are answered, and how Goldseam is set."""

    run: Run
    replies: Iterable[Reply] = ()
    backup: Iterable[Reply] = ()
    mode: str = "off"
    cache: CacheConfig | None = None
    fit: Callable[[RecoveryConfig], RecoveryConfig] = copy
    redact: Callable[[str], str] = str


async def told(seen: Awaitable[Any]) -> Any:
    """Return what a caller sees, an exception included, as text without what varies."""
    try:
        value = await seen
    except Exception as raised:  # noqa: BLE001 - whatever the client makes of it
        value = raised
    values = value if isinstance(value, list) else [value]
    return [(type(each).__name__, _text(each)) for each in values]


def _text(value: Any) -> str:
    body = getattr(value, "content", None)
    text = body.decode() if isinstance(body, bytes) else repr(value)
    return re.sub(r"127\.0\.0\.1:\d+|0x[0-9a-f]+|[-_]\d+", "…", text)


async def _some(client: Any, count: int = 1, **asked: Any) -> Any:
    answer = await create(client, "chat.completions", {**STREAM, **asked})
    for _ in range(count):
        await anext(answer) if hasattr(answer, "__anext__") else next(answer)
    return answer


async def _closed(client: Any) -> Any:
    answer = await _some(client, 2)
    await settle(answer.close())
    return "closed"


async def _dropped(client: Any) -> Any:
    await _some(client)
    gc.collect()
    return "dropped"


async def _read(client: Any, resource: str = "chat.completions", **asked: Any) -> Any:
    return await read(await create(client, resource, {**STREAM, **asked}))


async def _raw(client: Any, **asked: Any) -> Any:
    answer = await settle(client.chat.completions.with_raw_response.create(**{**CHAT, **asked}))
    parsed = await settle(answer.parse())
    return await read(parsed) if asked else parsed


async def _raw_body(client: Any, use: str) -> Any:
    manager = client.chat.completions.with_streaming_response.create(**CHAT)
    async with entered(manager) as answer:
        return await settle(getattr(answer, use)()) if use else "unread"


async def _whole(asking: Asking) -> Any:
    token = attach(baggage.set_baggage("goldseam.tenant.id", "acme"))
    try:
        with context(tenant_id="acme", module="m", user_id="u", task="t", request_id="r"):
            return await asking.each(
                lambda client: create(client, "chat.completions", {**CHAT, "n": 1, "seed": 7}),
                lambda client: create(
                    client, "chat.completions", {**CHAT, "extra_body": {"top_k": 3}}
                ),
            )
    finally:
        detach(token)


async def _rerank(client: Any) -> Any:
    return await settle(client.post("/rerank", cast_to=object, body={"a": 1}))


async def _other_surfaces(asking: Asking) -> Any:
    asked: dict[str, dict[str, Any]] = {
        "embeddings": {"model": "m", "input": ["one", "two"]},
        "responses": {"model": "m", "input": [{"role": "user", "content": "hi"}]},
        "completions": {"model": "m", "prompt": ["one"]},
        "moderations": {"model": "m", "input": "one"},
    }
    return await asking.each(
        *(lambda client, r=r, a=a: create(client, r, a) for r, a in asked.items()),
        _rerank,
    )


async def _responses_stream(asking: Asking) -> Any:
    async def run(client: Any) -> Any:
        asked = {"model": "m", "input": "hi", "stream": True}
        return await read(await create(client, "responses", asked))

    async def completions(client: Any) -> Any:
        asked = {"model": "m", "prompt": "hi", "stream": True}
        return await read(await create(client, "completions", asked))

    return await asking.each(run, completions)


async def _anthropic(asking: Asking) -> Any:
    if not find_spec(PACKAGES["anthropic"].package):
        return []
    asked = {**CHAT, "max_tokens": 9, "system": [{"type": "text", "text": "Be brief."}]}
    async with entered(
        make_client("anthropic", asking.provider, is_async=asking.is_async)
    ) as client:
        whole = await told(create(client, "messages", asked))
        return [whole, await told(_read(client, "messages", **asked))]


_PICTURE: Final = "data:image/png;base64,iVBORw0KGgo="
_ARGUMENTS: Final = '{"city": "Oslo"}'
_CALL: Final = {
    "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": _ARGUMENTS},
}  # fmt: skip
_TOOL: Final = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}},
}
RICH: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "tools": [_TOOL],
    "messages": [
        {"role": "system", "content": "long words " * 4000},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": _PICTURE}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "file": {"file_data": _PICTURE, "filename": "a.png"}},
            {"type": "video"},
        ]},
        {"role": "assistant", "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "[12, 13]"},
    ],
}  # fmt: skip
"""Every kind of part that a chat request can hold, and too much text."""

_CHOICE: Final = {
    "index": 0,
    "finish_reason": "tool_calls",
    "message": {"role": "assistant", "content": None, "tool_calls": [_CALL]},
}
_ANSWER: Final = {"id": "c", "model": "m", "choices": [_CHOICE]}
CALLING: Final = raw(headers=JSON, body=json.dumps(_ANSWER))


def events(*events: Any) -> Reply:
    """Return a stream of server-sent events."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return raw(headers={"content-type": "text/event-stream"}, body=body)


def _delta(**delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta}]}


_CALL_DELTA: Final = {"index": 0, **_CALL}
CALLING_STREAM: Final = events(
    _delta(role="assistant", content="So"),
    _delta(reasoning_content="Hm."),
    _delta(tool_calls=[_CALL_DELTA]),
    _delta(tool_calls=[{"index": 0, "function": {"arguments": ""}}]),
    {
        "id": "c",
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}],
    },
)

_CLAUDE: Final[dict[str, Any]] = {
    "model": "claude",
    "max_tokens": 9,
    "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "image",
             "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {"type": "document", "source": {"type": "file", "file_id": "file-1"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
            {"type": "server_tool_use", "id": "t2", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "t2", "content": []},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "12"},
        ]},
    ],
}  # fmt: skip
_CLAUDE_ANSWER: Final = raw(headers=JSON, body=json.dumps({
    "id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
    "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}],
}))  # fmt: skip
_OLLAMA_CALL: Final = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
_OLLAMA: Final[dict[str, Any]] = {
    "model": "m",
    "stream": False,
    "messages": [
        {"role": "user", "content": "hi", "images": ["AAAA"]},
        {"role": "assistant", "tool_calls": [_OLLAMA_CALL]},
        {"role": "tool", "content": "12", "tool_name": "weather"},
    ],
}
_OLLAMA_ANSWER: Final = raw(headers=JSON, body=json.dumps({
    "model": "m", "done": True, "done_reason": "stop",
    "message": {"role": "assistant", "thinking": "Hm.", "tool_calls": [_OLLAMA_CALL]},
}))  # fmt: skip
_GEMINI_TOOLS: Final[dict[str, Any]] = {
    "tools": [{"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT"}}]}],
    "contents": [
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA"}},
                                   {"fileData": {"fileUri": "https://example.org/a.png"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {}}}]},
    ],
}  # fmt: skip


SCENARIOS: Final[dict[str, Scenario]] = {
    "content": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(client, "chat.completions", RICH),
            lambda client: _read(client, **{**RICH, "stream": True}),
        ),
        replies=[CALLING, CALLING_STREAM],
    ),
    "content on the wire": Scenario(
        run=lambda asking: asking.post(
            ("/v1/messages", _CLAUDE),
            ("/api/chat", _OLLAMA),
            ("/api/generate", {"model": "m", "prompt": "hi", "images": ["AAAA"], "stream": False}),
            ("/v1beta/models/g:generateContent", _GEMINI_TOOLS),
            ("/v1/rerank", {"model": "m", "query": "q"}),
        ),
        replies=[
            _CLAUDE_ANSWER, _OLLAMA_ANSWER, ollama("Nine"), gemini("Nine"),
            raw(headers=JSON, body='{"model": "m", "usage": {"total_tokens": 3}}'),
        ],
    ),
    "nothing in the answer": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[raw(headers=JSON, body='{"id":"c","choices":[]}')] * 9,
        backup=[raw(headers=JSON, body='{"id":"c","choices":[]}')] * 9,
        mode="on",
    ),
    "whole": Scenario(run=_whole, replies=[chat("Nine", usage=Usage(14, 2)), chat("Ten")]),
    "refused": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(client, "chat.completions", CHAT),
            lambda client: create(client, "chat.completions", CHAT),
        ),
        replies=[
            error(400, message=f"No `x` for bob@example.com with {KEY}: four plus five?"),
            raw(502, body="<html><title>Bad gateway</title></html>"),
        ],
    ),
    "error in body": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[raw(headers=JSON, body='{"error":{"code":502,"message":"upstream"}}')],
    ),
    "lost": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[cut()],
    ),
    "repeated by the SDK": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(client, "chat.completions", CHAT), max_retries=2
        ),
        replies=[error(429, headers={"retry-after-ms": "1"}), chat("Nine")],
    ),
    "streams": Scenario(
        run=lambda asking: asking.each(
            lambda client: _read(client, stream_options={"include_usage": True}),
            _read, _closed, _dropped,
        ),
        replies=[
            stream(("a", "b")), stream(("a", "b"), cut_after=1), stream(("a", "b")), stream(("a",)),
        ],
    ),
    "cut stream": Scenario(
        run=lambda asking: asking.each(_read), replies=[stream(("a", "b"), done=False, cut_after=1)]
    ),
    "polite end": Scenario(
        run=lambda asking: asking.each(_read),
        replies=[
            raw(
                headers={"content-type": "text/event-stream"},
                body='data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n',
            )
        ],
    ),
    "raw": Scenario(
        run=lambda asking: asking.each(
            _raw,
            lambda client: _raw(client, stream=True),
            lambda client: _raw_body(client, "parse"),
            lambda client: _raw_body(client, "read"),
            lambda client: _raw_body(client, ""),
        ),
        replies=[chat("a"), stream(("a",)), chat("a"), chat("a"), chat("a")],
    ),
    "other surfaces": Scenario(
        run=_other_surfaces,
        replies=[embedding(), response("a"), completion("a"), *[raw(headers=JSON, body="{}")] * 2],
        mode="observe",
    ),
    "other streams": Scenario(
        run=_responses_stream, replies=[response("a"), completion("a")], mode="observe"
    ),
    "anthropic": Scenario(
        run=_anthropic,
        replies=[message("a", usage=MessageUsage(11, 5, 8, 2, 3)), message("a b")],
        mode="observe",
    ),
    "mended": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[error(500, message="The first."), chat("Nine")],
        mode="on",
    ),
    "mended elsewhere": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[error(500, message="The first.")] * 9,
        backup=[error(503, message="The backup."), chat("Nine")],
        mode="on",
    ),
    "mended in time": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(
                client, "chat.completions", {**CHAT, "timeout": 9, "extra_headers": {"x-a": "b"}}
            ),
            _read,
        ),
        replies=[error(500, message="The first."), chat("Nine"),
                 error(500, message="The first."), stream(("a",))],
        mode="on",
    ),
    "not mended": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[error(500, message="The first.")] * 9,
        backup=[error(500, message="The backup.")] * 9,
        mode="on",
    ),
    "answered as before": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(client, "chat.completions", CHAT), _raw, _raw
        ),
        replies=[chat("Nine"), *[error(500, message="The first.")] * 9],
        backup=[error(500, message="The backup.")] * 9,
        mode="on",
        cache=CacheConfig(),
    ),
    "answered from the cache": Scenario(
        run=lambda asking: asking.each(
            lambda client: create(client, "chat.completions", CHAT), _raw
        ),
        replies=[chat("Nine")],
        mode="on",
        cache=CacheConfig(answer_first=True),
    ),
    "observed": Scenario(
        run=lambda asking: asking.each(lambda client: create(client, "chat.completions", CHAT)),
        replies=[error(429)],
        mode="observe",
    ),
    "wire": Scenario(
        run=lambda asking: asking.post(
            ("/v1/chat/completions", CHAT),
            ("/v1/embeddings", {"model": "m", "input": "one"}),
            ("/v1/chat/completions", CHAT),
            ("/v1/chat/completions", CHAT),
            headers={"baggage": "goldseam.tenant.id=acme,other=1", "x-mine": "secret"},
        ),
        replies=[chat("Nine"), embedding(), error(429), cut()],
    ),
    "wire natives": Scenario(
        run=lambda asking: asking.post(
            ("/api/chat", {**CHAT, "options": {"num_predict": 9}}),
            ("/api/generate", {"model": "m", "prompt": "hi", "system": "Be"}),
            ("/api/embed", {"model": "m", "input": ["one"]}),
            ("/v1beta/models/g:generateContent", _GEMINI),
            ("/v1beta/models/g:embedContent", _EMBED),
            ("/v1beta/models/g:batchEmbedContents", {"requests": [_EMBED]}),
            ("/v1beta/models/g:generateContent", _GEMINI),
        ),
        replies=[
            ollama("Nine", usage=Usage(3, 2)), ollama("Nine"), ollama_embedding(),
            gemini("Nine", usage=GeminiUsage()), gemini_embedding(), gemini_embedding(),
            gemini_error(429, name="RESOURCE_EXHAUSTED", message="No."),
        ],
    ),
    "wire streams": Scenario(
        run=lambda asking: asking.post_streamed(
            ("/v1/chat/completions", STREAM),
            ("/v1/chat/completions", STREAM),
            ("/v1/chat/completions", CHAT),
            ("/v1/chat/completions", STREAM),
            ("/api/chat", STREAM),
            ("/v1beta/models/g:streamGenerateContent?alt=sse", _GEMINI),
            ("/v1/chat/completions", STREAM),
            ("/v1/chat/completions", STREAM),
        ),
        replies=[
            stream(("a", "b")), stream(("a", "b"), cut_after=1), chat("Nine"), error(500),
            ollama("a b"), gemini("a b"),
            raw(headers={"content-type": "text/event-stream"},
                body='data: {"error":{"message":"no"}}\n\n'),
            stream(("a", "b")),
        ],
    ),
}  # fmt: skip
