"""A span with more attributes than any SDK keeps costs what those that are read cost."""

import json
from itertools import chain

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.decode_json import decode_json
from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import Span
from goldseam.collector.wire import MAX_ATTRIBUTES_EACH

_NAMED = {"goldseam.span.type": "request", "gen_ai.request.model": "gpt-4o"}
_BEYOND = 3


def _pairs(owner: str) -> dict[str, str]:
    filled = _NAMED if owner == "span" else {}
    more = MAX_ATTRIBUTES_EACH + _BEYOND - len(filled)
    return {**filled, **{f"{owner}.{number}": "x" for number in range(more)}}


def _protobuf() -> list[Span]:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    spans = group.scope_spans.add().spans
    owners: list[tuple[str, object]] = [("resource", group.resource)]
    for number in (1, 2):
        span = spans.add(trace_id=bytes([number] * 16), span_id=bytes([number] * 8))
        span.start_time_unix_nano = 1_790_000_000 * 10**9
        owners += [("span", span), ("event", span.events.add(name="x"))]
    for owner, message in owners:
        message.attributes.extend(  # type: ignore[attr-defined] # each of them has some
            KeyValue(key=key, value=AnyValue(string_value=value))
            for key, value in _pairs(owner).items()
        )
    return decode_protobuf(request.SerializeToString())


def _json() -> list[Span]:
    def attributes(owner: str) -> list[object]:
        return [{"key": k, "value": {"stringValue": v}} for k, v in _pairs(owner).items()]

    spans = [
        {
            "traceId": f"{number:02x}" * 16,
            "spanId": f"{number:02x}" * 8,
            "startTimeUnixNano": str(1_790_000_000 * 10**9),
            "attributes": attributes("span"),
            "events": [{"name": "x", "attributes": attributes("event")}],
        }
        for number in (1, 2)
    ]
    group = {
        "resource": {"attributes": attributes("resource")},
        "scopeSpans": [{"spans": spans}],
    }
    return decode_json(json.dumps({"resourceSpans": [group]}).encode())


@pytest.mark.parametrize("spans", [_protobuf(), _json()], ids=["protobuf", "json"])
def test_attributes_beyond_the_limit_are_dropped_and_counted(spans: list[Span]) -> None:
    """The span is a row, which says how many are missing; the metric counts each of them once."""
    mapped = map_spans(spans)

    read = [(span.attributes, *(event.attributes for event in span.events)) for span in spans]
    assert [len(each) for each in chain(*read)] == [MAX_ATTRIBUTES_EACH] * 4
    assert [row.model_requested for row in mapped.batch.requests] == ["gpt-4o", "gpt-4o"]
    missing = [row.request_metadata["dropped_attributes_count"] for row in mapped.batch.requests]
    assert missing == [3 * _BEYOND, 2 * _BEYOND]
    assert mapped.flaws["attributes_cut"] == 5 * _BEYOND
