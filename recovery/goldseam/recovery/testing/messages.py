"""Replies of Anthropic's Messages API: answers, streams and errors.

Tests build them with `message` and `message_error`; `goldseam.recovery.testing.server` sends them.
Pure, as `goldseam.recovery.testing.replies`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from goldseam.recovery.testing.replies import (
    Reply,
    Request,
    Wire,
    error,
    json_wire,
    request_id_of,
    sse_event,
    sse_wire,
    words_of,
)

_ERROR_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ERROR_MESSAGES: Final = {
    401: "invalid x-api-key",
    429: "This request would exceed your organization's rate limit.",
    500: "Internal server error",
    529: "Overloaded",
}
"""Anthropic's own words, or near them, for a status without a message."""


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """Token counts of a message. Input read from or written to the cache stands apart."""

    input_tokens: int = 9
    output_tokens: int = 3
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    thinking_tokens: int = 0

    def as_json(self, output_tokens: int | None = None) -> dict[str, Any]:
        """Return the API's `usage` object; a stream's first one knows little of the output."""
        told = self.output_tokens if output_tokens is None else output_tokens
        usage: dict[str, Any] = {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": self.cache_creation_tokens,
            "cache_read_input_tokens": self.cache_read_tokens,
            "output_tokens": told,
            "service_tier": "standard",
        }
        if self.thinking_tokens and output_tokens is None:
            usage["output_tokens_details"] = {"thinking_tokens": self.thinking_tokens}
        return usage


def message(
    text: str = "ok",
    *,
    usage: MessageUsage = MessageUsage(),
    stop_reason: str = "end_turn",
    cut_after: int | None = None,
    fail_after: int | None = None,
    gap_s: float = 0.0,
) -> Reply:
    """Answer a request for a message; streamed, word by word, if the request asks for a stream.

    Args:
        text: The assistant's words.
        usage: Token counts.
        stop_reason: Why the model stopped.
        cut_after: Close a stream's connection after so many words; None sends everything.
        fail_after: Send an overload error in a stream after so many words; None sends none.
        gap_s: Seconds between two events of a stream.
    """

    def render(request: Request) -> Wire:
        if not request.is_stream:
            content = [{"type": "text", "text": text}]
            return json_wire(
                200, _body(request, content, usage.as_json(), stop_reason), request, _id(request)
            )
        shown = words_of(text)[: cut_after if fail_after is None else fail_after]
        started = _body(request, [], usage.as_json(1), None)
        parts = [sse_event(kind, data) for kind, data in _start(started, shown)]
        if fail_after is not None:
            parts.append(sse_event("error", _error_body(529, None, None)))
        elif cut_after is None:
            parts += [sse_event(kind, data) for kind, data in _end(stop_reason, usage)]
        wire = sse_wire(parts, request, cut=cut_after is not None, gap_s=gap_s)
        return Wire(
            headers={**wire.headers, **_id(request)},
            parts=wire.parts,
            chunked=True,
            gap_s=gap_s,
            ending=wire.ending,
        )

    return Reply(f"message {text!r}", render)


def message_error(
    status: int,
    *,
    error_type: str | None = None,
    message: str | None = None,
    retry_after: float | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Answer with Anthropic's error body.

    Args:
        status: HTTP status.
        error_type: `error.type`; None takes Anthropic's usual type for the status.
        message: `error.message`; None takes Anthropic's usual words for the status.
        retry_after: Value of the `retry-after` header, seconds or a date.
        headers: Added to the response.
    """
    body = {"type": "error", **_error_body(status, error_type, message)}
    return error(status, retry_after=retry_after, headers=headers, body=body)


def _id(request: Request) -> dict[str, str]:
    return {"request-id": request_id_of(request)}


def _error_body(status: int, error_type: str | None, message: str | None) -> dict[str, Any]:
    detail = {
        "type": error_type or _ERROR_TYPES.get(status, "invalid_request_error"),
        "message": message or _ERROR_MESSAGES.get(status, f"Scripted error {status}."),
    }
    return {"error": detail, "request_id": None}


def _body(
    request: Request, content: list[Any], usage: dict[str, Any], stop_reason: str | None
) -> dict[str, Any]:
    return {
        "id": f"msg_{request.number}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _start(message: dict[str, Any], words: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "message_start", {"message": message}
    yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
    yield "ping", {}
    for word in words:
        delta = {"type": "text_delta", "text": word}
        yield "content_block_delta", {"index": 0, "delta": delta}


def _end(stop_reason: str, usage: MessageUsage) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "content_block_stop", {"index": 0}
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    yield "message_delta", {"delta": delta, "usage": usage.as_json()}
    yield "message_stop", {}
