"""Spans as plain values: what decoding yields and mapping reads.

Independent of the encoding that a span arrived in. Text holds neither NUL nor lone surrogates,
numbers are finite, so every value can be stored by PostgreSQL.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final, TypeAlias

from goldseam.storage.records import frozen

Value: TypeAlias = "str | bool | int | float | list[Value] | dict[str, Value] | None"
"""An attribute's value; bytes are Base64 text, NaN and infinities are None."""

Attributes: TypeAlias = Mapping[str, Value]

KIND_CLIENT: Final = 3
STATUS_ERROR: Final = 2

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


@frozen
class Event:
    """A span event; `time_ns` is nanoseconds since the epoch."""

    name: str
    time_ns: int = 0
    attributes: Attributes = field(default_factory=dict)


@frozen
class Span:
    """One span with the resource and the scope that it came under.

    Attributes:
        trace_id: Lower-case hex; "" where the sender gave none. Not validated.
        span_id: As `trace_id`.
        parent_span_id: As `trace_id`.
        kind: Number of the OTLP enum `SpanKind`.
        start_ns: Nanoseconds since the epoch, 0 if unknown.
        end_ns: Nanoseconds since the epoch, 0 if unknown.
        attributes: Of a key that came twice, the last value.
        status_code: Number of the OTLP enum `StatusCode`.
        dropped_attributes: How many attributes the sender left out.
        cut_attributes: How many more were not read because there are too many: of the span, of its
            events, and with a resource's first span those of the resource.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    status_code: int = 0
    status_message: str = ""
    scope_name: str = ""
    scope_version: str = ""
    resource: Attributes = field(default_factory=dict)
    dropped_attributes: int = 0
    cut_attributes: int = 0


def clean(text: str) -> str:
    """Return `text` as PostgreSQL can store it: no NUL, U+FFFD for each lone surrogate."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
