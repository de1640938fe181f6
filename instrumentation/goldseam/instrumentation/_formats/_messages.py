"""Anthropic's Messages API. Its input count leaves the cache out; the conventions' contains it."""

from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._formats._base import (
    MAX_PARTS,
    Answer,
    Body,
    Parameters,
    add_parameters,
    error_in,
    field,
    integer,
    joined_length,
    name_of,
    number,
    texts_of,
    tokens,
)

_PARAMETERS: Final[Parameters] = (
    ("max_tokens", _names.REQUEST_MAX_TOKENS, integer),
    ("temperature", _names.REQUEST_TEMPERATURE, number),
    ("top_p", _names.REQUEST_TOP_P, number),
    ("top_k", _names.REQUEST_TOP_K, number),
)

_STATE: Final = ("container", "mcp_servers", "thread")
"""Fields by which asking depends on what the provider keeps, or acts outside the answer."""


class MessagesFormat:
    """Messages, whole and streamed."""

    provider: Final = "anthropic"
    path: Final = "/v1/messages"
    operation: Final = "chat"
    api: Final = "anthropic"
    any_model_will_do: Final = True

    def may_repeat(self, body: Body) -> bool:
        """Tell whether asking again changes nothing elsewhere."""
        return not any(body.get(name) for name in _STATE)

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the sampling parameters that the request sets."""
        attributes: dict[str, AttributeValue] = {}
        add_parameters(attributes, body, _PARAMETERS)
        wanted = field(body.get("output_config"), "format") or body.get("output_format")
        if field(wanted, "type") == "json_schema":
            attributes[_names.OUTPUT_TYPE] = "json"
        return attributes

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the system prompt and the messages' text parts, tool results included."""
        yield from texts_of(body.get("system"))
        messages = body.get("messages")
        if not isinstance(messages, (list, tuple)):
            return
        for message in messages:
            content = field(message, "content")
            if isinstance(content, (list, tuple)):
                for block in content:
                    yield from texts_of([block])
                    yield from texts_of(field(block, "content"))
            else:
                yield from texts_of(content)

    def read(self, response: Any) -> Answer:
        """Return the facts of a whole answer."""
        answer = Answer()
        _read_head(answer, response)
        usage = field(response, "usage")
        if usage is not None:
            counts: dict[str, int] = {}
            _count(counts, usage)
            _take_usage(answer, counts)
        content = field(response, "content")
        if isinstance(content, list):
            answer.length = joined_length(map(len, texts_of(content)))
        else:
            answer.error = error_in(response)
        reason = name_of(field(response, "stop_reason"))
        answer.finish_reasons = [reason] if reason else []
        return answer

    def tally(self) -> "MessagesTally":
        """Return a fresh tally for one streamed answer."""
        return MessagesTally()


class MessagesTally:
    """Facts of a streamed answer."""

    __slots__ = ("_counts", "_lengths", "_stopped", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._counts: dict[str, int] = {}
        self._lengths: dict[int, int] = {}
        self._stopped = False

    def add(self, event: Any) -> None:
        """Count the text of an event; keep usage and stop reason."""
        kind = field(event, "type")
        if kind == "content_block_delta":
            self._add_text(event)
        elif kind == "message_start":
            message = field(event, "message")
            _read_head(self.answer, message)
            _count(self._counts, field(message, "usage"))
        elif kind == "message_delta":
            reason = name_of(field(field(event, "delta"), "stop_reason"))
            self.answer.finish_reasons = [reason] if reason else []
            _count(self._counts, field(event, "usage"))
        elif kind == "message_stop":
            self._stopped = True
        elif kind == "error":
            self.answer.error = error_in(event)

    def _add_text(self, event: Any) -> None:
        text, index = field(field(event, "delta"), "text"), field(event, "index")
        if isinstance(text, str) and type(index) is int and len(self._lengths) < MAX_PARTS:
            self._lengths[index] = self._lengths.get(index, 0) + len(text)

    def complete(self) -> bool:
        """Tell whether the model said why it stopped; a stream cut by a server does not."""
        _take_usage(self.answer, self._counts)
        self.answer.length = joined_length(self._lengths.values())
        return self._stopped or bool(self.answer.finish_reasons)


_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def _read_head(answer: Answer, message: Any) -> None:
    answer.model = name_of(field(message, "model"))
    answer.id = name_of(field(message, "id"))


def _count(counts: dict[str, int], usage: Any) -> None:
    """Take counts over. A stream's later counts contain the earlier ones, where they are told."""
    for name in _COUNTS:
        count = tokens(field(usage, name))
        if count is not None:
            counts[name] = max(count, counts.get(name, 0))
    thinking = tokens(field(field(usage, "output_tokens_details"), "thinking_tokens"))
    if thinking is not None:
        counts["thinking_tokens"] = thinking


def _take_usage(answer: Answer, counts: dict[str, int]) -> None:
    read, created = (counts.get(name) for name in _COUNTS[2:])
    answer.cache_read_tokens, answer.cache_creation_tokens = read, created
    if "input_tokens" in counts:
        answer.input_tokens = counts["input_tokens"] + (read or 0) + (created or 0)
    answer.output_tokens = counts.get("output_tokens")
    answer.reasoning_tokens = counts.get("thinking_tokens")


MESSAGES: Final = MessagesFormat()
