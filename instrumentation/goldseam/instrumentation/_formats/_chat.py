"""OpenAI chat completions, as OpenAI and the many servers that speak its protocol send them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._formats._base import (
    MAX_PARTS,
    Answer,
    Body,
    Parameters,
    add_parameters,
    declared_of,
    field,
    fields_of,
    integer,
    name_of,
    number,
    read_usage,
    texts_of,
)

_PARAMETERS: Final[Parameters] = (
    ("temperature", _names.REQUEST_TEMPERATURE, number),
    ("top_p", _names.REQUEST_TOP_P, number),
    ("max_tokens", _names.REQUEST_MAX_TOKENS, integer),
    ("max_completion_tokens", _names.REQUEST_MAX_TOKENS, integer),
    ("frequency_penalty", _names.REQUEST_FREQUENCY_PENALTY, number),
    ("presence_penalty", _names.REQUEST_PRESENCE_PENALTY, number),
    ("seed", _names.REQUEST_SEED, integer),
    ("n", _names.REQUEST_CHOICE_COUNT, integer),
    ("service_tier", _names.OPENAI_REQUEST_SERVICE_TIER, name_of),
)
"""Stop sequences are left out: they are the caller's text."""

_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}


class ChatFormat:
    """Chat completions, whole and streamed."""

    path: Final = "/chat/completions"
    operation: Final = "chat"
    api: Final = "openai"
    any_model_will_do: Final = True

    def may_repeat(self, body: Body) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that asking again costs money only."""
        return True

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the sampling parameters that the request sets."""
        attributes: dict[str, AttributeValue] = {_names.OPENAI_API_TYPE: "chat_completions"}
        add_parameters(attributes, body, _PARAMETERS)
        if "response_format" in body:
            kind = _OUTPUT_TYPES.get(str(field(body["response_format"], "type")))
            if kind is not None:
                attributes[_names.OUTPUT_TYPE] = kind
        return attributes

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the messages' text parts; messages that can be read only once are left alone."""
        messages = body.get("messages")
        if not isinstance(messages, (list, tuple)):
            return
        for message in messages:
            yield from texts_of(field(message, "content"))

    def read(self, response: Any) -> Answer:
        """Return the facts of a whole answer."""
        answer, told = Answer(), fields_of(response)
        _read_head(answer, told)
        usage = told.get("usage")
        if usage is not None:
            read_usage(answer, usage)
        choices = told.get("choices")
        if isinstance(choices, list) and choices:
            _read_choices(answer, choices)
        else:
            error = told.get("error")
            answer.error = error if isinstance(error, dict) else None
        return answer

    def tally(self) -> "ChatTally":
        """Return a fresh tally for one streamed answer."""
        return ChatTally()


class ChatTally:
    """Facts of a streamed chat completion."""

    __slots__ = ("_finished", "_headless", "_lengths", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._finished: dict[int, str] = {}
        self._lengths: dict[int, int] = {}
        self._headless = True

    def add(self, chunk: Any) -> None:
        """Count the text of a chunk; keep its usage and finish reasons."""
        if type(chunk) is dict:
            self._add_json(chunk)
            return
        if self._headless:
            _read_head(self.answer, fields_of(chunk))
            self._headless = self.answer.model is None
        fields = declared_of(chunk)
        for choice in fields.get("choices") or ():
            told = declared_of(choice)
            delta = told.get("delta")
            if delta is None:  # Cerebras' SDK keeps it among the fields that it does not declare
                delta = getattr(choice, "delta", None)
            content = declared_of(delta).get("content")
            if content and len(self._lengths) < MAX_PARTS:
                index = told.get("index", 0)
                self._lengths[index] = self._lengths.get(index, 0) + len(content)
            if told.get("finish_reason") and len(self._finished) < MAX_PARTS:
                self._finished[told.get("index", 0)] = told["finish_reason"]
                if "x_groq" in fields:
                    _read_groq_usage(self.answer, fields["x_groq"])
        usage = fields.get("usage")
        if usage is not None:
            read_usage(self.answer, usage)

    def _add_json(self, chunk: dict[str, Any]) -> None:
        """Take a chunk as it came over the wire, where every value may be missing or strange."""
        if self._headless:
            _read_head(self.answer, chunk)
            self._headless = self.answer.model is None
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            index = integer(field(choice, "index")) or 0
            content = field(field(choice, "delta"), "content")
            if isinstance(content, str) and content and len(self._lengths) < MAX_PARTS:
                self._lengths[index] = self._lengths.get(index, 0) + len(content)
            reason = field(choice, "finish_reason")
            if reason and len(self._finished) < MAX_PARTS:
                self._finished[index] = reason
        usage = chunk.get("usage")
        if usage is not None:
            read_usage(self.answer, usage)

    def complete(self) -> bool:
        """Tell whether the model said why it stopped; a stream cut by a server does not."""
        answer = self.answer
        reasons = (name_of(reason) for _, reason in sorted(self._finished.items()))
        answer.finish_reasons = [reason for reason in reasons if reason]
        if self._lengths:
            answer.length = sum(self._lengths.values()) + len(self._lengths) - 1
        return bool(self._finished)


def _read_head(answer: Answer, told: Mapping[str, Any]) -> None:
    answer.model = name_of(told.get("model"))
    answer.id = name_of(told.get("id"))
    answer.service_tier = name_of(told.get("service_tier"))
    answer.fingerprint = name_of(told.get("system_fingerprint"))


def _read_groq_usage(answer: Answer, told: Any) -> None:
    """Take the counts that Groq sends with the finish reason, asked for or not."""
    usage = field(told, "usage")
    if usage is not None:
        read_usage(answer, usage)


def _read_choices(answer: Answer, choices: list[Any]) -> None:
    length, parts = 0, 0
    for choice in choices[:MAX_PARTS]:
        told = fields_of(choice)
        reason = name_of(told.get("finish_reason"))
        if reason:
            answer.finish_reasons.append(reason)
        for text in texts_of(fields_of(told.get("message")).get("content")):
            length += len(text)
            parts += 1
    if parts:
        answer.length = length + parts - 1  # the line breaks that join the parts


CHAT: Final = ChatFormat()
