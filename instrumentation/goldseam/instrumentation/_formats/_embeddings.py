"""OpenAI embeddings. The input may be text, texts or tokens; only text is measured."""

from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._formats._base import (
    Answer,
    Body,
    Tally,
    field,
    integer,
    name_of,
    read_usage,
)
from goldseam.instrumentation._formats._chat import ChatTally


class EmbeddingsFormat:
    """Embeddings; never streamed."""

    path: Final = "/embeddings"
    operation: Final = "embeddings"
    api: Final = "openai"
    any_model_will_do: Final = False
    """Vectors of two models mean different things, and nobody would notice."""

    def may_repeat(self, body: Body) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that asking again costs money only."""
        return True

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the dimensions and the encoding that the request asks for."""
        attributes: dict[str, AttributeValue] = {}
        dimensions = integer(body.get("dimensions"))
        if dimensions is not None:
            attributes[_names.EMBEDDINGS_DIMENSION_COUNT] = dimensions
        encoding = name_of(body.get("encoding_format"))
        if encoding is not None:
            attributes[_names.REQUEST_ENCODING_FORMATS] = [encoding]
        return attributes

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the input's texts; token arrays have none."""
        given = body.get("input")
        if isinstance(given, str):
            yield given
        elif isinstance(given, (list, tuple)):
            yield from (part for part in given if isinstance(part, str))

    def read(self, response: Any) -> Answer:
        """Return model and usage; the vectors are not looked at."""
        answer = Answer()
        answer.model = name_of(field(response, "model"))
        usage = field(response, "usage")
        if usage is not None:
            read_usage(answer, usage)
        if not field(response, "data"):
            error = field(response, "error")
            answer.error = error if isinstance(error, dict) else None
        return answer

    def tally(self) -> Tally:
        """Return a tally for a server that streams embeddings against the protocol."""
        return ChatTally()


EMBEDDINGS: Final = EmbeddingsFormat()
