"""The conventions' message parts, made of what providers' formats call the same things.

Every reader of this package builds its messages from these. Bytes never pass: of an image, a sound
or a file that stands inline only kind and size are told. What nobody here knows is told by its
type alone.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from goldseam.instrumentation._formats._base import field, name_of
from goldseam.instrumentation._privacy import MAX_DEPTH

Part: TypeAlias = dict[str, Any]
"""One part of a message: plain JSON with a `type`."""

Message: TypeAlias = dict[str, Any]
"""`role` and `parts`, and where known `name` and `finish_reason`."""

MAX_DECODED_CHARS: Final = 100_000
"""Longer JSON inside a text, such as a tool's arguments, stays a text."""

_TEXTS: Final = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
_MODALITIES: Final = ("image", "audio", "video")


def text(content: str) -> Part:
    """Return a part of text."""
    return {"type": "text", "content": content}


def reasoning(content: str) -> Part:
    """Return what a model thought before it answered."""
    return {"type": "reasoning", "content": content}


def tool_call(name: Any, arguments: Any, *, call_id: Any = None) -> Part:
    """Return a model's wish that the application runs a tool."""
    part: Part = {"type": "tool_call", "name": name_of(name) or ""}
    return _with_id(part, call_id) | {"arguments": plain(decoded(arguments))}


def tool_call_response(response: Any, *, call_id: Any = None) -> Part:
    """Return what a tool brought."""
    return _with_id({"type": "tool_call_response"}, call_id) | {"response": response}


def server_tool_call(name: Any, details: Mapping[str, Any], *, call_id: Any = None) -> Part:
    """Return the call of a tool that the provider ran itself."""
    part: Part = {"type": "server_tool_call", "name": name_of(name) or ""}
    return _with_id(part, call_id) | {"server_tool_call": dict(details)}


def server_tool_call_response(details: Mapping[str, Any], *, call_id: Any = None) -> Part:
    """Return what a tool of the provider's own brought."""
    part = _with_id({"type": "server_tool_call_response"}, call_id)
    return part | {"server_tool_call_response": dict(details)}


def blob(data: Any, mime_type: Any, *, modality: str | None = None) -> Part:
    """Return an inline image, sound or file: its kind and size, never its bytes.

    Args:
        data: Base64 text.
        mime_type: What it claims to be.
        modality: What kind of thing it is, where the place in the request tells.
    """
    mime = name_of(mime_type)
    part: Part = {"type": "blob", "modality": modality or modality_of(mime), "content": ""}
    if mime is not None:
        part["mime_type"] = mime
    if isinstance(data, str):
        part["size_bytes"] = len(data.rstrip("=")) * 3 // 4
    return part


def link(url: Any, *, modality: str, mime_type: Any = None) -> Part:
    """Return something that an address stands for; a `data:` address holds the thing itself."""
    if not isinstance(url, str):
        return other(modality)
    if url.startswith("data:"):
        head, _, data = url[len("data:") :].partition(",")
        return blob(data, head.partition(";")[0], modality=modality)
    part: Part = {"type": "uri", "modality": modality, "uri": url}
    mime = name_of(mime_type)
    return part if mime is None else {**part, "mime_type": mime}


def uploaded(file_id: Any, *, modality: str = "document") -> Part:
    """Return a file that the provider has already."""
    return {"type": "file", "modality": modality, "file_id": name_of(file_id) or ""}


def other(kind: Any, *, call_id: Any = None) -> Part:
    """Return a part of a kind that is not read."""
    return _with_id({"type": name_of(kind) or "unknown"}, call_id)


def modality_of(mime_type: str | None) -> str:
    """Return the conventions' word for a MIME type."""
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in _MODALITIES else "document"


def decoded(value: Any) -> Any:
    """Return the JSON that stands in a text, or the value itself."""
    if isinstance(value, str) and value[:1] in {"{", "["} and len(value) <= MAX_DECODED_CHARS:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as plain JSON; of what is none, the name of its class."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if depth >= MAX_DEPTH:
        return "…"
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return {str(key): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, depth + 1) for inner in value]
    return f"<{type(value).__name__}>"


def items(value: Any) -> Iterable[Any]:
    """Return the items of a list; anything else has none, and may be readable only once."""
    return value if isinstance(value, (list, tuple)) else ()


def content_parts(content: Any) -> list[Part]:
    """Return the parts of a content field as OpenAI's formats write it."""
    if isinstance(content, str):
        return [text(content)]
    return [_content_part(part) for part in items(content)]


def message(role: Any, parts: list[Part], *, otherwise: str = "user") -> Message:
    """Return a message; `otherwise` is the role of one that names none."""
    return {"role": name_of(role) or otherwise, "parts": parts}


def answer(parts: list[Part], finish_reason: Any = None) -> Message:
    """Return a message of the model's, with the provider's word for why it stopped."""
    reason = name_of(finish_reason)
    told = {} if reason is None else {"finish_reason": reason}
    return {"role": "assistant", "parts": parts, **told}


def function(tool: Any, parameters: Any) -> dict[str, Any]:
    """Return the definition of a tool that the application runs."""
    told = {"name": field(tool, "name"), "description": field(tool, "description")}
    texts = {key: value for key, value in told.items() if isinstance(value, str)}
    shape = {} if parameters is None else {"parameters": plain(parameters)}
    return {"type": "function", **texts, **shape}


def openai_tools(tools: Any) -> list[dict[str, Any]]:
    """Return the definitions of tools as OpenAI's formats write them, nested or flat."""
    found = []
    for tool in items(tools):
        kind = name_of(field(tool, "type")) or "function"
        if kind == "function":
            inner = field(tool, "function") or tool
            found.append(function(inner, field(inner, "parameters")))
        else:
            name = name_of(field(tool, "name") or field(field(tool, "custom"), "name"))
            found.append({"type": kind} if name is None else {"type": kind, "name": name})
    return found


def _content_part(part: Any) -> Part:
    kind, words = field(part, "type"), part if isinstance(part, str) else field(part, "text")
    if isinstance(words, str) and (kind is None or kind in _TEXTS):
        return text(words)
    if kind in {"image_url", "video_url", "input_image"}:
        return _picture(part, "video" if kind == "video_url" else "image")
    if kind == "input_audio":
        sound = field(part, "input_audio")
        return blob(field(sound, "data"), f"audio/{field(sound, 'format')}", modality="audio")
    if kind in {"file", "input_file"}:
        return _file(field(part, "file") or part)
    refusal = field(part, "refusal")
    return text(refusal) if isinstance(refusal, str) else other(kind)


def _picture(part: Any, modality: str) -> Part:
    if field(part, "file_id"):
        return uploaded(field(part, "file_id"), modality=modality)
    found = field(part, f"{modality}_url")
    return link(found if isinstance(found, str) else field(found, "url"), modality=modality)


def _file(file: Any) -> Part:
    if field(file, "file_id"):
        return uploaded(field(file, "file_id"))
    if field(file, "file_url"):
        return link(field(file, "file_url"), modality="document")
    data = field(file, "file_data")
    is_address = isinstance(data, str) and data.startswith("data:")
    return link(data, modality="document") if is_address else blob(data, None)


def _with_id(part: Part, call_id: Any) -> Part:
    found = name_of(call_id)
    return part if found is None else {**part, "id": found}
