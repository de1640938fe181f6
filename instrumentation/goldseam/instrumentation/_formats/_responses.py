"""OpenAI's Responses API. It names no finish reason; its status stands in, in the words of chat."""

from collections.abc import Iterable, Iterator, Mapping
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
    fields_of,
    integer,
    joined_length,
    name_of,
    number,
    read_details,
    texts_of,
    tokens,
)

_PARAMETERS: Final[Parameters] = (
    ("temperature", _names.REQUEST_TEMPERATURE, number),
    ("top_p", _names.REQUEST_TOP_P, number),
    ("max_output_tokens", _names.REQUEST_MAX_TOKENS, integer),
    ("service_tier", _names.OPENAI_REQUEST_SERVICE_TIER, name_of),
)

_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}

_REASONS: Final = {"completed": "stop", "max_output_tokens": "length"}
"""Status, or reason of an incomplete response, in chat's words; others are told as they are."""

_STATE: Final = ("background", "conversation", "previous_response_id")
"""Fields by which a request depends on what the provider keeps, or leaves something there."""

_HARMLESS_TOOLS: Final = frozenset(
    {"function", "custom", "file_search", "web_search", "web_search_preview"}
)
"""Tools that the application runs, or that only read; all others may act when asked again."""


class ResponsesFormat:
    """Responses, whole and streamed."""

    path: Final = "/responses"
    operation: Final = "chat"
    api: Final = "openai"
    any_model_will_do: Final = True

    def may_repeat(self, body: Body) -> bool:
        """Tell whether asking again leaves nothing behind: by default the provider keeps each."""
        tools = body.get("tools")
        kinds = (field(tool, "type") for tool in tools) if isinstance(tools, (list, tuple)) else ()
        return (
            body.get("store") is False
            and not any(body.get(name) for name in _STATE)
            and all(kind in _HARMLESS_TOOLS for kind in kinds)
        )

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the parameters that the request sets."""
        attributes: dict[str, AttributeValue] = {_names.OPENAI_API_TYPE: "responses"}
        add_parameters(attributes, body, _PARAMETERS)
        if "text" in body:
            kind = _OUTPUT_TYPES.get(str(field(field(body["text"], "format"), "type")))
            if kind is not None:
                attributes[_names.OUTPUT_TYPE] = kind
        if "conversation" in body:
            given = body["conversation"]
            conversation = name_of(given) or name_of(field(given, "id"))
            if conversation is not None:
                attributes[_names.CONVERSATION_ID] = conversation
        return attributes

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the instructions and the input's text parts."""
        yield from texts_of(body.get("instructions"))
        given = body.get("input")
        if isinstance(given, str):
            yield given
        elif isinstance(given, (list, tuple)):
            for item in given:
                yield from texts_of(field(item, "content"))
                yield from texts_of(field(item, "output"))

    def read(self, response: Any) -> Answer:
        """Return the facts of a response; one that failed tells its error."""
        answer, told = Answer(), fields_of(response)
        _read_head(answer, told)
        usage, output = told.get("usage"), told.get("output")
        if usage is not None:
            _read_usage(answer, usage)
        status = name_of(told.get("status"))
        if status == "failed" or output is None:
            answer.error = error_in(response)
        answer.finish_reasons = _reasons(status, response)
        answer.length = joined_length(_output_texts(output))
        return answer

    def tally(self) -> "ResponsesTally":
        """Return a fresh tally for one streamed response."""
        return ResponsesTally()


class ResponsesTally:
    """Facts of a streamed response. Its last event holds the whole response."""

    __slots__ = ("_ended", "_lengths", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._lengths: dict[tuple[int, int], int] = {}
        self._ended = False

    def add(self, event: Any) -> None:
        """Count the text of an event; take the facts of the last one."""
        kind = field(event, "type")
        if kind == "response.output_text.delta":
            place, text = _place(event), field(event, "delta")
            if isinstance(text, str) and len(self._lengths) < MAX_PARTS:
                self._lengths[place] = self._lengths.get(place, 0) + len(text)
        elif kind == "response.created":
            _read_head(self.answer, fields_of(field(event, "response")))
        elif kind in {"response.completed", "response.incomplete", "response.failed"}:
            self._ended = True
            self.answer = RESPONSES.read(field(event, "response"))
        elif kind == "error":
            self._ended = True
            self.answer.error = {"code": field(event, "code"), "message": field(event, "message")}

    def complete(self) -> bool:
        """Tell whether the last event came; a stream cut by a server has none."""
        if self.answer.length is None:
            self.answer.length = joined_length(self._lengths.values())
        return self._ended


def _place(event: Any) -> tuple[int, int]:
    return integer(field(event, "output_index")) or 0, integer(field(event, "content_index")) or 0


def _read_head(answer: Answer, told: Mapping[str, Any]) -> None:
    answer.model = name_of(told.get("model"))
    answer.id = name_of(told.get("id"))
    answer.service_tier = name_of(told.get("service_tier"))


def _read_usage(answer: Answer, usage: Any) -> None:
    told = fields_of(usage)
    answer.input_tokens = tokens(told.get("input_tokens"))
    answer.output_tokens = tokens(told.get("output_tokens"))
    read_details(answer, told.get("input_tokens_details"), told.get("output_tokens_details"))


def _reasons(status: str | None, response: Any) -> list[str]:
    """Return why the model stopped; one that has not stopped, or failed, has no reason."""
    if status == "incomplete":
        status = name_of(field(field(response, "incomplete_details"), "reason")) or status
    elif status != "completed":
        return []
    return [_REASONS.get(status, status)]


def _output_texts(output: Any) -> Iterable[int]:
    """Yield the lengths of an output's texts."""
    if isinstance(output, list):
        for item in output[:MAX_PARTS]:
            yield from map(len, texts_of(field(item, "content")))


RESPONSES: Final = ResponsesFormat()
