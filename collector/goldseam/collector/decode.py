"""OTLP bytes in, plain `Span` values out.

Called by the receivers. Tolerant: what a single span lacks or gets wrong becomes an empty value,
for `mapping` to judge; only a body that is no OTLP request at all raises `DecodeError`.
"""

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
    DecodeError as ProtobufError,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from goldseam.collector import wire
from goldseam.collector.refusals import BodyTooLarge, DecodeError
from goldseam.collector.spans import Event, Span, Value, clean
from goldseam.collector.wire import Attributes

MAX_DEPTH: Final = 32
"""Levels of lists and maps that are read; anything below is None. Real telemetry has two or
three."""

MAX_SPANS: Final = 100_000
"""Spans of one body, with the groups that they are in. Batches have hundreds to some thousand; one
that means harm has a span in two bytes."""

MAX_EVENTS: Final = 1_000
"""Events that are read of one span: the first and the last half of this number. One dialect
sends an event for each streamed chunk; what matters stands at either end."""


def decode_protobuf(body: bytes) -> list[Span]:
    """Return the spans of a binary `ExportTraceServiceRequest`.

    Raises:
        DecodeError: The bytes are no such message.
        BodyTooLarge: It has more parts than any real one.
    """
    try:
        return list(_spans(wire.TraceRequest.FromString(body)))
    except BodyTooLarge as refusal:
        # Its frames would hold what was read until the sender has its answer.
        raise refusal.with_traceback(None) from None
    except (ProtobufError, UnicodeDecodeError) as error:
        raise DecodeError(f"the body is no OTLP trace request in protobuf: {error}") from error


def _spans(request: Any) -> Iterator[Span]:
    reader = Attributes(lambda pair: (clean(pair.key), _value(pair.value, 0)))
    attributes = reader.read
    counted = _Counted()
    for group in counted(request.resource_spans, wire.ResourceSpans):
        resource = attributes(group.resource.attributes)
        for scope in counted(group.scope_spans, wire.ScopeSpans):
            name, version = clean(scope.scope.name), clean(scope.scope.version)
            for span in counted(scope.spans, wire.Span):
                yield Span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_span_id=span.parent_span_id.hex(),
                    name=clean(span.name),
                    kind=span.kind,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    attributes=attributes(span.attributes),
                    events=tuple(
                        Event(
                            name=clean(event.name),
                            time_ns=event.time_unix_nano,
                            attributes=attributes(event.attributes),
                        )
                        for event in map(wire.Event.FromString, both_ends(span.events))
                    ),
                    status_code=span.status.code,
                    status_message=clean(span.status.message),
                    scope_name=name,
                    scope_version=version,
                    resource=resource,
                    dropped_attributes=span.dropped_attributes_count,
                    cut_attributes=reader.cut_since_asked(),
                )


class _Counted:
    """Reads the messages of one body, level by level, as long as there are not too many."""

    def __init__(self) -> None:
        self._left = MAX_SPANS

    def __call__(self, raw: Sequence[bytes], kind: Any) -> Iterator[Any]:
        """Read messages of a kind.

        Raises:
            BodyTooLarge: There are more than any real body has.
        """
        self._left -= len(raw)
        if self._left < 0:
            raise BodyTooLarge(f"the body has more than {MAX_SPANS:,} spans: send less at a time")
        return map(kind.FromString, raw)


def both_ends(events: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the first and the last events of a span that has more than `MAX_EVENTS`."""
    half = MAX_EVENTS // 2
    if len(events) <= MAX_EVENTS:
        yield from events
        return
    yield from events[:half]
    yield from events[-half:]


def _attributes(pairs: Iterable[KeyValue], depth: int = 0) -> dict[str, Value]:
    return {clean(pair.key): _value(pair.value, depth) for pair in pairs}


def _value(value: AnyValue, depth: int) -> Value:  # noqa: PLR0911 - one return a type
    match value.WhichOneof("value"):
        case "string_value":
            return clean(value.string_value)
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            return finite(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value" if depth < MAX_DEPTH:
            return [_value(item, depth + 1) for item in value.array_value.values]
        case "kvlist_value" if depth < MAX_DEPTH:
            return _attributes(value.kvlist_value.values, depth + 1)
    return None


def finite(number: float) -> float | None:
    """Return `number`, or None for NaN and the infinities, which JSON in PostgreSQL refuses."""
    return number if math.isfinite(number) else None
