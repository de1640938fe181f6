"""Google's Gemini API, also as Vertex AI serves it: content, whole or streamed, and embeddings.

The model stands in the path; `_paths` puts it into the body that this module sees. Thoughts are
counted beside the answer's tokens there, and are output like these here.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._formats._base import (
    Answer,
    Body,
    SeenOnly,
    Tally,
    field,
    integer,
    name_of,
    number,
    tokens,
)

_PARAMETERS: Final[tuple[tuple[str, str, Callable[[Any], AttributeValue | None]], ...]] = (
    ("temperature", _names.REQUEST_TEMPERATURE, number),
    ("topP", _names.REQUEST_TOP_P, number),
    ("topK", _names.REQUEST_TOP_K, number),
    ("maxOutputTokens", _names.REQUEST_MAX_TOKENS, integer),
    ("frequencyPenalty", _names.REQUEST_FREQUENCY_PENALTY, number),
    ("presencePenalty", _names.REQUEST_PRESENCE_PENALTY, number),
    ("seed", _names.REQUEST_SEED, integer),
    ("candidateCount", _names.REQUEST_CHOICE_COUNT, integer),
)
_OUTPUT_TYPES: Final = {"text/plain": "text", "application/json": "json", "text/x.enum": "json"}

MAX_CANDIDATES: Final = 64
"""More than any model gives."""

BLOCKED: Final = "content_filter"
"""Code of an answer without candidates because the prompt was blocked."""


class GenerateContentFormat(SeenOnly):
    """`generateContent` and `streamGenerateContent`."""

    provider: Final = "gcp.gemini"
    api: Final = "gemini"
    path: Final = ":generateContent"
    operation: Final = "generate_content"
    any_model_will_do: Final = True

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the generation parameters that the request sets."""
        attributes: dict[str, AttributeValue] = {}
        config = body.get("generationConfig")
        if isinstance(config, dict):
            for parameter, name, checked in _PARAMETERS:
                value = checked(config[parameter]) if parameter in config else None
                if value is not None:
                    attributes[name] = value
            kind = _OUTPUT_TYPES.get(str(config.get("responseMimeType")))
            if kind is not None:
                attributes[_names.OUTPUT_TYPE] = kind
        if body.get("stream") is True:
            attributes[_names.REQUEST_STREAM] = True
        return attributes

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the system instruction's and the contents' texts."""
        yield from _texts(body.get("systemInstruction"))
        contents = body.get("contents")
        for content in contents if isinstance(contents, list) else (contents,):
            yield from _texts(content)

    def read(self, response: Any) -> Answer:
        """Return the facts of a whole answer."""
        tally = self.tally()
        tally.add(response)
        tally.complete()
        return tally.answer

    def tally(self) -> "GeminiTally":
        """Return a fresh tally for one streamed answer."""
        return GeminiTally()


class GeminiTally:
    """Facts of an answer; every part of a stream has the shape of the whole."""

    __slots__ = ("_finished", "_lengths", "_usage", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._lengths: dict[int, int] = {}
        self._finished: dict[int, str] = {}
        self._usage: Any = None

    def add(self, chunk: Any) -> None:
        """Count the text; keep reasons and the latest usage, which grows from part to part."""
        answer = self.answer
        answer.model = name_of(field(chunk, "modelVersion")) or answer.model
        answer.id = name_of(field(chunk, "responseId")) or answer.id
        candidates = field(chunk, "candidates")
        for candidate in candidates[:MAX_CANDIDATES] if isinstance(candidates, list) else ():
            index = integer(field(candidate, "index")) or 0
            length = sum(map(len, _texts(field(candidate, "content"))))
            self._lengths[index] = self._lengths.get(index, 0) + length
            reason = name_of(field(candidate, "finishReason"))
            if reason:
                self._finished[index] = reason
        blocked = name_of(field(field(chunk, "promptFeedback"), "blockReason"))
        if blocked and not candidates:
            answer.error = {"code": BLOCKED, "message": f"the prompt was blocked: {blocked}"}
        elif isinstance(field(chunk, "error"), dict):
            answer.error = field(chunk, "error")
        self._usage = field(chunk, "usageMetadata") or self._usage

    def complete(self) -> bool:
        """Tell whether the model said why it stopped."""
        answer = self.answer
        answer.finish_reasons = [reason for _, reason in sorted(self._finished.items())]
        if self._lengths:
            answer.length = sum(self._lengths.values()) + len(self._lengths) - 1
        if self._usage is not None:
            _read_usage(answer, self._usage)
        return bool(self._finished) or answer.error is not None


class EmbedContentFormat(SeenOnly):
    """`embedContent` and `batchEmbedContents`; never streamed."""

    provider: Final = "gcp.gemini"
    api: Final = "gemini"
    path: Final = ":embedContent"
    operation: Final = "embeddings"
    any_model_will_do: Final = False

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the dimensions that the request asks for."""
        first = next(_embedded(body), None)
        dimensions = integer(field(first, "outputDimensionality"))
        return {} if dimensions is None else {_names.EMBEDDINGS_DIMENSION_COUNT: dimensions}

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the contents' texts."""
        for each in _embedded(body):
            yield from _texts(field(each, "content"))

    def read(self, response: Any) -> Answer:
        """Return the usage where there is one; the vectors are not looked at."""
        answer = Answer()
        usage = field(response, "usageMetadata")
        if usage is not None:
            answer.input_tokens = tokens(field(usage, "promptTokenCount"))
        error = field(response, "error")
        answer.error = error if isinstance(error, dict) else None
        return answer

    def tally(self) -> Tally:
        """Return a tally for a server that streams embeddings against the protocol."""
        return GeminiTally()


def _texts(content: Any) -> Iterator[str]:
    """Yield the texts of a content's parts; thoughts are not the answer."""
    parts = field(content, "parts")
    for part in parts if isinstance(parts, list) else (parts,):
        text = field(part, "text")
        if isinstance(text, str) and field(part, "thought") is not True:
            yield text


def _embedded(body: Body) -> Iterator[Any]:
    requests = body.get("requests")
    yield from requests if isinstance(requests, list) else (body,)


def _read_usage(answer: Answer, usage: Any) -> None:
    answer.input_tokens = _sum(usage, "promptTokenCount", "toolUsePromptTokenCount")
    answer.output_tokens = _sum(usage, "candidatesTokenCount", "thoughtsTokenCount")
    answer.cache_read_tokens = tokens(field(usage, "cachedContentTokenCount"))
    answer.reasoning_tokens = tokens(field(usage, "thoughtsTokenCount"))


def _sum(usage: Any, *names: str) -> int | None:
    counts = [count for name in names if (count := tokens(field(usage, name))) is not None]
    return sum(counts) if counts else None


GENERATE_CONTENT: Final = GenerateContentFormat()
EMBED_CONTENT: Final = EmbedContentFormat()
