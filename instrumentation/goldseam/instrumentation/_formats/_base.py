"""What every wire format offers, and how formats read values that nobody checked.

Requests come from the application, answers from any server that claims to speak the protocol:
each value is checked for its type here, and a strange one counts as absent.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.semconv import attributes as names

Body: TypeAlias = Mapping[str, Any]
"""The request's JSON body as the SDK will send it."""

Parameters: TypeAlias = tuple[tuple[str, str, Callable[[Any], AttributeValue | None]], ...]
"""Request parameter, attribute name, and the check that its value passes or not."""

MAX_NAME_CHARS: Final = 256
"""Model names, ids and finish reasons are short; anything longer is cut."""

MAX_TOKENS: Final = 1_000_000_000
"""Larger counts are a server's mistake."""

MAX_PARTS: Final = 128
"""Choices or text parts of one answer that are looked at; OpenAI accepts no more as `n`."""


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Answer:
    """What an answer tells about itself, without its text."""

    __slots__ = (
        "cache_creation_tokens",
        "cache_read_tokens",
        "error",
        "fingerprint",
        "finish_reasons",
        "id",
        "input_tokens",
        "length",
        "model",
        "more",
        "output_tokens",
        "reasoning_tokens",
        "service_tier",
    )

    def __init__(self) -> None:
        self.model: str | None = None
        self.id: str | None = None
        self.finish_reasons: list[str] = []
        self.length: int | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cache_read_tokens: int | None = None
        self.cache_creation_tokens: int | None = None
        self.reasoning_tokens: int | None = None
        self.service_tier: str | None = None
        self.fingerprint: str | None = None
        self.error: Mapping[str, Any] | None = None
        self.more: dict[str, AttributeValue] = {}

    def forget_tokens(self) -> None:
        """Take the token counts out: an answer that was given before costs nothing now."""
        self.input_tokens = self.output_tokens = self.reasoning_tokens = None
        self.cache_read_tokens = self.cache_creation_tokens = None

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the span attributes of the answer; what is not known is left out."""
        found = (
            (_names.RESPONSE_MODEL, self.model),
            (_names.RESPONSE_ID, self.id),
            (_names.USAGE_INPUT_TOKENS, self.input_tokens),
            (_names.USAGE_OUTPUT_TOKENS, self.output_tokens),
            (_names.USAGE_CACHE_READ_INPUT_TOKENS, self.cache_read_tokens),
            (_names.USAGE_CACHE_CREATION_INPUT_TOKENS, self.cache_creation_tokens),
            (_names.USAGE_REASONING_OUTPUT_TOKENS, self.reasoning_tokens),
            (_names.OPENAI_RESPONSE_SERVICE_TIER, self.service_tier),
            (_names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT, self.fingerprint),
            (names.RESPONSE_LENGTH, self.length),
        )
        attributes: dict[str, AttributeValue] = {
            name: value for name, value in found if value is not None
        }
        if self.finish_reasons:
            attributes[_names.RESPONSE_FINISH_REASONS] = self.finish_reasons
        attributes.update(self.more)
        return attributes


_USAGE: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "reasoning_tokens",
)


def with_usage_of(answer: Answer | None, others: Iterable[Answer]) -> Answer:
    """Return an answer whose usage is the sum of its own and that of others, where they tell."""
    found = Answer() if answer is None else answer
    for other in others:
        for name in _USAGE:
            if (count := getattr(other, name)) is not None:
                setattr(found, name, (getattr(found, name) or 0) + count)
    return found


class Tally(Protocol):
    """Collects the facts of a streamed answer, chunk by chunk, keeping no chunk."""

    @property
    def answer(self) -> Answer:
        """The facts so far."""

    def add(self, chunk: Any) -> None:
        """Take note of one chunk."""

    def complete(self) -> bool:
        """Tell whether the answer had reached its end when the stream did."""


class Format(Protocol):
    """One kind of request: its path, its operation, and how to read both bodies."""

    @property
    def path(self) -> str:
        """Path below the provider's base URL; empty where one operation has several."""

    @property
    def operation(self) -> str:
        """Value of `gen_ai.operation.name`."""

    @property
    def api(self) -> str:
        """The API that it belongs to; recovery goes to providers of the same API only."""

    @property
    def any_model_will_do(self) -> bool:
        """Whether another model's answer can stand in for the asked one's."""

    def may_repeat(self, body: Body) -> bool:
        """Tell whether recovery may send a request again: it costs money, and nothing else."""

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the span attributes of the request's parameters, model left out."""

    def prompt_parts(self, body: Body) -> Iterable[str]:
        """Yield the text parts of the input, in order."""

    def read(self, response: Any) -> Answer:
        """Return the facts of an answer: the SDK's model, parsed JSON, or something strange."""

    def tally(self) -> Tally:
        """Return a fresh tally for one streamed answer."""


