"""Read a protobuf trace request without touching every attribute as a Python object.

Called by `decode`. Nearly all of the time of an ordinary receiver goes into the two wrapper objects
that the protobuf library makes for each attribute. On the wire a message and bytes look alike, so
OTLP's own descriptors, with attributes declared as bytes, make the library hand over each of them
unread. Most are then a key and a short value, read with a few slices, and in a body the same ones
come again and again. Whatever looks otherwise is left to the official classes, so the values are
those that they give.

The messages that come in masses are handed over unread as well, each as its bytes: two bytes on the
wire are a hundred as an object, so each level is counted before it is read.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf import (  # type: ignore[import-untyped] # ships no types
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from goldseam.collector.refusals import BodyTooLarge
from goldseam.collector.spans import Value, clean

MAX_ATTRIBUTES: Final = 1_000_000
"""Of one body; in the largest body each would have 16 bytes, and real ones have twice as many."""

MAX_ATTRIBUTES_EACH: Final = 1_024
"""Of one span, event or resource; the first ones are read. OpenTelemetry's SDKs keep 128."""

_REQUEST: Final = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
_TRACE: Final = "opentelemetry.proto.trace.v1"
_UNREAD: Final = frozenset(
    {"resource_spans", "scope_spans", "spans", "events", "links", "attributes"}
)
_FILES: Final = (common_pb2, resource_pb2, trace_pb2, trace_service_pb2)

_KEY: Final = 0x0A
_VALUE: Final = 0x12
_STRING: Final = 0x0A
_BOOL: Final = 0x10
_INT: Final = 0x18
"""Tags of the fields of `KeyValue` and `AnyValue`."""

_ONE_BYTE: Final = 0x80
"""Lengths and numbers below it take one byte."""


def _pool() -> Any:
    """Return OTLP's messages, with those that repeat as bytes."""
    pool = descriptor_pool.DescriptorPool()
    for module in _FILES:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _leave_unread(message)
        pool.Add(file)
    return pool


def _leave_unread(message: Any) -> None:
    for field in message.field:
        if field.name in _UNREAD:
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    for inner in message.nested_type:
        _leave_unread(inner)


_messages: Final = _pool()


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_messages.FindMessageTypeByName(name))


TraceRequest: Final = _class(_REQUEST)
ResourceSpans: Final = _class(f"{_TRACE}.ResourceSpans")
ScopeSpans: Final = _class(f"{_TRACE}.ScopeSpans")
Span: Final = _class(f"{_TRACE}.Span")
Event: Final = _class(f"{_TRACE}.Span.Event")
"""OTLP's own, but that what repeats in them is the messages' bytes."""


class Attributes:
    """Reads the attributes of one body; what comes again is read once.

    Args:
        plain: Gives key and value of a `KeyValue` of the official class.
    """

    def __init__(self, plain: Callable[[KeyValue], tuple[str, Value]]) -> None:
        self._plain = plain
        self._seen: dict[bytes, tuple[str, Value]] = {}
        self._left = MAX_ATTRIBUTES
        self._cut = 0

    def read(self, pairs: Sequence[bytes]) -> dict[str, Value]:
        """Return attributes by their keys, `MAX_ATTRIBUTES_EACH` at most.

        Raises:
            BodyTooLarge: The body has more attributes than any real one.
            DecodeError: The protobuf library's: something is no `KeyValue`.
            UnicodeDecodeError: A text is no UTF-8.
        """
        self._left -= len(pairs)
        if self._left < 0:
            raise BodyTooLarge(f"the body has more than {MAX_ATTRIBUTES:,} attributes: send less")
        seen = self._seen
        found: dict[str, Value] = {}
        if len(pairs) > MAX_ATTRIBUTES_EACH:
            self._cut += len(pairs) - MAX_ATTRIBUTES_EACH
            pairs = pairs[:MAX_ATTRIBUTES_EACH]
        for raw in pairs:
            pair = seen.get(raw)
            if pair is None:
                pair = seen[raw] = _short(raw) or self._plain(KeyValue.FromString(raw))
            found[pair[0]] = pair[1]
        return found

    def cut_since_asked(self) -> int:
        """Return how many attributes were not read since the last call, or since the start."""
        cut, self._cut = self._cut, 0
        return cut


def _short(raw: bytes) -> tuple[str, Value] | None:
    """Return a key and a value that are each shorter than 128 bytes, None for anything else."""
    size = len(raw)
    if size < len("\x0a\x00\x12\x02\x18\x00") or raw[0] != _KEY or raw[1] >= _ONE_BYTE:
        return None
    end = 2 + raw[1]
    # The value must reach to the end of the pair: nothing follows that could change it.
    if size < end + 4 or raw[end] != _VALUE or raw[end + 1] != size - end - 2:
        return None
    if raw[end + 1] >= _ONE_BYTE:
        return None
    kind, first, rest = raw[end + 2], raw[end + 3], size - end - 4
    value: Value
    if kind == _STRING and first == rest:
        value = clean(raw[end + 4 :].decode())
    elif kind == _INT and rest == 0 and first < _ONE_BYTE:
        value = first
    elif kind == _INT and rest == 1 and first >= _ONE_BYTE > raw[end + 4]:
        value = first - _ONE_BYTE | raw[end + 4] << 7
    elif kind == _BOOL and rest == 0 and first < _ONE_BYTE:
        value = bool(first)
    else:
        return None
    return clean(raw[2:end].decode()), value
