"""OTLP bytes become plain spans, in both encodings alike."""

import json
import math
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.trace import SpanKind, Status, StatusCode

from goldseam.collector.decode import MAX_DEPTH, MAX_EVENTS, MAX_SPANS, decode_protobuf
from goldseam.collector.decode_json import MAX_OBJECTS, decode_json
from goldseam.collector.refusals import BodyTooLarge, DecodeError
from goldseam.collector.spans import Event, Value
from goldseam.collector.wire import MAX_ATTRIBUTES


def as_otlp_json(body: bytes) -> bytes:
    """Write a protobuf request as OTLP/JSON, whose ids are hex."""
    request = ExportTraceServiceRequest.FromString(body)
    document = MessageToDict(request, use_integers_for_enums=True)
    spans = [
        span
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    texts = [
        text
        for group in document["resourceSpans"]
        for scope in group["scopeSpans"]
        for text in scope["spans"]
    ]
    for text, span in zip(texts, spans, strict=True):
        text["traceId"] = span.trace_id.hex().upper()
        text["spanId"] = span.span_id.hex()
        text.pop("parentSpanId", None)
        if span.parent_span_id:
            text["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(document).encode()


def one_span(**fields: Any) -> bytes:
    """Write an OTLP/JSON request of one span."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def attribute(value: Any) -> Value:
    """Decode one attribute given as an OTLP/JSON AnyValue."""
    (span,) = decode_json(one_span(attributes=[{"key": "k", "value": value}]))
    return span.attributes["k"]


def field(number: int, content: bytes) -> bytes:
    """Return a field that has a length, as protobuf writes it."""
    written, size = bytearray([number << 3 | 2]), len(content)
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size]) + content


def nested(levels: int) -> dict[str, Any]:
    """Wrap a text into lists."""
    value: dict[str, Any] = {"stringValue": "core"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value


def depth(value: Value) -> int:
    """Count the lists around the innermost value."""
    return 1 + depth(value[0]) if isinstance(value, list) else 0


def record_everything(recorder: Any) -> bytes:
    """Record a span that uses every part of the protocol that is read."""
    tracer = recorder.tracer
    with tracer.start_as_current_span("parent"):
        span = tracer.start_span("chat", kind=SpanKind.CLIENT, start_time=1_700_000_000_123_456_789)
        span.set_attributes(
            {"text": "größe", "int": -7, "float": 0.5, "bool": True, "list": ["a", "b"]}
        )
        span.add_event("exception", {"exception.type": "openai.RateLimitError"}, timestamp=5)
        span.set_status(Status(StatusCode.ERROR, "too many"))
        span.end(1_700_000_001_000_000_000)
    body: bytes = recorder.body()
    return body


def test_a_span_of_the_sdk_arrives_whole(recorder: Any) -> None:
    """Every field that mapping reads survives the SDK's own encoding."""
    child, parent = decode_protobuf(record_everything(recorder))

    assert child.trace_id == parent.trace_id
    assert len(child.trace_id) == 32
    assert child.parent_span_id == parent.span_id
    assert child.kind == 3
    assert child.start_ns == 1_700_000_000_123_456_789
    assert child.end_ns == 1_700_000_001_000_000_000
    assert child.attributes == {
        "text": "größe",
        "int": -7,
        "float": 0.5,
        "bool": True,
        "list": ["a", "b"],
    }
    assert child.events == (
        Event(
            name="exception",
            time_ns=5,
            attributes={"exception.type": "openai.RateLimitError"},
        ),
    )
    assert (child.status_code, child.status_message) == (2, "too many")
    assert (child.scope_name, child.scope_version) == ("goldseam.instrumentation", "0.1.0")
    assert child.resource["service.name"] == "shop"


def test_json_and_protobuf_give_equal_spans(recorder: Any) -> None:
    """The encoding leaves no trace in the values."""
    body = record_everything(recorder)

    assert decode_json(as_otlp_json(body)) == decode_protobuf(body)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xff\xff", b"\x0a\x05abc", b'{"resourceSpans": []}'],
    ids=["noise", "cut", "json"],
)
def test_bytes_that_are_no_protobuf_request_are_refused(body: bytes) -> None:
    """A body that cannot be parsed raises one kind of error."""
    with pytest.raises(DecodeError, match="no OTLP trace request"):
        decode_protobuf(body)


def test_bad_utf8_in_protobuf_is_refused(recorder: Any) -> None:
    """One invalid text makes the whole request undecodable."""
    recorder.chats(text="MARKER")

    with pytest.raises(DecodeError):
        decode_protobuf(recorder.body().replace(b"MARKER", b"\xff\xfe\xfd\xfc\xfb\xfa"))


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"7", b'{"resourceSpans": 3}', b"\xff", b"[" * 100_000],
    ids=["cut", "list", "number", "no-list", "bad-utf8", "deep"],
)
def test_bytes_that_are_no_json_request_are_refused(body: bytes) -> None:
    """A body that is no object with a list of resource spans raises one kind of error."""
    with pytest.raises(DecodeError):
        decode_json(body)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"resourceSpans": []}', b'{"other": 1}'])
