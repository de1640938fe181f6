"""Estimate how many tokens a prompt takes, without a vocabulary, and learn how far that is off.

`estimated_tokens` counts characters and words; `TokenScales` learns per model, from the usage that
providers report, by how much such an estimate must be multiplied. `simplify` and `plan` estimate,
`vitals` keeps the scales. Pure but for the scales.
"""

from typing import Any, Final

from goldseam.recovery.values import Target

_CHARS_PER_TOKEN: Final = 4
_TOKENS_PER_WORD: Final = 1.35
_BYTES_PER_TOKEN: Final = 3
"""Of scripts whose characters take two bytes and more, such as Cyrillic or Chinese."""

_NON_LATIN: Final = 1.5
"""From so many bytes per character on, a text is hardly written in Latin letters."""

_OPAQUE_TOKENS: Final = 800.0
"""About what an image or a file costs, whatever its bytes are."""

_OPAQUE: Final = frozenset({"data", "file_data", "image_url", "input_audio", "source", "file"})
"""Members that hold bytes or an address in place of text."""

_PROMPT: Final = (
    "messages", "input", "system", "instructions", "tools", "functions", "response_format", "text",
)  # fmt: skip
"""The members of a request's body that the model reads."""

_WEIGHT: Final = 0.2
"""Of the newest observation: after some twenty calls the start is forgotten."""

_PLAUSIBLE: Final = (0.4, 2.5)
"""Usage beyond is no measure of the prompt: it was cut silently, or most of it was no text."""


def estimated_tokens(text: str) -> float:
    """Return about how many tokens a text takes, erring towards too many."""
    if not text.isascii():
        size_bytes = len(text.encode("utf-8", "replace"))
        if size_bytes >= _NON_LATIN * len(text):
            return size_bytes / _BYTES_PER_TOKEN
    return max(len(text) / _CHARS_PER_TOKEN, len(text.split()) * _TOKENS_PER_WORD)


def estimated_prompt_tokens(body: Any) -> float:
    """Return about how many tokens the prompt of a request's body takes, tools included."""
    return sum(tokens_in(body[name]) for name in _PROMPT if name in body)


def tokens_in(value: Any) -> float:
    """Return about how many tokens all texts in a JSON value take."""
    if isinstance(value, str):
        return estimated_tokens(value)
    if isinstance(value, dict):
        return sum(
            1 + (_OPAQUE_TOKENS if name in _OPAQUE else tokens_in(member))
            for name, member in value.items()
        )
    if isinstance(value, list | tuple):
        return sum(map(tokens_in, value))
    return 1.0


class TokenScales:
    """By how much estimates must be multiplied, per target; 1.0 where nothing was learnt yet."""

    def __init__(self) -> None:
        self._scales: dict[Target, float] = {}

    def of(self, target: Target) -> float:
        """Return the scale of a target."""
        return self._scales.get(target, 1.0)

    def learn(self, target: Target, *, estimated: float, counted: int) -> None:
        """Take note of what the provider counted where we had estimated."""
        least, most = _PLAUSIBLE
        if estimated <= 0 or not least <= counted / estimated <= most:
            return
        known = self._scales.get(target)
        seen = counted / estimated
        self._scales[target] = seen if known is None else known + _WEIGHT * (seen - known)

    def __len__(self) -> int:
        return len(self._scales)

    def clear(self) -> None:
        """Forget everything."""
        self._scales.clear()