class SeenOnly:
    """What a format says whose requests are seen on the wire and never sent by recovery."""

    def may_repeat(self, body: Body) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that recovery leaves the request alone."""
        return False


def field(value: Any, name: str) -> Any:
    """Return a field of a JSON object or of an SDK model, None where there is none."""
    fields = fields_of(value)
    return fields[name] if name in fields else _attribute(value, name)


def fields_of(value: Any) -> Mapping[str, Any]:
    """Return the fields of a JSON object or of an SDK model.

    To look into a model's dictionaries costs a fraction of asking it for attributes; the second
    holds what a server sent and the SDK does not know.
    """
    if isinstance(value, dict):
        return value
    undeclared = getattr(value, "__pydantic_extra__", None)
    fields: Mapping[str, Any] = getattr(value, "__dict__", _NOTHING)
    return {**undeclared, **fields} if undeclared else fields


def declared_of(value: Any) -> Mapping[str, Any]:
    """Return the fields that an SDK's model declares, or those of a JSON object.

    For what is read of every chunk: nothing is copied, whatever a server adds.
    """
    if type(value) is dict:
        return value
    fields: Mapping[str, Any] = getattr(value, "__dict__", _NOTHING)
    return fields


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute of what is no model: a model's fields have been looked for already."""
    if isinstance(value, dict) or hasattr(value, "__pydantic_extra__"):
        return None
    return getattr(value, name, None)


def name_of(value: Any) -> str | None:
    """Return a short text that every exporter can encode, or None."""
    if not isinstance(value, str) or not value:
        return None
    text = value[:MAX_NAME_CHARS]
    return text if text.isascii() else text.encode(errors="replace").decode()


def tokens(value: Any) -> int | None:
    """Return a token count, or None for what cannot be one."""
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else None


def number(value: Any) -> float | None:
    """Return a number as the conventions' double, or None."""
    return float(value) if isinstance(value, (int, float)) and type(value) is not bool else None


def integer(value: Any) -> int | None:
    """Return a whole number that fits a span attribute, or None."""
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def add_parameters(
    attributes: dict[str, AttributeValue], body: Body, parameters: Parameters
) -> None:
    """Add the attributes of the parameters that a request sets, and whether it asks a stream."""
    for parameter, name, checked in parameters:
        if parameter in body:
            value = checked(body[parameter])
            if value is not None:
                attributes[name] = value
    if body.get("stream") is True:
        attributes[_names.REQUEST_STREAM] = True


def texts_of(content: Any) -> Iterable[str]:
    """Return the texts of a content field: a text, or a list of texts and parts with a text."""
    if isinstance(content, str):
        return (content,)
    if not isinstance(content, (list, tuple)):
        return ()
    texts = (part if isinstance(part, str) else field(part, "text") for part in content)
    return [text for text in texts if isinstance(text, str)]


def joined_length(lengths: Iterable[int]) -> int | None:
    """Return the length of text parts joined by line breaks, None where there is no part."""
    found = list(lengths)
    return sum(found) + len(found) - 1 if found else None


def error_in(response: Any) -> Mapping[str, Any] | None:
    """Return the error that stands in an answer's body, as a JSON object."""
    error = field(response, "error")
    if error is None or isinstance(error, dict):
        return error
    told = {name: field(error, name) for name in ("code", "type", "message")}
    return told if any(told.values()) else None


def read_usage(answer: Answer, usage: Any) -> None:
    """Take the token counts of an OpenAI `usage` object into `answer`."""
    told = fields_of(usage)
    answer.input_tokens = tokens(told.get("prompt_tokens"))
    answer.output_tokens = tokens(told.get("completion_tokens"))
    read_details(answer, told.get("prompt_tokens_details"), told.get("completion_tokens_details"))


def read_details(answer: Answer, of_input: Any, of_output: Any) -> None:
    """Take the details that OpenAI tells about its token counts into `answer`."""
    if of_input is not None:
        told = fields_of(of_input)
        answer.cache_read_tokens = tokens(told.get("cached_tokens"))
        answer.cache_creation_tokens = tokens(told.get("cache_write_tokens"))
    if of_output is not None:
        answer.reasoning_tokens = tokens(fields_of(of_output).get("reasoning_tokens"))
