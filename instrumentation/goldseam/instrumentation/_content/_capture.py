"""Captures content: what `_invocation` asks where `_settings` says that content is wanted.

A fault of ours leaves content out and is reported once; the call and the rest of its span are
unaffected.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._content._chat import ChatReader, CompletionsReader
from goldseam.instrumentation._content._gemini import GeminiReader
from goldseam.instrumentation._content._limit import limited
from goldseam.instrumentation._content._messages import MessagesReader
from goldseam.instrumentation._content._ollama import OllamaChatReader, OllamaGenerateReader
from goldseam.instrumentation._content._parts import Message
from goldseam.instrumentation._content._reader import Collector, Reader
from goldseam.instrumentation._content._redact import Redaction
from goldseam.instrumentation._content._responses import ResponsesReader
from goldseam.instrumentation._content._settings import ContentSettings
from goldseam.instrumentation._formats import Answer, Body, Format, Tally
from goldseam.instrumentation._guard import report

READERS: Final[Mapping[str, Reader]] = {
    "/chat/completions": ChatReader(),
    "/completions": CompletionsReader(),
    "/responses": ResponsesReader(),
    "/v1/messages": MessagesReader(),
    "/api/chat": OllamaChatReader(),
    "/api/generate": OllamaGenerateReader(),
    ":generateContent": GeminiReader(),
}
"""By the format's path. Of embeddings the conventions define no content, of other requests nobody
knows where it stands: both have none."""


class Content:
    """Content capture of one `instrument()`."""

    def __init__(self, settings: ContentSettings) -> None:
        self._max_bytes = settings.max_bytes
        self._redaction = Redaction(settings.redact) if settings.redact is not None else None

    def asked(self, format_: Format, body: Body) -> dict[str, AttributeValue]:
        """Return the span attributes of a request's content."""
        reader = READERS.get(format_.path)
        if reader is None:
            return {}
        try:
            asked = reader.asked(body)
            found = {
                _names.SYSTEM_INSTRUCTIONS: asked.instructions,
                _names.INPUT_MESSAGES: asked.messages,
                _names.TOOL_DEFINITIONS: asked.tools,
            }
            return {key: told for key, value in found.items() if (told := self._told(value))}
        except Exception as error:  # noqa: BLE001 - the fence
            report("Content.asked", error)
            return {}

    def answered(self, messages: Callable[[], list[Message]]) -> dict[str, AttributeValue]:
        """Return the span attribute of an answer's messages."""
        try:
            told = self._told(messages())
        except Exception as error:  # noqa: BLE001 - the fence
            report("Content.answered", error)
            return {}
        return {_names.OUTPUT_MESSAGES: told} if told else {}

    def reading(self, format_: Format) -> Format:
        """Return a format whose answers bring their content along."""
        reader = READERS.get(format_.path)
        if reader is None:
            return format_
        return cast("Format", _CapturingFormat(format_, reader, self))

    def _told(self, content: Sequence[dict[str, Any]]) -> str | None:
        if not content:
            return None
        redacted = content if self._redaction is None else self._redaction.applied(content)
        return None if redacted is None else limited(redacted, self._max_bytes)


class _CapturingFormat:
    """A format that adds the content to each answer; all else is the format's own."""

    def __init__(self, format_: Format, reader: Reader, content: Content) -> None:
        self._format = format_
        self._reader = reader
        self._content = content

    def read(self, response: Any) -> Answer:
        """Return the facts of an answer, content included."""
        answer = self._format.read(response)
        answer.more.update(self._content.answered(lambda: self._reader.answered(response)))
        return answer

    def tally(self) -> Tally:
        """Return a tally that keeps the content, too."""
        return _CapturingTally(self._format.tally(), self._reader.collector(), self._content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._format, name)


class _CapturingTally:
    """A tally that keeps the content of a streamed answer until it ends."""

    __slots__ = ("_collector", "_content", "_tally")

    def __init__(self, tally: Tally, collector: Collector, content: Content) -> None:
        self._tally = tally
        self._collector = collector
        self._content = content

    @property
    def answer(self) -> Answer:
        """The facts so far."""
        return self._tally.answer

    def add(self, chunk: Any) -> None:
        """Take facts and content of one chunk."""
        self._tally.add(chunk)
        try:
            self._collector.add(chunk)
        except Exception as error:  # noqa: BLE001 - the fence; facts must not suffer
            report("Collector.add", error)

    def complete(self) -> bool:
        """Finish; whether the answer had reached its end is for the tally to tell."""
        is_complete = self._tally.complete()
        self._tally.answer.more.update(self._content.answered(self._collector.messages))
        return is_complete
