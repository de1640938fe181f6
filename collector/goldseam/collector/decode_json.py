"""OTLP/JSON in, plain `Span` values out.

Called by the receivers, as `decode` is for protobuf. Written by hand because OTLP/JSON is not the
JSON form of protobuf: ids are hex, enums are numbers. Accepts what senders really send: snake_case
names, enum names, 64-bit integers as text or number, absent and unknown fields.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from goldseam.collector.decode import MAX_DEPTH, MAX_EVENTS, finite
from goldseam.collector.refusals import BodyTooLarge, DecodeError
from goldseam.collector.spans import Event, Span, Value, clean
from goldseam.collector.wire import MAX_ATTRIBUTES_EACH

MAX_OBJECTS: Final = 1_000_000
"""Of one body, counted before it is read: three bytes of JSON are a hundred as a dict. An attribute
has two, in 50 bytes."""

_Object: TypeAlias = dict[str, Any]

_KINDS: Final = {
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
}
_STATUSES: Final = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_INT64: Final = 1 << 63
_UINT64: Final = 1 << 64


def decode_json(body: bytes) -> list[Span]:
    """Return the spans of an `ExportTraceServiceRequest` in OTLP/JSON.

    A span that is not even an object yields an empty `Span`, so that it is counted as refused.

    Raises:
        DecodeError: The bytes are no JSON, or the JSON is no such request.
        BodyTooLarge: It has more parts than any real one.
    """
    if body.count(b"{") > MAX_OBJECTS:
        raise BodyTooLarge(f"the body has more than {MAX_OBJECTS:,} objects: send less at a time")
    try:
        request = json.loads(body or b"{}", parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the body is no JSON: {error}") from error
    if not isinstance(request, dict):
        raise DecodeError("the body is JSON, but no object with resourceSpans")
    groups = _get(request, "resourceSpans")
    if groups is not None and not isinstance(groups, list):
        raise DecodeError("resourceSpans is not a list")
    return list(_spans(request))


def _spans(request: _Object) -> Iterator[Span]:
    for group in _objects(request, "resourceSpans"):
        owner = _object(group, "resource")
        resource, cut = _attributes(owner), _cut(owner)
        for scope_spans in _objects(group, "scopeSpans"):
            scope = _object(scope_spans, "scope")
            for span in _objects(scope_spans, "spans"):
                yield _span(span, resource, scope, cut=cut)
                cut = 0


def _span(span: _Object, resource: dict[str, Value], scope: _Object, *, cut: int) -> Span:
    status = _object(span, "status")
    events = _read_events(span)
    return Span(
        trace_id=_hex(span, "traceId"),
        span_id=_hex(span, "spanId"),
        parent_span_id=_hex(span, "parentSpanId"),
        name=_text(span, "name"),
        kind=_enum(span, "kind", _KINDS),
        start_ns=_uint(span, "startTimeUnixNano"),
        end_ns=_uint(span, "endTimeUnixNano"),
        attributes=_attributes(span),
        events=tuple(map(_event, events)),
        status_code=_enum(status, "code", _STATUSES),
        status_message=_text(status, "message"),
        scope_name=_text(scope, "name"),
        scope_version=_text(scope, "version"),
        resource=resource,
        dropped_attributes=_uint(span, "droppedAttributesCount"),
        cut_attributes=cut + sum(map(_cut, (span, *events))),
    )


def _read_events(span: _Object) -> list[_Object]:
    events = _objects(span, "events")
    if len(events) > MAX_EVENTS:
        events = events[: MAX_EVENTS // 2] + events[-MAX_EVENTS // 2 :]
    return events


def _event(event: _Object) -> Event:
    return Event(
        name=_text(event, "name"),
        time_ns=_uint(event, "timeUnixNano"),
        attributes=_attributes(event),
    )


def _attributes(owner: _Object) -> dict[str, Value]:
    return _pairs(_objects(owner, "attributes")[:MAX_ATTRIBUTES_EACH], depth=0)


def _cut(owner: _Object) -> int:
    """Return how many attributes of a span, an event or a resource are not read."""
    return max(0, len(_objects(owner, "attributes")) - MAX_ATTRIBUTES_EACH)


def _pairs(pairs: list[_Object], *, depth: int) -> dict[str, Value]:
    return {_text(pair, "key"): _value(_object(pair, "value"), depth) for pair in pairs}


def _value(value: _Object, depth: int) -> Value:  # noqa: PLR0911 - one return a type
    for name, content in value.items():
        match _camel(name):
            case "stringValue" | "bytesValue" if isinstance(content, str):
                return clean(content)
            case "boolValue" if isinstance(content, bool):
                return content
            case "intValue":
                return _int64(content)
            case "doubleValue":
                return _double(content)
            case "arrayValue" if isinstance(content, dict) and depth < MAX_DEPTH:
                return [_value(item, depth + 1) for item in _objects(content, "values")]
            case "kvlistValue" if isinstance(content, dict) and depth < MAX_DEPTH:
                return _pairs(_objects(content, "values"), depth=depth + 1)
    return None


def _get(owner: _Object, name: str) -> Any:
    """Read a field by its JSON name, or by its snake_case name."""
    if name in owner:
        return owner[name]
    return owner.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _object(owner: _Object, name: str) -> _Object:
    value = _get(owner, name)
    return value if isinstance(value, dict) else {}


def _objects(owner: _Object, name: str) -> list[_Object]:
    values = _get(owner, name)
    if not isinstance(values, list):
        return []
    return [value if isinstance(value, dict) else {} for value in values]


def _text(owner: _Object, name: str) -> str:
    value = _get(owner, name)
    return clean(value) if isinstance(value, str) else ""


def _hex(owner: _Object, name: str) -> str:
    return _text(owner, name).lower()


def _enum(owner: _Object, name: str, names: dict[str, int]) -> int:
    value = _get(owner, name)
    if isinstance(value, str) and value in names:
        return names[value]
    return _int64(value) or 0


def _uint(owner: _Object, name: str) -> int:
    value = _integer(_get(owner, name))
    return value if value is not None and 0 <= value < _UINT64 else 0


def _int64(value: object) -> int | None:
    number = _integer(value)
    return number if number is not None and -_INT64 <= number < _INT64 else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def _double(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return finite(float(value))
    except (ValueError, OverflowError):
        return None
