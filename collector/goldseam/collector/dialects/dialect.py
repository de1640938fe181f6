"""The shape of one dialect, and the ways in which senders hide a value.

Most values are plain attributes, named by a text. The others are a `Source`: text that holds JSON
or a Python literal, numbered attributes, the time of an event.
"""

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from goldseam.collector.spans import Span, Value, clean

MAX_PARSED: Final = 64 * 1024
"""Characters of attributes that are parsed for one value inside them; longer ones are no usage."""

MAX_NUMBERED: Final = 1_000
"""Numbered attributes that are read; the Python SDK keeps 128 of a span."""

_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """A value that is no plain attribute.

    Attributes:
        name: What the README's table and tests call it.
        key: Span attribute without which there is nothing to read; None if another part decides.
        read: Gives the value, None if the span has none.
    """

    name: str
    key: str | None
    read: Callable[[Span], Value]


Sources: TypeAlias = Mapping[str, tuple[str | Source, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one instrumentation names what the tables hold.

    Attributes:
        id: Value of the column `dialect`.
        name: What people call the instrumentation.
        scopes: Names of instrumentation scopes; a name ending in `.` stands for all below it.
        marks: Attributes that nobody else sends; they tell where the scope does not.
        sources: For each column where to read it, best first; `res:` before a name means the
            resource.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    marks: tuple[str, ...] = ()
    sources: Sources = field(default_factory=dict)


def plain(name: str) -> Source:
    """Read a span attribute, or with `res:` before its name one of the resource."""
    if name.startswith("res:"):
        key = name.removeprefix("res:")
        return Source(name, None, lambda span: span.resource.get(key))
    return Source(name, name, lambda span: span.attributes.get(name))


def inside(name: str, *path: str) -> Source:
    """Read a value inside an attribute that is a map, or the text of one."""

    def read(span: Span) -> Value:
        value: Value = parsed(span.attributes.get(name))
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return clean(value) if isinstance(value, str) else value

    return Source(f"{name}→{'.'.join(path)}", name, read)


def spoken(name: str) -> Source:
    """Read an attribute that holds the text itself, not messages around it."""

    def read(span: Span) -> Value:
        value = span.attributes.get(name)
        return [{"content": value}] if isinstance(value, str) and value else None

    return Source(name, name, read)


def numbered(template: str) -> Source:
    """Read attributes that are numbered from 0 at `{}` as one list of messages."""

    def read(span: Span) -> Value:
        found: list[Value] = []
        for number in range(MAX_NUMBERED):
            value = span.attributes.get(template.format(number))
            if value is None:
                break
            found.append({"content": value})
        return found or None

    return Source(template.replace("{}", "{i}"), template.format(0), read)


def event_ms(event_name: str) -> Source:
    """Read the time of the first event of a name, in milliseconds after the span's start."""

    def read(span: Span) -> Value:
        for event in span.events:
            if event.name == event_name and event.time_ns >= span.start_ns:
                return (event.time_ns - span.start_ns) / _NS_PER_MS
        return None

    return Source(f"ev:{event_name}", None, read)


def parsed(value: Value) -> Value:
    """Return what a text holds as JSON, else as a Python literal; other values as they are."""
    if not isinstance(value, str):
        return value
    if len(value) > MAX_PARSED:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            result: Value = parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return result if isinstance(result, dict | list) else None
    return None
