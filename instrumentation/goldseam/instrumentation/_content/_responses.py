"""Content of OpenAI's Responses API. All items of an answer are one message of the model's."""

from collections.abc import Hashable
from typing import Any, Final

from goldseam.instrumentation._content._drafts import CALL, REASONING, TEXT, Drafts
from goldseam.instrumentation._content._parts import (
    Message,
    Part,
    answer,
    content_parts,
    items,
    message,
    openai_tools,
    other,
    reasoning,
    server_tool_call,
    text,
    tool_call,
    tool_call_response,
)
from goldseam.instrumentation._content._reader import Asked
from goldseam.instrumentation._formats._base import Body, field, integer

_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_CALL_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_SERVER_CALLS: Final = frozenset(
    {
        "file_search_call",
        "web_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
    }
)

_DELTAS: Final = {
    "response.output_text.delta": TEXT,
    "response.refusal.delta": TEXT,
    "response.reasoning_text.delta": REASONING,
    "response.reasoning_summary_text.delta": REASONING,
    "response.function_call_arguments.delta": CALL,
    "response.custom_tool_call_input.delta": CALL,
}
"""Events that bring characters, and of what."""

_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponsesReader:
    """Responses; the instructions stand beside the conversation."""

    def asked(self, body: Body) -> Asked:
        """Return conversation, instructions and tools."""
        given = body.get("input")
        if isinstance(given, str):
            messages = [message("user", [text(given)])]
        else:
            messages = [_asked_item(item) for item in items(given)]
        instructions = content_parts(body.get("instructions"))
        return Asked(messages, instructions, openai_tools(body.get("tools")))

    def answered(self, response: Any) -> list[Message]:
        """Return one message with the parts of all items."""
        parts = [part for item in items(field(response, "output")) for part in _item_parts(item)]
        return [answer(parts)] if parts else []

    def collector(self) -> "ResponsesCollector":
        """Return a fresh collector."""
        return ResponsesCollector()


class ResponsesCollector:
    """A streamed response. Its last event holds all; until it comes, the pieces are kept."""

    def __init__(self) -> None:
        self._drafts = Drafts()
        self._whole: list[Message] | None = None

    def add(self, event: Any) -> None:
        """Take what an event adds."""
        kind = field(event, "type")
        if kind in _DELTAS:
            self._drafts.grow(0, _place(event), _DELTAS[kind], field(event, "delta"))
        elif kind == "response.output_item.added":
            item = field(event, "item")
            if field(item, "type") in _CALLS:
                call_id, name = field(item, "call_id"), field(item, "name")
                self._drafts.call(0, _place(event), call_id=call_id, name=name)
        elif kind in _ENDS:
            self._whole = READER.answered(field(event, "response"))

    def messages(self) -> list[Message]:
        """Return the message, or as much of it as has come."""
        return self._drafts.messages() if self._whole is None else self._whole


def _place(event: Any) -> Hashable:
    numbers = ("output_index", "content_index", "summary_index")
    return tuple(integer(field(event, number)) or 0 for number in numbers)


def _asked_item(item: Any) -> Message:
    if isinstance(item, str):
        return message("user", [text(item)])
    kind = field(item, "type")
    if kind in _CALL_OUTPUTS:
        output = field(item, "output")
        told = output if isinstance(output, str) else content_parts(output)
        return message("tool", [tool_call_response(told, call_id=field(item, "call_id"))])
    role = field(item, "role")
    return message(role, _item_parts(item), otherwise="user" if kind is None else "assistant")


def _item_parts(item: Any) -> list[Part]:
    kind = field(item, "type")
    if kind in {None, "message"}:
        return content_parts(field(item, "content"))
    if kind in _CALLS:
        told = field(item, "arguments") if kind == "function_call" else field(item, "input")
        return [tool_call(field(item, "name"), told, call_id=field(item, "call_id"))]
    if kind == "reasoning":
        thoughts = [*items(field(item, "summary")), *items(field(item, "content"))]
        words = (field(thought, "text") for thought in thoughts)
        return [reasoning(each) for each in words if isinstance(each, str)]
    if kind in _SERVER_CALLS:
        return [server_tool_call(kind, {"type": kind}, call_id=field(item, "id"))]
    return [other(kind, call_id=field(item, "id"))]


READER: Final = ResponsesReader()
