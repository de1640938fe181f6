"""What a reader of content offers; `_content` asks it, one reader for each wire format."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from goldseam.instrumentation._content._parts import Message, Part
from goldseam.instrumentation._formats._base import Body


class Asked(NamedTuple):
    """What a request says.

    Attributes:
        messages: The conversation so far.
        instructions: What the model is told beside the conversation.
        tools: Definitions of the tools that it may call.
    """

    messages: list[Message]
    instructions: Sequence[Part] = ()
    tools: Sequence[dict[str, Any]] = ()


class Collector(Protocol):
    """Gathers the messages of a streamed answer."""

    def add(self, chunk: Any) -> None:
        """Take the content of one chunk."""

    def messages(self) -> list[Message]:
        """Return the messages as far as they have come."""


class Reader(Protocol):
    """Reads the content of both bodies of one format."""

    def asked(self, body: Body) -> Asked:
        """Return what a request says."""

    def answered(self, response: Any) -> list[Message]:
        """Return the messages of a whole answer."""

    def collector(self) -> Collector:
        """Return a fresh collector for one streamed answer."""
