"""Read one span column by column: first usable source wins, what does not fit is counted.

A value of the wrong type or out of range is left out (`bad_value`), a text that is too long is cut
(`cut`); neither ever fails the span.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from goldseam.collector.dialects import layout_of
from goldseam.collector.spans import Span, Value, clean

BAD_VALUE: Final = "bad_value"
CUT: Final = "cut"

MAX_COUNT: Final = 10**9
"""Largest token count or length that is believed; it also fits a 32-bit column."""

_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no"})


class Reading:
    """One span, seen through the names of the columns.

    Attributes:
        span: The span.
        flaws: Counts, by kind, the values that did not fit.
        layout: What it has in common with spans of the same attributes.
    """

    __slots__ = ("_readers", "flaws", "layout", "span")

    def __init__(self, span: Span, flaws: Counter[str]) -> None:
        self.span = span
        self.flaws = flaws
        self.layout = layout_of(span)
        self._readers = self.layout.readers

    def text(self, column: str, *, limit: int) -> str | None:
        """Return text of at most `limit` characters; whole numbers count as text."""
        for read in self._readers.get(column, ()):
            value = read(self.span)
            if isinstance(value, str):
                told = value.strip()
                if told:
                    return told if len(told) <= limit else self.cut(told, limit=limit)
            elif type(value) is int:
                return self.cut(str(value), limit=limit)
            elif value is not None:
                self.flaws[BAD_VALUE] += 1
        return None

    def count(self, column: str) -> int | None:
        """Return a whole number from 0 to `MAX_COUNT`; numeric text and 19.0 are read as such."""
        for read in self._readers.get(column, ()):
            value = read(self.span)
            if type(value) is int and 0 <= value <= MAX_COUNT:
                return value
            number = _number(value)
            if number is not None and 0 <= number <= MAX_COUNT and number == int(number):
                return int(number)
            if not _blank(value):
                self.flaws[BAD_VALUE] += 1
        return None

    def number(self, column: str) -> float | None:
        """Return a number that is not negative, and not so large that no column takes it."""
        for value in self.values(column):
            number = _number(value)
            if number is not None and 0 <= number <= MAX_COUNT:
                return float(number)
            self.flaws[BAD_VALUE] += 1
        return None

    def flag(self, column: str) -> bool | None:
        """Return a truth value; some senders write it as text, in which "False" is false."""
        for value in self.values(column):
            if isinstance(value, bool):
                return value
            if (word := str(value).strip().lower()) in _TRUE | _FALSE:
                return word in _TRUE
            self.flaws[BAD_VALUE] += 1
        return None

    def words(self, column: str) -> list[str]:
        """Return a list of texts, equal neighbours merged.

        Senders write it as a list, as JSON text of a list, or as a single word.
        """
        for value in self.values(column):
            listed = _as_list(value)
            words = [clean(item) for item in listed if isinstance(item, str) and item]
            if words:
                return [w for i, w in enumerate(words) if i == 0 or words[i - 1] != w]
        return []

    def all_text(self, column: str) -> list[str]:
        """Return every source of the column that is text or a whole number, best first."""
        return [str(v) for v in self.values(column) if isinstance(v, str) or type(v) is int]

    def has(self, column: str) -> bool:
        """Return whether any source of the column is present."""
        return any(not _blank(read(self.span)) for read in self._readers.get(column, ()))

    def cut(self, value: str, *, limit: int) -> str:
        """Return `value`, shortened to `limit` characters."""
        if len(value) <= limit:
            return value
        self.flaws[CUT] += 1
        return value[:limit]

    def values(self, column: str) -> Iterable[Value]:
        """Return what the sources of the column hold, best first, without blanks."""
        readers = self._readers.get(column)
        if readers is None:  # as for most columns
            return ()
        if len(readers) == 1:
            value = readers[0](self.span)
            return () if _blank(value) else (value,)
        return _values(self.span, readers)


def _values(span: Span, readers: Iterable[Callable[[Span], Value]]) -> Iterator[Value]:
    for read in readers:
        value = read(span)
        if not _blank(value):
            yield value


def _blank(value: Value) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number(value: Value) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) <= MAX_COUNT else None


def _as_list(value: Value) -> list[Value]:
    if isinstance(value, list):
        return value
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return []
        return parsed if isinstance(parsed, list) else []
    return [value]