def test_an_empty_json_request_has_no_spans(body: bytes) -> None:
    """Absent parts mean nothing rather than a fault."""
    assert decode_json(body) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"string_value": "x"}, "x"),
        ({"intValue": "9223372036854775807"}, 2**63 - 1),
        ({"intValue": 19}, 19),
        ({"intValue": "n/a"}, None),
        ({"intValue": "9223372036854775808"}, None),
        ({"doubleValue": 0.5}, 0.5),
        ({"doubleValue": "NaN"}, None),
        ({"doubleValue": "Infinity"}, None),
        ({"doubleValue": math.nan}, None),
        ({"boolValue": False}, False),
        ({"bytesValue": "AAEC"}, "AAEC"),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {}]}}, ["a", None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}, {"a": 1}),
        ({}, None),
        ({"newValue": 1}, None),
        ({"stringValue": "a\0b\ud800c\U0001f600"}, "ab\ufffdc\U0001f600"),
    ],
    ids=repr,
)
def test_json_values_are_read_tolerantly(value: Any, expected: Value) -> None:
    """Every form that senders use is read; what PostgreSQL refuses is cleaned away."""
    assert attribute(value) == expected


def test_snake_case_and_enum_names_are_understood() -> None:
    """Senders that write protobuf names instead of JSON names lose nothing."""
    (span,) = decode_json(
        json.dumps(
            {
                "resource_spans": [
                    {
                        "scope_spans": [
                            {
                                "spans": [
                                    {
                                        "trace_id": "AB" * 16,
                                        "parent_span_id": "cd" * 8,
                                        "kind": "SPAN_KIND_CLIENT",
                                        "start_time_unix_nano": "12",
                                        "status": {"code": "STATUS_CODE_ERROR"},
                                    }
                                ]
                            }
                        ]
                    }
                ]
            }
        ).encode()
    )

    assert (span.trace_id, span.parent_span_id) == ("ab" * 16, "cd" * 8)
    assert (span.kind, span.start_ns, span.status_code) == (3, 12, 2)


def test_the_last_of_two_equal_keys_wins() -> None:
    """An attribute that was set twice has its later value."""
    pairs = [{"key": "k", "value": {"intValue": n}} for n in (1, 2)]

    (span,) = decode_json(one_span(attributes=pairs))

    assert span.attributes == {"k": 2}


@pytest.mark.parametrize("parts", [None, "x", [1], [None], [[]]], ids=repr)
def test_spans_of_the_wrong_shape_become_empty_spans(parts: Any) -> None:
    """What is no span is left for mapping to refuse, and fails nothing else."""
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": parts}]}]}).encode()

    assert all(span.span_id == "" for span in decode_json(body))


def test_nesting_is_read_to_a_limit() -> None:
    """A value nested a hundred levels is cut off, not refused."""
    assert depth(attribute(nested(100))) == MAX_DEPTH


def test_nesting_in_protobuf_is_read_to_the_same_limit() -> None:
    """Both encodings stop at the same depth."""
    value = AnyValue(string_value="core")
    for _ in range(40):
        wrapped = AnyValue()
        wrapped.array_value.values.append(value)
        value = wrapped
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.add(key="k").value.CopyFrom(value)

    (decoded,) = decode_protobuf(request.SerializeToString())

    assert depth(decoded.attributes["k"]) == MAX_DEPTH


def test_of_too_many_events_both_ends_are_kept() -> None:
    """A stream that sends an event for each chunk cannot fill the memory."""
    events = [{"name": str(n)} for n in range(5 * MAX_EVENTS)]

    (span,) = decode_json(one_span(events=events))

    assert len(span.events) == MAX_EVENTS
    assert (span.events[0].name, span.events[-1].name) == ("0", str(5 * MAX_EVENTS - 1))


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x00" * (MAX_SPANS + 1),
        field(1, b"\x12\x00" * (MAX_SPANS + 1)),
        field(1, field(2, b"\x12\x00" * (MAX_SPANS + 1))),
        field(1, field(2, field(2, b"\x4a\x00" * (MAX_ATTRIBUTES + 1)))),
    ],
    ids=["groups", "scopes", "spans", "attributes"],
)
def test_masses_of_nothing_are_refused_before_they_are_objects(body: bytes) -> None:
    """Two bytes on the wire are a hundred in memory; no real body has so many parts."""
    with pytest.raises(BodyTooLarge, match="send less"):
        decode_protobuf(body)


def test_masses_of_nothing_in_json_are_refused() -> None:
    """Three bytes of JSON are a hundred in memory."""
    with pytest.raises(BodyTooLarge, match="send less"):
        decode_json(b'{"resourceSpans":[' + b"{}," * MAX_OBJECTS + b"{}]}")


def test_masses_of_events_and_links_cost_what_is_read_of_them() -> None:
    """Of events both ends are read, of links none."""
    many = b"\x5a\x00" * 100_000 + b"\x6a\x00" * 100_000
    (found,) = decode_protobuf(field(1, field(2, field(2, many))))

    assert len(found.events) == MAX_EVENTS
