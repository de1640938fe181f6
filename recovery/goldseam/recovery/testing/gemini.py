"""What Google's Gemini API answers: content, whole or streamed, and embeddings.

Tests build the replies with the lower-case functions. Pure, like `replies`.
"""

import json as jsonlib
from dataclasses import dataclass
from typing import Any, Final

from goldseam.recovery.testing.replies import Reply, Request, Wire

_JSON: Final = {"content-type": "application/json; charset=UTF-8"}
_SSE: Final = {"content-type": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class GeminiUsage:
    """Token counts of an answer; thoughts are counted beside the output."""

    input_tokens: int = 9
    output_tokens: int = 3
    thoughts_tokens: int = 0
    cached_tokens: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the `usageMetadata` object."""
        total = self.input_tokens + self.output_tokens + self.thoughts_tokens
        optional = {
            "thoughtsTokenCount": self.thoughts_tokens,
            "cachedContentTokenCount": self.cached_tokens,
        }
        return {
            "promptTokenCount": self.input_tokens,
            "candidatesTokenCount": self.output_tokens,
            "totalTokenCount": total,
            **{key: count for key, count in optional.items() if count},
        }


def gemini(
    text: str = "ok",
    *,
    usage: GeminiUsage = GeminiUsage(),
    model: str | None = None,
    finish_reason: str = "STOP",
    as_array: bool = False,
    cut_after: int | None = None,
    gap_s: float = 0.0,
) -> Reply:
    """Answer `generateContent`; `streamGenerateContent` word by word.

    Args:
        text: The model's words.
        usage: Token counts.
        model: The model that claims to answer; None echoes the path's.
        finish_reason: Of the only candidate.
        as_array: Stream one JSON array, as without `alt=sse`, instead of server-sent events.
        cut_after: Close the connection after so many words of a stream; None sends everything.
        gap_s: Seconds between two parts of a stream.
    """

    def render(request: Request) -> Wire:
        if not request.path.endswith(":streamGenerateContent"):
            body = _part(request, model, text, finish_reason) | {"usageMetadata": usage.as_json()}
            return Wire(headers=_JSON, parts=(jsonlib.dumps(body).encode(),))
        words = [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]
        bodies = [_part(request, model, word, None) for word in words]
        bodies[-1] = _part(request, model, words[-1], finish_reason)
        bodies[-1]["usageMetadata"] = usage.as_json()
        parts = [jsonlib.dumps(body).encode() for body in bodies][:cut_after]
        return Wire(
            headers=_JSON if as_array else _SSE,
            parts=tuple(_array(parts) if as_array else (b"data: %b\r\n\r\n" % p for p in parts)),
            chunked=True,
            gap_s=gap_s,
            ending="keep" if cut_after is None else "cut",
        )

    return Reply(f"gemini {text!r}", render)


def gemini_blocked(reason: str = "SAFETY") -> Reply:
    """Answer that the prompt was blocked: status 200, no candidates."""
    body = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 9}}
    wire = Wire(headers=_JSON, parts=(jsonlib.dumps(body).encode(),))
    return Reply(f"gemini blocked {reason}", lambda _request: wire)


def gemini_embedding(*vectors: tuple[float, ...]) -> Reply:
    """Answer `embedContent` or `batchEmbedContents` with the given or with short vectors."""

    def render(request: Request) -> Wire:
        asked = request.json.get("requests") if isinstance(request.json, dict) else None
        found = vectors or ((0.1, 0.2, 0.3),) * len(asked or (None,))
        values = [{"values": list(vector)} for vector in found]
        body = {"embeddings": values} if asked else {"embedding": values[0]}
        return Wire(headers=_JSON, parts=(jsonlib.dumps(body).encode(),))

    return Reply("gemini embedding", render)


def gemini_error(status: int, name: str, message: str) -> Reply:
    """Answer with Google's error body.

    Args:
        status: HTTP status.
        name: Google's name for it, for example `RESOURCE_EXHAUSTED`.
        message: The server's words.
    """
    body = {"error": {"code": status, "message": message, "status": name}}
    wire = Wire(status=status, headers=_JSON, parts=(jsonlib.dumps(body).encode(),))
    return Reply(f"gemini {status}", lambda _request: wire)


def _part(
    request: Request, model: str | None, text: str, finish_reason: str | None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": [{"text": text}]},
        **({"finishReason": finish_reason} if finish_reason else {}),
        "index": 0,
    }
    named = request.path.rpartition("/")[2].partition(":")[0]
    return {
        "candidates": [candidate],
        "modelVersion": model or named,
        "responseId": f"gemini-{request.number}",
    }


def _array(parts: list[bytes]) -> list[bytes]:
    """Return the parts as Google spreads one array over the chunks."""
    ends = [b"\n"] * (len(parts) - 1) + [b"\n]\n"]
    starts = [b"["] + [b",\r\n"] * (len(parts) - 1)
    return [start + part + end for start, part, end in zip(starts, parts, ends, strict=True)]
