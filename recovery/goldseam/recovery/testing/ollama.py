"""What Ollama's own API answers: `/api/chat`, `/api/generate`, `/api/embed`.

Tests build the replies with the lower-case functions. Pure, like `replies`.
"""

import json as jsonlib
from dataclasses import replace
from typing import Any, Final

from goldseam.recovery.testing.replies import Reply, Request, Usage, Wire

CREATED: Final = "2025-10-09T08:53:20Z"
"""The `created_at` of every answer: fixed, so that tests can compare whole bodies."""

_NDJSON: Final = {"content-type": "application/x-ndjson"}
_JSON: Final = {"content-type": "application/json; charset=utf-8"}

_USAGE: Final = Usage()

_DURATIONS: Final = {
    "total_duration": 800_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_duration": 100_000_000,
    "eval_duration": 200_000_000,
}
"""Nanoseconds, as Ollama counts."""


def ollama(
    text: str = "ok",
    *,
    usage: Usage = _USAGE,
    model: str | None = None,
    done_reason: str = "stop",
    cut_after: int | None = None,
    gap_s: float = 0.0,
) -> Reply:
    """Answer a chat or generate request: JSON lines, word by word, unless `stream` is false.

    Args:
        text: The model's words.
        usage: Token counts.
        model: The model that claims to answer; None echoes the request's.
        done_reason: Why the model stopped.
        cut_after: Close the connection after so many lines of a stream; None sends everything.
        gap_s: Seconds between two lines.
    """

    def render(request: Request) -> Wire:
        end = {
            "done_reason": done_reason,
            **_DURATIONS,
            "prompt_eval_count": usage.input_tokens,
            "eval_count": usage.output_tokens,
        }
        if not _is_stream(request):
            body = _part(request, model, text) | {"done": True} | end
            return Wire(headers=_JSON, parts=(jsonlib.dumps(body).encode(),))
        words = [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]
        lines = [_part(request, model, word) for word in words[:cut_after]]
        if cut_after is None:
            lines.append(_part(request, model, "") | {"done": True} | end)
        return Wire(
            headers=_NDJSON,
            parts=tuple(jsonlib.dumps(line).encode() + b"\n" for line in lines),
            chunked=True,
            gap_s=gap_s,
            ending="keep" if cut_after is None else "cut",
        )

    return Reply(f"ollama {text!r}", render)


def ollama_embedding(*vectors: tuple[float, ...], usage: Usage = _USAGE) -> Reply:
    """Answer an embed request: the given vectors, or one short vector per input."""

    def render(request: Request) -> Wire:
        asked = request.json.get("input") if isinstance(request.json, dict) else None
        count = len(asked) if isinstance(asked, list) else 1
        body = {
            "model": request.model,
            "embeddings": [list(each) for each in vectors or ((0.1, 0.2, 0.3),) * count],
            "total_duration": _DURATIONS["total_duration"],
            "load_duration": _DURATIONS["load_duration"],
            "prompt_eval_count": usage.input_tokens,
        }
        return Wire(headers=_JSON, parts=(jsonlib.dumps(body).encode(),))

    return Reply("ollama embedding", render)


def ollama_error(status: int, message: str, *, after: int | None = None) -> Reply:
    """Answer with Ollama's error body.

    Args:
        status: HTTP status; 200 with `after`, which comes too late for another.
        message: The server's words.
        after: Send the error as a line of a stream, after so many words; None sends it at once.
    """
    body = jsonlib.dumps({"error": message}).encode()
    if after is None:
        return Reply(
            f"ollama {status}", lambda _: Wire(status=status, headers=_JSON, parts=(body,))
        )
    whole = ollama("these words come before it")

    def render(request: Request) -> Wire:
        wire = whole.render(request)
        return replace(wire, status=status, parts=(*wire.parts[:after], body + b"\n"))

    return Reply(f"ollama error after {after}", render)


def _is_stream(request: Request) -> bool:
    return not (isinstance(request.json, dict) and request.json.get("stream") is False)


def _part(request: Request, model: str | None, text: str) -> dict[str, Any]:
    content: dict[str, Any] = (
        {"response": text}
        if request.path.endswith("/generate")
        else {"message": {"role": "assistant", "content": text}}
    )
    return {
        "model": model or request.model,
        "created_at": CREATED,
        **content,
        "done": False,
    }
