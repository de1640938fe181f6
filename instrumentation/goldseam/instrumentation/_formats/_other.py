"""Every other request of an SDK: images, audio, moderations, token counts, batches, and what comes.

Nothing is known of these bodies but what most of them share, and nothing of them is ever repeated.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation._formats._base import Answer, Body, field, name_of, texts_of, tokens

OPERATIONS: Final = {
    "/images/generations": "image_generation",
    "/images/edits": "image_generation",
    "/images/variations": "image_generation",
    "/audio/speech": "speech",
    "/audio/transcriptions": "transcription",
    "/audio/translations": "transcription",
    "/moderations": "moderation",
    "/rerank": "rerank",
    "/v1/complete": "text_completion",
}
"""Ends of paths whose operation has a name; elsewhere it is the last word of the path."""

MAX_OPERATIONS: Final = 64
"""An operation is a metric attribute, so its values must be few; all further ones are `other`."""

_WORD: Final = re.compile(r"[a-z]{2,24}(?:[_-][a-z]{2,24}){0,2}")
"""A part of a path that names something; ids have digits, capitals, or are longer."""


class OtherFormat:
    """Requests of one operation without a format of their own."""

    path: Final = ""
    api: Final = "other"
    any_model_will_do: Final = False

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def may_repeat(self, body: Body) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that nobody knows what asking again would do."""
        return False

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:  # noqa: ARG002 - the protocol's
        """Return nothing: parameters mean something else on every path."""
        return {}

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield what is usually the input."""
        for name in ("input", "prompt"):
            yield from texts_of(body.get(name))

    def read(self, response: Any) -> Answer:
        """Return model and token counts where an answer has them in a usual place."""
        answer = Answer()
        answer.model = name_of(field(response, "model"))
        _read_usage(answer, field(response, "usage"))
        return answer

    def tally(self) -> "OtherTally":
        """Return a fresh tally for one streamed answer."""
        return OtherTally()


class OtherTally:
    """Facts of a stream of unknown events; it is complete when it ends."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer = Answer()

    def add(self, event: Any) -> None:
        """Keep the usage of an event that has one."""
        usage = field(event, "usage")
        if usage is not None:
            _read_usage(self.answer, usage)

    def complete(self) -> bool:
        """Tell that the end of the stream is the end of the answer."""
        return True


def other(path: str) -> OtherFormat:
    """Return the format of a path that no other format knows.

    Args:
        path: Begins with a slash; without a query.
    """
    named = next((name for end, name in OPERATIONS.items() if path.endswith(end)), None)
    operation = named or _last_word(path)
    if operation in _formats:
        return _formats[operation]
    if len(_formats) >= MAX_OPERATIONS:
        return _REST
    return _formats.setdefault(operation, OtherFormat(operation))


def _last_word(path: str) -> str:
    words = (part for part in reversed(path.split("/")) if _WORD.fullmatch(part))
    return next(words, "other")


def _read_usage(answer: Answer, usage: Any) -> None:
    if usage is None:
        return
    for name in ("input_tokens", "prompt_tokens"):
        answer.input_tokens = tokens(field(usage, name)) or answer.input_tokens
    for name in ("output_tokens", "completion_tokens"):
        answer.output_tokens = tokens(field(usage, name)) or answer.output_tokens


_REST: Final = OtherFormat("other")
_formats: Final[dict[str, OtherFormat]] = {}
