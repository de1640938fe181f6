"""Text completions, the predecessor of chat, which several servers still offer."""

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
    read_usage,
    texts_of,
)

_PARAMETERS: Final[Parameters] = (
    ("temperature", _names.REQUEST_TEMPERATURE, number),
    ("top_p", _names.REQUEST_TOP_P, number),
    ("max_tokens", _names.REQUEST_MAX_TOKENS, integer),
    ("frequency_penalty", _names.REQUEST_FREQUENCY_PENALTY, number),
    ("presence_penalty", _names.REQUEST_PRESENCE_PENALTY, number),
    ("seed", _names.REQUEST_SEED, integer),
    ("n", _names.REQUEST_CHOICE_COUNT, integer),
)


class CompletionsFormat:
    """Text completions, whole and streamed."""

    path: Final = "/completions"
    operation: Final = "text_completion"
    api: Final = "openai"
    any_model_will_do: Final = True

    def may_repeat(self, body: Body) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that asking again costs money only."""
        return True

    def request_attributes(self, body: Body) -> dict[str, AttributeValue]:
        """Return the sampling parameters that the request sets."""
        attributes: dict[str, AttributeValue] = {}
        add_parameters(attributes, body, _PARAMETERS)
        return attributes

    def prompt_parts(self, body: Body) -> Iterator[str]:
        """Yield the prompts; token arrays have no text."""
        yield from texts_of(body.get("prompt"))

    def read(self, response: Any) -> Answer:
        """Return the facts of a whole answer."""
        answer = Answer()
        _read_head(answer, response)
        usage = field(response, "usage")
        if usage is not None:
            read_usage(answer, usage)
        choices = field(response, "choices")
        if isinstance(choices, list) and choices:
            reasons = (name_of(field(choice, "finish_reason")) for choice in choices[:MAX_PARTS])
            answer.finish_reasons = [reason for reason in reasons if reason]
            answer.length = joined_length(map(len, texts_of(choices[:MAX_PARTS])))
        else:
            answer.error = error_in(response)
        return answer

    def tally(self) -> "CompletionsTally":
        """Return a fresh tally for one streamed answer."""
        return CompletionsTally()


class CompletionsTally:
    """Facts of a streamed text completion."""

    __slots__ = ("_finished", "_lengths", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._finished: dict[int, str] = {}
        self._lengths: dict[int, int] = {}

    def add(self, chunk: Any) -> None:
        """Count the text of a chunk; keep its usage and finish reasons."""
        if self.answer.model is None:
            _read_head(self.answer, chunk)
        choices = field(chunk, "choices")
        for choice in choices if isinstance(choices, list) else ():
            self._add_choice(choice)
        usage = field(chunk, "usage")
        if usage is not None:
            read_usage(self.answer, usage)

    def _add_choice(self, choice: Any) -> None:
        index, text = integer(field(choice, "index")) or 0, field(choice, "text")
        if isinstance(text, str) and len(self._lengths) < MAX_PARTS:
            self._lengths[index] = self._lengths.get(index, 0) + len(text)
        reason = name_of(field(choice, "finish_reason"))
        if reason and len(self._finished) < MAX_PARTS:
            self._finished[index] = reason

    def complete(self) -> bool:
        """Tell whether the model said why it stopped; a stream cut by a server does not."""
        self.answer.finish_reasons = [reason for _, reason in sorted(self._finished.items())]
        self.answer.length = joined_length(self._lengths.values())
        return bool(self._finished)


def _read_head(answer: Answer, response: Any) -> None:
    answer.model = name_of(field(response, "model"))
    answer.id = name_of(field(response, "id"))
    answer.fingerprint = name_of(field(response, "system_fingerprint"))


COMPLETIONS: Final = CompletionsFormat()
