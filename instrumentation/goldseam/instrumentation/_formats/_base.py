"""What every wire format offers, and how formats read values that nobody checked.

Requests come from the application, answers from any server that claims to speak the protocol:
each value is checked for its type here, and a strange one counts as absent.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.semconv import attributes as names

Body: TypeAlias = Mapping[str, Any]
"""The request's JSON body as the SDK will send it."""

MAX_NAME_CHARS: Final = 256
"""Model names, ids and finish reasons are short; anything longer is cut."""

MAX_TOKENS: Final = 1_000_000_000
"""Larger counts are a server's mistake."""


class Answer:
    """What an answer tells about itself, without its text."""

    __slots__ = (
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
        self.reasoning_tokens: int | None = None
        self.service_tier: str | None = None
        self.fingerprint: str | None = None
        self.error: Mapping[str, Any] | None = None
        self.more: dict[str, AttributeValue] = {}

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the span attributes of the answer; what is not known is left out."""
        found = {
            _names.RESPONSE_MODEL: self.model,
            _names.RESPONSE_ID: self.id,
            _names.USAGE_INPUT_TOKENS: self.input_tokens,
            _names.USAGE_OUTPUT_TOKENS: self.output_tokens,
            _names.USAGE_CACHE_READ_INPUT_TOKENS: self.cache_read_tokens,
            _names.USAGE_REASONING_OUTPUT_TOKENS: self.reasoning_tokens,
            _names.OPENAI_RESPONSE_SERVICE_TIER: self.service_tier,
            _names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: self.fingerprint,
            names.RESPONSE_LENGTH: self.length,
        }
        attributes: dict[str, AttributeValue] = {
            key: value for key, value in found.items() if value is not None
        }
        if self.finish_reasons:
            attributes[_names.RESPONSE_FINISH_REASONS] = self.finish_reasons
        attributes.update(self.more)
        return attributes


class Tally(Protocol):
    """Collects the facts of a streamed answer, chunk by chunk, keeping no chunk."""

    answer: Answer

    def add(self, chunk: Any) -> None:
        """Take note of one chunk."""

    def complete(self) -> bool:
        """Tell whether the answer had reached its end when the stream did."""


class Format(Protocol):
    """One kind of request: its path, its operation, and how to read both bodies."""

    @property
    def path(self) -> str:
        """Path below the provider's base URL."""

    @property
    def operation(self) -> str:
        """Value of `gen_ai.operation.name`."""

    @property
    def any_model_will_do(self) -> bool:
        """Whether another model's answer can stand in for the asked one's."""

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the span attributes of the request's parameters, model left out."""

    def prompt_parts(self, body: Body) -> Iterable[str]:
        """Yield the text parts of the input, in order."""

    def read(self, response: Any) -> Answer:
        """Return the facts of an answer: the SDK's model, parsed JSON, or something strange."""

    def tally(self) -> Tally:
        """Return a fresh tally for one streamed answer."""


def field(value: Any, name: str) -> Any:
    """Return a field of a JSON object or of an SDK model, None where there is none."""
    if isinstance(value, dict):
        return value.get(name)
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


def read_usage(answer: Answer, usage: Any) -> None:
    """Take the token counts of an OpenAI `usage` object into `answer`."""
    answer.input_tokens = tokens(field(usage, "prompt_tokens"))
    answer.output_tokens = tokens(field(usage, "completion_tokens"))
    details = field(usage, "prompt_tokens_details")
    if details is not None:
        answer.cache_read_tokens = tokens(field(details, "cached_tokens"))
    details = field(usage, "completion_tokens_details")
    if details is not None:
        answer.reasoning_tokens = tokens(field(details, "reasoning_tokens"))
