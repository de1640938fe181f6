"""Content of OpenAI's chat completions, and of their predecessor, text completions."""

from typing import Any

from goldseam.instrumentation._content._drafts import CALL, REASONING, TEXT, Drafts
from goldseam.instrumentation._content._parts import (
    Message,
    Part,
    answer,
    content_parts,
    items,
    message,
    openai_tools,
    reasoning,
    text,
    tool_call,
    tool_call_response,
    uploaded,
)
from goldseam.instrumentation._content._reader import Asked
from goldseam.instrumentation._formats._base import Body, field, integer, name_of

_REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where servers of OpenAI's protocol put thoughts, which the protocol itself has no place for."""


class ChatReader:
    """Chat completions; system messages stay where they stand in the conversation."""

    def asked(self, body: Body) -> Asked:
        """Return the conversation and the tools."""
        messages = [_message(each) for each in items(body.get("messages"))]
        return Asked(messages, tools=openai_tools(body.get("tools")))

    def answered(self, response: Any) -> list[Message]:
        """Return a message for each choice."""
        return [
            answer(_parts(field(choice, "message")), field(choice, "finish_reason"))
            for choice in items(field(response, "choices"))
        ]

    def collector(self) -> "ChatCollector":
        """Return a fresh collector."""
        return ChatCollector()


class ChatCollector:
    """A streamed chat completion."""

    def __init__(self) -> None:
        self._drafts = Drafts()

    def add(self, chunk: Any) -> None:
        """Take what each choice adds."""
        for choice in items(field(chunk, "choices")):
            index, delta = integer(field(choice, "index")) or 0, field(choice, "delta")
            for name in _REASONING_FIELDS:
                self._drafts.grow(index, REASONING, REASONING, field(delta, name))
            self._drafts.grow(index, TEXT, TEXT, field(delta, "content"))
            self._drafts.grow(index, "refusal", TEXT, field(delta, "refusal"))
            for call in items(field(delta, "tool_calls")):
                self._add_call(index, call)
            self._drafts.finish(index, field(choice, "finish_reason"))

    def messages(self) -> list[Message]:
        """Return the messages as far as they have come."""
        return self._drafts.messages()

    def _add_call(self, choice: int, call: Any) -> None:
        key = (CALL, integer(field(call, "index")) or 0)
        function = field(call, "function")
        self._drafts.call(choice, key, call_id=field(call, "id"), name=field(function, "name"))
        self._drafts.grow(choice, key, CALL, field(function, "arguments"))


class CompletionsReader:
    """Text completions; token arrays have no text."""

    def asked(self, body: Body) -> Asked:
        """Return each prompt as a message of the user's."""
        given = body.get("prompt")
        prompts = [given] if isinstance(given, str) else items(given)
        return Asked([message("user", [text(each)]) for each in prompts if isinstance(each, str)])

    def answered(self, response: Any) -> list[Message]:
        """Return a message for each choice."""
        collector = self.collector()
        collector.add(response)
        return collector.messages()

    def collector(self) -> "CompletionsCollector":
        """Return a fresh collector."""
        return CompletionsCollector()


class CompletionsCollector:
    """A text completion; every chunk of a stream has the shape of the whole."""

    def __init__(self) -> None:
        self._drafts = Drafts()

    def add(self, chunk: Any) -> None:
        """Take what each choice adds."""
        for choice in items(field(chunk, "choices")):
            index = integer(field(choice, "index")) or 0
            self._drafts.grow(index, TEXT, TEXT, field(choice, "text"))
            self._drafts.finish(index, field(choice, "finish_reason"))

    def messages(self) -> list[Message]:
        """Return the messages as far as they have come."""
        return self._drafts.messages()


def _message(given: Any) -> Message:
    role, content = field(given, "role"), field(given, "content")
    if role in {"tool", "function"}:
        told = content if isinstance(content, str) else content_parts(content)
        return message(role, [tool_call_response(told, call_id=field(given, "tool_call_id"))])
    made = message(role, _parts(given))
    name = name_of(field(given, "name"))
    return made if name is None else {**made, "name": name}


def _parts(given: Any) -> list[Part]:
    """Return the parts of a message, asked or answered."""
    parts = [
        reasoning(thought)
        for name in _REASONING_FIELDS
        if isinstance(thought := field(given, name), str) and thought
    ]
    parts += content_parts(field(given, "content"))
    if isinstance(field(given, "refusal"), str):
        parts.append(text(field(given, "refusal")))
    parts += [_call(call) for call in items(field(given, "tool_calls"))]
    if field(field(given, "audio"), "id"):
        parts.append(uploaded(field(field(given, "audio"), "id"), modality="audio"))
    return parts


def _call(call: Any) -> Part:
    function, custom = field(call, "function"), field(call, "custom")
    told = field(function, "arguments") if function is not None else field(custom, "input")
    name = field(function if function is not None else custom, "name")
    return tool_call(name, told, call_id=field(call, "id"))
