"""Content of Google's Gemini API."""

from typing import Any

from goldseam.instrumentation._content._drafts import REASONING, TEXT, Drafts
from goldseam.instrumentation._content._parts import (
    Message,
    Part,
    blob,
    function,
    items,
    link,
    message,
    modality_of,
    other,
    plain,
    reasoning,
    server_tool_call,
    server_tool_call_response,
    text,
    tool_call,
    tool_call_response,
)
from goldseam.instrumentation._content._reader import Asked
from goldseam.instrumentation._formats._base import Body, field, integer, name_of


class GeminiReader:
    """`generateContent`; the system instruction stands beside the conversation."""

    def asked(self, body: Body) -> Asked:
        """Return conversation, system instruction and tools."""
        contents = body.get("contents")
        given = contents if isinstance(contents, list) else [contents]
        messages = [message(_role(each), _parts(each)) for each in given if each is not None]
        tools = [each for tool in items(body.get("tools")) for each in _tools(tool)]
        return Asked(messages, _parts(body.get("systemInstruction")), tools)

    def answered(self, response: Any) -> list[Message]:
        """Return a message for each candidate."""
        collector = self.collector()
        collector.add(response)
        return collector.messages()

    def collector(self) -> "GeminiCollector":
        """Return a fresh collector."""
        return GeminiCollector()


class GeminiCollector:
    """An answer; every chunk of a stream has the shape of the whole."""

    def __init__(self) -> None:
        self._drafts = Drafts()
        self._wholes = 0

    def add(self, chunk: Any) -> None:
        """Take what each candidate adds."""
        for candidate in items(field(chunk, "candidates")):
            index = integer(field(candidate, "index")) or 0
            for part in items(field(field(candidate, "content"), "parts")):
                self._add_part(index, part)
            self._drafts.finish(index, field(candidate, "finishReason"))

    def messages(self) -> list[Message]:
        """Return the messages as far as they have come."""
        return self._drafts.messages()

    def _add_part(self, choice: int, part: Any) -> None:
        """Let a text grow until something else stands between."""
        words = field(part, "text")
        if isinstance(words, str):
            kind = REASONING if field(part, "thought") is True else TEXT
            self._drafts.grow(choice, (kind, self._wholes), kind, words)
        else:
            self._wholes += 1
            self._drafts.whole(choice, self._wholes, _part(part))


def _role(content: Any) -> Any:
    role = field(content, "role")
    return "assistant" if role == "model" else role


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [text(content)]
    parts = field(content, "parts")
    given = parts if isinstance(parts, list) else [parts]
    return [_part(part) for part in given if part is not None]


def _part(part: Any) -> Part:  # noqa: PLR0911 - one line a kind of part
    words = field(part, "text")
    if isinstance(words, str):
        return reasoning(words) if field(part, "thought") is True else text(words)
    if call := field(part, "functionCall"):
        return tool_call(field(call, "name"), field(call, "args"), call_id=field(call, "id"))
    if told := field(part, "functionResponse"):
        return tool_call_response(plain(field(told, "response")), call_id=field(told, "id"))
    if data := field(part, "inlineData"):
        return blob(field(data, "data"), field(data, "mimeType"))
    if file := field(part, "fileData"):
        mime = name_of(field(file, "mimeType"))
        return link(field(file, "fileUri"), modality=modality_of(mime), mime_type=mime)
    if code := field(part, "executableCode"):
        details = {"type": "code", "code": plain(field(code, "code"))}
        return server_tool_call("code_execution", details)
    if result := field(part, "codeExecutionResult"):
        details = {"type": "code_result", "output": plain(field(result, "output"))}
        return server_tool_call_response(details)
    return other(next(iter(part), None) if isinstance(part, dict) else None)


def _tools(tool: Any) -> list[dict[str, Any]]:
    declared = items(field(tool, "functionDeclarations"))
    if not declared:
        return [other(name) for name in tool] if isinstance(tool, dict) else []
    return [
        function(each, field(each, "parameters") or field(each, "parametersJsonSchema"))
        for each in declared
    ]
