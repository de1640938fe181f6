"""What a scripted provider can answer, as frozen values.

Tests build them with the lower-case functions; `goldseam.recovery.testing.server` sends them.
Shapes follow OpenAI's HTTP API. Pure: a reply knows bytes and times, not sockets.
"""

import json as jsonlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

CREATED_UNIX_S: Final = 1_760_000_000
"""The `created` of every answer: fixed, so that tests can compare whole bodies."""

_JSON: Final = {"content-type": "application/json"}
_SSE: Final = {"content-type": "text/event-stream; charset=utf-8"}

_ERROR_TYPES: Final = {429: "requests", 500: "server_error", 502: "server_error"}
_ERROR_CODES: Final = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_ERROR_MESSAGES: Final = {
    400: "Invalid request.",
    401: "Incorrect API key provided: test. You can find your API key at https://platform.openai.com/account/api-keys.",
    404: "The model does not exist or you do not have access to it.",
    429: "Rate limit reached for requests.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}
"""OpenAI's own words, or near them, for a status without a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the provider saw it.

    Attributes:
        method: `GET`, `POST`, …
        path: Path without the query, for example `/v1/chat/completions`.
        headers: Header names in lower case.
        body: The body's bytes.
        json: The decoded body, None where there is none or it is not JSON.
        at_s: Monotonic time of arrival (after the body was read).
        number: From 1, over all requests of this provider.
        attempt: From 1, over the requests with the same `idempotency-key` header, or with the
            same method, path and body where that header is missing.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    json: Any
    at_s: float
    number: int
    attempt: int

    @property
    def model(self) -> str:
        """The model that was asked for, `scripted-model` where none was."""
        return str(as_dict(self.json).get("model") or "scripted-model")

    @property
    def is_stream(self) -> bool:
        """Whether a streamed answer was asked for."""
        return as_dict(self.json).get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether `stream_options.include_usage` was set."""
        return as_dict(as_dict(self.json).get("stream_options")).get("include_usage") is True

    @property
    def prompt(self) -> str:
        """The last message's text, empty where there is none."""
        messages = as_dict(self.json).get("messages")
        last = messages[-1] if isinstance(messages, list) and messages else None
        content = as_dict(last).get("content")
        return content if isinstance(content, str) else ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of an answer."""

    input_tokens: int = 9
    output_tokens: int = 3

    def as_json(self) -> dict[str, int]:
        """Return OpenAI's `usage` object."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What goes out on the connection, in order.

    Attributes:
        wait_s: Time to wait before the first byte; None waits until the provider is closed.
        status: HTTP status; None sends nothing.
        headers: Response headers; length or chunking are added by the server.
        parts: The body. More than one part, or `chunked`, is sent in HTTP chunks.
        chunked: Whether the body goes out in HTTP chunks, as streams do.
        gap_s: Time to wait before every part but the first.
        ending: `keep` leaves the connection open for the next request; `cut` closes it where
            the client expects more; `reset` sends a TCP reset.
    """

    wait_s: float | None = 0.0
    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()
    chunked: bool = False
    gap_s: float = 0.0
    ending: Literal["keep", "cut", "reset"] = "keep"


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer; made by the functions of this module."""

    name: str
    render: Callable[[Request], Wire] = field(repr=False, compare=False)


def chat(
    text: str = "ok",
    *,
    usage: Usage | None = Usage(),
    model: str | None = None,
    finish_reason: str = "stop",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Answer a chat completion; streamed, word by word, if the request asks for a stream.

    Args:
        text: The assistant's words.
        usage: Token counts; None leaves them out.
        model: The model that claims to answer; None echoes the request's.
        finish_reason: Of the only choice.
        headers: Added to the response.
    """

    def render(request: Request) -> Wire:
        if request.is_stream:
            words = stream(words_of(text), usage=usage, model=model, finish_reason=finish_reason)
            wire = words.render(request)
            return replace(wire, headers={**wire.headers, **(headers or {})})
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text,
            "refusal": None,
            "annotations": [],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        body = {
            "id": f"chatcmpl-{request.number}",
            "object": "chat.completion",
            "created": CREATED_UNIX_S,
            "model": model or request.model,
            "choices": [choice],
            **({"usage": usage.as_json()} if usage else {}),
            "system_fingerprint": None,
        }
        return json_wire(200, body, request, headers)

    return Reply(f"chat {text!r}", render)


def completion(
    text: str = "ok",
    *,
    usage: Usage = Usage(),
    finish_reason: str = "stop",
    cut_after: int | None = None,
) -> Reply:
    """Answer a text completion; streamed, word by word, if the request asks for a stream.

    Args:
        text: What completes the prompt.
        usage: Token counts; a stream has them only if the request asks for them.
        finish_reason: Of the only choice.
        cut_after: Close a stream's connection after so many words; None sends everything.
    """

    def body(request: Request, choices: list[dict[str, Any]], found: Usage | None) -> Any:
        return {
            "id": f"cmpl-{request.number}",
            "object": "text_completion",
            "created": CREATED_UNIX_S,
            "model": request.model,
            "choices": choices,
            **({"usage": found.as_json()} if found else {}),
        }

    def choice(part: str, reason: str | None) -> list[dict[str, Any]]:
        return [{"index": 0, "text": part, "logprobs": None, "finish_reason": reason}]

    def render(request: Request) -> Wire:
        if not request.is_stream:
            return json_wire(200, body(request, choice(text, finish_reason), usage), request)
        chunks = [body(request, choice(word, None), None) for word in words_of(text)[:cut_after]]
        if cut_after is None:
            chunks.append(body(request, choice("", finish_reason), None))
            chunks += [body(request, [], usage)] if request.wants_usage else []
        events = [f"data: {jsonlib.dumps(chunk)}\n\n".encode() for chunk in chunks]
        done = [b"data: [DONE]\n\n"] if cut_after is None else []
        return sse_wire([*events, *done], request, cut=cut_after is not None)

    return Reply(f"completion {text!r}", render)


def stream(
    chunks: Iterable[str] = ("ok",),
    *,
    usage: Usage | None = Usage(),
    send_usage: Literal["asked", "always", "never"] = "asked",
    model: str | None = None,
    finish_reason: str = "stop",
    done: bool = True,
    cut_after: int | None = None,
    gap_s: float = 0.0,
) -> Reply:
    """Answer with server-sent events, whether or not the request asks for a stream.

    Args:
        chunks: The text of each content chunk.
        usage: Token counts of the usage chunk.
        send_usage: `asked` sends it if the request sets `stream_options.include_usage`.
        model: The model that claims to answer; None echoes the request's.
        finish_reason: Of the last choice chunk.
        done: Whether `[DONE]` ends the stream.
        cut_after: Close the connection after so many content chunks; None sends everything.
        gap_s: Seconds between two events.
    """
    texts = tuple(chunks)

    def render(request: Request) -> Wire:
        contents = [_delta({"content": text}) for text in texts[:cut_after]]
        events = [_delta({"role": "assistant", "content": ""}), *contents]
        if cut_after is None:
            events.append(_delta({}, finish_reason))
        with_usage = usage is not None and (
            send_usage == "always" or (send_usage == "asked" and request.wants_usage)
        )
        parts = [_event(request, model, [choice], with_usage=with_usage) for choice in events]
        if cut_after is None and with_usage and usage is not None:
            parts.append(_event(request, model, [], usage=usage, with_usage=True))
        if cut_after is None and done:
            parts.append(b"data: [DONE]\n\n")
        return sse_wire(parts, request, cut=cut_after is not None, gap_s=gap_s)

    return Reply(f"stream of {len(texts)}", render)


def embedding(
    *vectors: tuple[float, ...],
    usage: Usage = Usage(output_tokens=0),
) -> Reply:
    """Answer an embeddings request: the given vectors, or one short vector per input."""

    def render(request: Request) -> Wire:
        asked = as_dict(request.json).get("input")
        count = len(asked) if isinstance(asked, list) else 1
        found = vectors or ((0.1, 0.2, 0.3),) * count
        data = [
            {"object": "embedding", "index": index, "embedding": list(vector)}
            for index, vector in enumerate(found)
        ]
        tokens = {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
        body = {"object": "list", "data": data, "model": request.model, "usage": tokens}
        return json_wire(200, body, request)

    return Reply("embedding", render)


def models(*names: str) -> Reply:
    """Answer `GET /v1/models`."""
    data = [
        {"id": name, "object": "model", "created": CREATED_UNIX_S, "owned_by": "scripted"}
        for name in names
    ]
    return Reply(
        "models", lambda request: json_wire(200, {"object": "list", "data": data}, request)
    )


def error(
    status: int,
    *,
    code: str | None = None,
    error_type: str | None = None,
    message: str | None = None,
    param: str | None = None,
    retry_after: float | str | None = None,
    headers: Mapping[str, str] | None = None,
    body: object = None,
) -> Reply:
    """Answer with OpenAI's error body.

    Args:
        status: HTTP status.
        code: `error.code`; None takes OpenAI's usual code for the status, if there is one.
        error_type: `error.type`; None takes OpenAI's usual type for the status.
        message: `error.message`; None takes OpenAI's usual words for the status.
        param: `error.param`.
        retry_after: Value of the `retry-after` header, seconds or a date.
        headers: Added to the response.
        body: Sent as JSON in place of OpenAI's error body, for other providers' shapes.
    """
    detail = {
        "message": message or _ERROR_MESSAGES.get(status, f"Scripted error {status}."),
        "type": error_type or _ERROR_TYPES.get(status, "invalid_request_error"),
        "param": param,
        "code": code or _ERROR_CODES.get(status),
    }
    sent = {"error": detail} if body is None else body
    wait = {} if retry_after is None else {"retry-after": str(retry_after)}

    def render(request: Request) -> Wire:
        return json_wire(status, sent, request, {**wait, **(headers or {})})

    return Reply(f"error {status} {detail['code'] or detail['type']}", render)


def raw(
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
) -> Reply:
    """Answer with exactly this status, these headers and this body."""
    content = body.encode() if isinstance(body, str) else body
    wire = Wire(status=status, headers=headers or {}, parts=(content,))
    return Reply(f"raw {status}", lambda _request: wire)


def delayed(reply: Reply, seconds: float) -> Reply:
    """Give `reply` after `seconds`."""

    def render(request: Request) -> Wire:
        wire = reply.render(request)
        return replace(wire, wait_s=None if wire.wait_s is None else wire.wait_s + seconds)

    return Reply(f"{reply.name} after {seconds}s", render)


def hang(seconds: float | None = None) -> Reply:
    """Send nothing for `seconds` (None: until the provider is closed), then close."""
    wire = Wire(wait_s=seconds, status=None, ending="cut")
    return Reply("hang", lambda _request: wire)


def cut(
    where: Literal["before_headers", "mid_body"] = "before_headers", *, of: Reply | None = None
) -> Reply:
    """Lose the connection before the headers (a TCP reset), or half-way through a body.

    Args:
        where: The point of the loss. For streams, see `stream(cut_after=)`.
        of: The reply that is cut in `mid_body`; None cuts a chat answer.
    """
    if where == "before_headers":
        return Reply("cut", lambda _request: Wire(status=None, ending="reset"))
    whole = of or chat("an answer that does not arrive in full")

    def render(request: Request) -> Wire:
        return replace(whole.render(request), ending="cut")

    return Reply("cut mid body", render)


def as_dict(value: object) -> dict[str, Any]:
    """Return a JSON object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def words_of(text: str) -> list[str]:
    """Return the words of a text as the chunks of its stream."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]


def request_id_of(request: Request) -> str:
    """Return the provider's own id of a request."""
    return f"req_{request.number:08x}"


def json_wire(
    status: int, body: object, request: Request, headers: Mapping[str, str] | None = None
) -> Wire:
    """Return a JSON answer."""
    sent = {**_JSON, "x-request-id": request_id_of(request), **(headers or {})}
    return Wire(status=status, headers=sent, parts=(jsonlib.dumps(body).encode(),))


def sse_wire(parts: Iterable[bytes], request: Request, *, cut: bool, gap_s: float = 0.0) -> Wire:
    """Return a stream of server-sent events, one HTTP chunk each."""
    return Wire(
        headers={**_SSE, "x-request-id": request_id_of(request)},
        parts=tuple(parts),
        chunked=True,
        gap_s=gap_s,
        ending="cut" if cut else "keep",
    )


def sse_event(kind: str, data: Mapping[str, object]) -> bytes:
    """Return one event that has a name, as the Responses API and Anthropic send them."""
    return f"event: {kind}\ndata: {jsonlib.dumps({'type': kind, **data})}\n\n".encode()


def _delta(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(
    request: Request,
    model: str | None,
    choices: list[dict[str, Any]],
    *,
    usage: Usage | None = None,
    with_usage: bool = False,
) -> bytes:
    """Return one chunk; `usage` is null on all but the last where it was asked for."""
    body = {
        "id": f"chatcmpl-{request.number}",
        "object": "chat.completion.chunk",
        "created": CREATED_UNIX_S,
        "model": model or request.model,
        "system_fingerprint": None,
        "choices": choices,
        **({"usage": usage.as_json() if usage else None} if with_usage else {}),
    }
    return f"data: {jsonlib.dumps(body)}\n\n".encode()
