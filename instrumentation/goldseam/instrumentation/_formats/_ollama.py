"""Ollama's own API: chat, generate and embed, whole or as JSON lines.

Streams are the default there: a request without `stream` asks for one. Durations come in
nanoseconds, and a cold model shows as the time to load it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._formats._base import (
    Answer,
    Body,
    SeenOnly,
    field,
    integer,
    name_of,
    number,
    tokens,
)
from goldseam.semconv import attributes as names

_OPTIONS: Final[tuple[tuple[str, str, Callable[[Any], AttributeValue | None]], ...]] = (
    ("temperature", _names.REQUEST_TEMPERATURE, number),
    ("top_p", _names.REQUEST_TOP_P, number),
    ("top_k", _names.REQUEST_TOP_K, number),
    ("num_predict", _names.REQUEST_MAX_TOKENS, integer),
    ("frequency_penalty", _names.REQUEST_FREQUENCY_PENALTY, number),
    ("presence_penalty", _names.REQUEST_PRESENCE_PENALTY, number),
    ("seed", _names.REQUEST_SEED, integer),
)
"""Fields of `options`. Stop sequences are left out: they are the caller's text."""

_DURATIONS: Final = (
    ("total_duration", names.SERVER_TOTAL_DURATION),
    ("load_duration", names.SERVER_LOAD_DURATION),
    ("prompt_eval_duration", names.SERVER_PROMPT_DURATION),
    ("eval_duration", names.SERVER_OUTPUT_DURATION),
)
_NS_PER_S: Final = 1_000_000_000


class OllamaFormat(SeenOnly, ABC):
    """What the three kinds of request share."""

    provider: Final = "ollama"
    api: Final = "ollama"
    path: str
    operation: str
    any_model_will_do: bool = True
    is_streamed_by_default: bool = True

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the options that the request sets."""
        attributes: dict[str, AttributeValue] = {}
        options = body.get("options")
        if isinstance(options, Mapping):
            for option, name, checked in _OPTIONS:
                value = checked(options[option]) if option in options else None
                if value is not None:
                    attributes[name] = value
        if body.get("format"):
            attributes[_names.OUTPUT_TYPE] = "json"
        if body.get("stream", self.is_streamed_by_default) is True:
            attributes[_names.REQUEST_STREAM] = True
        return attributes

    @abstractmethod
    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the text parts of the input."""

    @abstractmethod
    def text(self, response: Any) -> Any:
        """Return the text of an answer or of a part of it."""

    def read(self, response: Any) -> Answer:
        """Return the facts of a whole answer."""
        tally = self.tally()
        tally.add(response)
        tally.complete()
        return tally.answer

    def tally(self) -> "OllamaTally":
        """Return a fresh tally for one streamed answer."""
        return OllamaTally(self.text)


class OllamaTally:
    """Facts of an answer; its last line has all but the text."""

    __slots__ = ("_is_done", "_length", "_text", "answer")

    def __init__(self, text: Callable[[Any], Any]) -> None:
        self.answer = Answer()
        self._text = text
        self._length: int | None = None
        self._is_done = False

    def add(self, chunk: Any) -> None:
        """Count the text of a line; keep what the last one tells."""
        text = self._text(chunk)
        if isinstance(text, str):
            self._length = (self._length or 0) + len(text)
        if field(chunk, "done") is True:
            self._is_done = True
            self._read_end(chunk)
        elif field(chunk, "error"):
            self.answer.error = {"message": str(field(chunk, "error"))}

    def complete(self) -> bool:
        """Tell whether the last line has come."""
        self.answer.length = self._length
        return self._is_done

    def _read_end(self, chunk: Any) -> None:
        answer = self.answer
        _read_totals(answer, chunk)
        answer.output_tokens = tokens(field(chunk, "eval_count"))
        reason = name_of(field(chunk, "done_reason"))
        answer.finish_reasons = [reason] if reason else []


class OllamaChatFormat(OllamaFormat):
    """`/api/chat`."""

    path = "/api/chat"
    operation = "chat"

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the messages' texts."""
        messages = body.get("messages")
        for message in messages if isinstance(messages, (list, tuple)) else ():
            content = field(message, "content")
            if isinstance(content, str):
                yield content

    def text(self, response: Any) -> Any:
        """Return the message's words; its thoughts are not the answer."""
        return field(field(response, "message"), "content")


class OllamaGenerateFormat(OllamaFormat):
    """`/api/generate`."""

    path = "/api/generate"
    operation = "text_completion"

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the system text and the prompt."""
        for key in ("system", "prompt"):
            if isinstance(body.get(key), str):
                yield body[key]

    def text(self, response: Any) -> Any:
        """Return the completion."""
        return field(response, "response")


class OllamaEmbedFormat(OllamaFormat):
    """`/api/embed`; never streamed."""

    path = "/api/embed"
    operation = "embeddings"
    any_model_will_do = False
    is_streamed_by_default = False

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the input's texts."""
        given = body.get("input")
        texts = given if isinstance(given, (list, tuple)) else (given,)
        yield from (each for each in texts if isinstance(each, str))

    def text(self, response: Any) -> Any:  # noqa: ARG002 - vectors have none
        """Return nothing."""
        return None

    def read(self, response: Any) -> Answer:
        """Return model and usage; the vectors are not looked at."""
        answer = Answer()
        _read_totals(answer, response)
        error = field(response, "error")
        if error:
            answer.error = {"message": str(error)}
        return answer


def _read_totals(answer: Answer, response: Any) -> None:
    answer.model = name_of(field(response, "model"))
    answer.input_tokens = tokens(field(response, "prompt_eval_count"))
    for key, name in _DURATIONS:
        duration_ns = integer(field(response, key))
        if duration_ns is not None:
            answer.more[name] = duration_ns / _NS_PER_S


OLLAMA_CHAT: Final = OllamaChatFormat()
OLLAMA_GENERATE: Final = OllamaGenerateFormat()
OLLAMA_EMBED: Final = OllamaEmbedFormat()
