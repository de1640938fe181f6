"""Content of Ollama's own API: chat and generate."""

from typing import Any

from goldseam.instrumentation._content._drafts import CALL, REASONING, TEXT, Drafts
from goldseam.instrumentation._content._parts import (
    Message,
    Part,
    blob,
    items,
    message,
    openai_tools,
    reasoning,
    text,
    tool_call,
    tool_call_response,
)
from goldseam.instrumentation._content._reader import Asked
from goldseam.instrumentation._formats._base import Body, field


class OllamaCollector:
    """An answer; every line of a stream has the shape of the whole."""

    def __init__(self) -> None:
        self._drafts = Drafts()
        self._calls = 0

    def add(self, chunk: Any) -> None:
        """Take what a line adds: of a chat its message, else the line itself."""
        said = field(chunk, "message")
        told = chunk if said is None else said
        self._drafts.grow(0, REASONING, REASONING, field(told, "thinking"))
        self._drafts.grow(0, TEXT, TEXT, field(told, "response" if said is None else "content"))
        for call in items(field(told, "tool_calls")):
            self._calls += 1
            self._drafts.whole(0, (CALL, self._calls), _call(call))
        self._drafts.finish(0, field(chunk, "done_reason"))

    def messages(self) -> list[Message]:
        """Return the message, or as much of it as has come."""
        return self._drafts.messages()


class OllamaChatReader:
    """`/api/chat`."""

    def asked(self, body: Body) -> Asked:
        """Return conversation and tools."""
        messages = [_message(each) for each in items(body.get("messages"))]
        return Asked(messages, tools=openai_tools(body.get("tools")))

    def answered(self, response: Any) -> list[Message]:
        """Return the answer's message."""
        return _read(response)

    def collector(self) -> OllamaCollector:
        """Return a fresh collector."""
        return OllamaCollector()


class OllamaGenerateReader:
    """`/api/generate`."""

    def asked(self, body: Body) -> Asked:
        """Return the prompt, and the system text beside it."""
        prompt, system = body.get("prompt"), body.get("system")
        parts = [text(prompt)] if isinstance(prompt, str) else []
        parts += _images(body)
        instructions = [text(system)] if isinstance(system, str) else []
        return Asked([message("user", parts)], instructions)

    def answered(self, response: Any) -> list[Message]:
        """Return the answer's message."""
        return _read(response)

    def collector(self) -> OllamaCollector:
        """Return a fresh collector."""
        return OllamaCollector()


def _read(response: Any) -> list[Message]:
    collector = OllamaCollector()
    collector.add(response)
    return collector.messages()


def _message(given: Any) -> Message:
    role, content = field(given, "role"), field(given, "content")
    if role == "tool":
        return message(role, [tool_call_response(content if isinstance(content, str) else "")])
    thought = field(given, "thinking")
    parts = [reasoning(thought)] if isinstance(thought, str) and thought else []
    parts += [text(content)] if isinstance(content, str) else []
    parts += _images(given)
    return message(role, parts + [_call(call) for call in items(field(given, "tool_calls"))])


def _images(given: Any) -> list[Part]:
    return [blob(image, None, modality="image") for image in items(field(given, "images"))]


def _call(call: Any) -> Part:
    function = field(call, "function")
    return tool_call(field(function, "name"), field(function, "arguments"))
