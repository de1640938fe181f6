"""Content of Anthropic's Messages API."""

from typing import Any, Final

from goldseam.instrumentation._content._drafts import CALL, REASONING, TEXT, Drafts
from goldseam.instrumentation._content._parts import (
    Message,
    Part,
    answer,
    blob,
    function,
    items,
    link,
    message,
    modality_of,
    other,
    reasoning,
    server_tool_call,
    server_tool_call_response,
    text,
    tool_call,
    tool_call_response,
    uploaded,
)
from goldseam.instrumentation._content._reader import Asked
from goldseam.instrumentation._formats._base import Body, field, integer, name_of

_CUSTOM_TOOLS: Final = frozenset({None, "custom"})
"""Types of tools that the application runs; all others are the provider's."""

_SERVER_RESULT: Final = "_tool_result"
"""How types of results of the provider's own tools end."""

_DELTAS: Final = (
    ("text_delta", TEXT, "text"),
    ("thinking_delta", REASONING, "thinking"),
    ("input_json_delta", CALL, "partial_json"),
)
"""Type of a delta, of the part that it is for, and the field with its characters."""


class MessagesReader:
    """Messages; the system prompt stands beside the conversation."""

    def asked(self, body: Body) -> Asked:
        """Return conversation, system prompt and tools."""
        messages = [
            message(field(each, "role"), _blocks(field(each, "content")))
            for each in items(body.get("messages"))
        ]
        tools = [_tool(tool) for tool in items(body.get("tools"))]
        return Asked(messages, _blocks(body.get("system")), tools)

    def answered(self, response: Any) -> list[Message]:
        """Return the answer's message."""
        parts = _blocks(field(response, "content"))
        return [answer(parts, field(response, "stop_reason"))] if parts else []

    def collector(self) -> "MessagesCollector":
        """Return a fresh collector."""
        return MessagesCollector()


class MessagesCollector:
    """A streamed answer."""

    def __init__(self) -> None:
        self._drafts = Drafts()

    def add(self, event: Any) -> None:
        """Take what an event adds."""
        kind, index = field(event, "type"), integer(field(event, "index")) or 0
        if kind == "content_block_start":
            self._begin(index, field(event, "content_block"))
        elif kind == "content_block_delta":
            delta = field(event, "delta")
            for name, part, key in _DELTAS:
                if field(delta, "type") == name:
                    self._drafts.grow(0, index, part, field(delta, key))
        elif kind == "message_delta":
            self._drafts.finish(0, field(field(event, "delta"), "stop_reason"))

    def messages(self) -> list[Message]:
        """Return the message, or as much of it as has come."""
        return self._drafts.messages()

    def _begin(self, index: int, block: Any) -> None:
        kind = field(block, "type")
        if kind == "tool_use":
            call_id, name = field(block, "id"), field(block, "name")
            self._drafts.call(0, index, call_id=call_id, name=name)
        elif kind not in {"text", "thinking"}:
            self._drafts.whole(0, index, _block(block))


def _blocks(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [text(content)]
    return [_block(block) for block in items(content)]


def _block(block: Any) -> Part:  # noqa: PLR0911 - one line a kind of block
    kind = field(block, "type")
    if isinstance(block, str):
        return text(block)
    if kind == "text" and isinstance(field(block, "text"), str):
        return text(field(block, "text"))
    if kind == "thinking" and isinstance(field(block, "thinking"), str):
        return reasoning(field(block, "thinking"))
    if kind == "tool_use":
        return tool_call(field(block, "name"), field(block, "input"), call_id=field(block, "id"))
    if kind == "tool_result":
        content = field(block, "content")
        told = content if isinstance(content, str) else _blocks(content)
        return tool_call_response(told, call_id=field(block, "tool_use_id"))
    if kind in {"image", "document"}:
        return _source(field(block, "source"), kind)
    if kind == "server_tool_use":
        name = name_of(field(block, "name"))
        return server_tool_call(name, {"type": name}, call_id=field(block, "id"))
    if isinstance(kind, str) and kind.endswith(_SERVER_RESULT):
        return server_tool_call_response({"type": kind}, call_id=field(block, "tool_use_id"))
    return other(kind)


def _source(source: Any, modality: str) -> Part:
    kind, mime = field(source, "type"), name_of(field(source, "media_type"))
    if kind == "base64":
        told = modality if modality == "image" else modality_of(mime)
        return blob(field(source, "data"), mime, modality=told)
    if kind == "url":
        return link(field(source, "url"), modality=modality)
    if kind == "file":
        return uploaded(field(source, "file_id"), modality=modality)
    if kind == "text" and isinstance(field(source, "data"), str):
        return text(field(source, "data"))
    return other(modality)


def _tool(tool: Any) -> dict[str, Any]:
    kind = field(tool, "type")
    if kind in _CUSTOM_TOOLS:
        return function(tool, field(tool, "input_schema"))
    return {"type": name_of(kind) or "unknown", "name": name_of(field(tool, "name")) or ""}
