"""Replies of OpenAI's Responses API, whole and streamed.

Tests build them with `response`; `goldseam.recovery.testing.server` sends them. Pure, as
`goldseam.recovery.testing.replies`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from goldseam.recovery.testing.replies import (
    CREATED_UNIX_S,
    Reply,
    Request,
    Wire,
    as_dict,
    json_wire,
    sse_event,
    sse_wire,
    words_of,
)

Status = Literal["completed", "incomplete", "failed", "queued"]


@dataclass(frozen=True, slots=True)
class ResponseUsage:
    """Token counts of a response; the parts are contained in the sums."""

    input_tokens: int = 9
    output_tokens: int = 3
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the API's `usage` object."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "cache_write_tokens": self.cache_write_tokens,
            },
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


def response(
    text: str = "ok",
    *,
    usage: ResponseUsage = ResponseUsage(),
    status: Status = "completed",
    incomplete_reason: str = "max_output_tokens",
    error: Mapping[str, str] | None = None,
    cut_after: int | None = None,
    gap_s: float = 0.0,
) -> Reply:
    """Answer a request for a response; streamed, word by word, if the request asks for a stream.

    Args:
        text: The assistant's words.
        usage: Token counts.
        status: How the response ended; a queued one has no words and no counts yet.
        incomplete_reason: Why it is incomplete.
        error: `code` and `message` of a failed one.
        cut_after: Close a stream's connection after so many words; None sends everything.
        gap_s: Seconds between two events of a stream.
    """

    def render(request: Request) -> Wire:
        body = _body(request, status)
        end = dict(body)
        if status != "queued":
            end |= {"output": [_output(request, text)], "usage": usage.as_json()}
        if status == "incomplete":
            end["incomplete_details"] = {"reason": incomplete_reason}
        if status == "failed":
            end["error"] = error or {"code": "server_error", "message": "The model failed."}
        if not request.is_stream:
            return json_wire(200, end, request)
        started = {**body, "status": "in_progress"}
        events = _events(request, started, end, words_of(text)[:cut_after])
        parts = [sse_event(kind, {**data, "sequence_number": n}) for n, (kind, data) in events]
        is_cut = cut_after is not None
        return sse_wire(parts[:-4] if is_cut else parts, request, cut=is_cut, gap_s=gap_s)

    return Reply(f"response {text!r} {status}", render)


def _body(request: Request, status: Status) -> dict[str, Any]:
    asked = as_dict(request.json)
    return {
        "id": f"resp_{request.number}",
        "object": "response",
        "created_at": CREATED_UNIX_S,
        "status": status,
        "background": asked.get("background") is True,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "metadata": {},
        "model": request.model,
        "output": [],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "store": asked.get("store") is not False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def _output(request: Request, text: str, status: str = "completed") -> dict[str, Any]:
    return {
        "id": f"msg_{request.number}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [_part(text)],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _events(
    request: Request, started: dict[str, Any], end: dict[str, Any], words: list[str]
) -> Iterator[tuple[int, tuple[str, dict[str, Any]]]]:
    """Yield the events of a stream with their numbers; four stand after the last word."""
    text = "".join(words)
    item: dict[str, Any] = {"item_id": f"msg_{request.number}", "output_index": 0}
    place = {**item, "content_index": 0}
    open_item = {**_output(request, "", "in_progress"), "content": []}
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": started}),
        ("response.in_progress", {"response": started}),
        ("response.output_item.added", {"output_index": 0, "item": open_item}),
        ("response.content_part.added", {**place, "part": _part("")}),
        *(
            ("response.output_text.delta", {**place, "delta": word, "logprobs": []})
            for word in words
        ),
        ("response.output_text.done", {**place, "text": text, "logprobs": []}),
        ("response.content_part.done", {**place, "part": _part(text)}),
        ("response.output_item.done", {"output_index": 0, "item": _output(request, text)}),
        (f"response.{end['status']}", {"response": end}),
    ]
    yield from enumerate(events)
