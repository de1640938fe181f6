"""Messages that grow chunk by chunk while a stream is read. Bounded, whatever the server sends."""

from collections.abc import Hashable
from typing import Any, Final

from goldseam.instrumentation._content._limit import left_out
from goldseam.instrumentation._content._parts import (
    Message,
    Part,
    answer,
    reasoning,
    text,
    tool_call,
)

MAX_KEPT_CHARS: Final = 1_000_000
"""Characters of one answer that are kept until it ends; the rest is only counted."""

MAX_PARTS: Final = 1024
"""Parts of one answer that are kept."""

TEXT: Final = "text"
REASONING: Final = "reasoning"
CALL: Final = "tool_call"


class _Growing:
    """One part that has not ended."""

    __slots__ = ("call_id", "fragments", "kind", "lost", "name")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.fragments: list[str] = []
        self.lost = 0
        self.call_id: Any = None
        self.name: Any = None

    def part(self) -> Part:
        content = "".join(self.fragments)
        if self.lost:
            content += left_out(self.lost)
        if self.kind == CALL:
            return tool_call(self.name, content, call_id=self.call_id)
        return reasoning(content) if self.kind == REASONING else text(content)


class Drafts:
    """The messages of one streamed answer, one for each choice."""

    __slots__ = ("_choices", "_count", "_reasons", "_room")

    def __init__(self) -> None:
        self._choices: dict[int, dict[Hashable, _Growing | Part]] = {}
        self._reasons: dict[int, Any] = {}
        self._room = MAX_KEPT_CHARS
        self._count = 0

    def grow(self, choice: int, key: Hashable, kind: str, fragment: Any) -> None:
        """Append a fragment to a part; what is no text is passed over.

        Args:
            choice: Which of the answer's messages.
            key: Which of its parts.
            kind: `TEXT`, `REASONING` or `CALL`.
            fragment: The next characters; of a call, of its arguments.
        """
        if not isinstance(fragment, str) or not fragment:
            return
        growing = self._growing(choice, key, kind)
        if growing is None:
            return
        kept = fragment[: self._room]
        self._room -= len(kept)
        growing.fragments.append(kept)
        growing.lost += len(fragment) - len(kept)

    def call(self, choice: int, key: Hashable, *, call_id: Any, name: Any) -> None:
        """Begin a tool call, or name it."""
        growing = self._growing(choice, key, CALL)
        if growing is not None:
            growing.call_id = call_id or growing.call_id
            growing.name = name or growing.name

    def whole(self, choice: int, key: Hashable, part: Part) -> None:
        """Put a whole part in the place of one that may have begun to grow."""
        if key in self._choices.get(choice, ()) or self._has_room():
            self._choices.setdefault(choice, {})[key] = part

    def finish(self, choice: int, reason: Any) -> None:
        """Note why a message ended."""
        if reason and (choice in self._choices or self._has_room()):
            self._choices.setdefault(choice, {})
            self._reasons[choice] = reason

    def messages(self) -> list[Message]:
        """Return the messages as far as they have come."""
        return [
            answer(
                [part.part() if isinstance(part, _Growing) else part for part in parts.values()],
                self._reasons.get(choice),
            )
            for choice, parts in sorted(self._choices.items())
        ]

    def _growing(self, choice: int, key: Hashable, kind: str) -> _Growing | None:
        found = self._choices.get(choice, {}).get(key)
        if found is None and self._has_room():
            found = self._choices.setdefault(choice, {})[key] = _Growing(kind)
        return found if isinstance(found, _Growing) else None

    def _has_room(self) -> bool:
        self._count += 1
        return self._count <= MAX_PARTS
