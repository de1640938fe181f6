"""What holds for any bytes at all."""

import gzip
import json
import zlib
from contextlib import suppress

import pytest
from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
    DecodeError as ProtobufError,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.decode_json import decode_json
from goldseam.collector.inflate import body_reader
from goldseam.collector.mapping import map_spans
from goldseam.collector.refusals import BodyTooLarge, DecodeError
from goldseam.collector.spans import clean
from goldseam.collector.wire import Attributes

_NAMES = st.sampled_from(
    ["resourceSpans", "scopeSpans", "spans", "resource", "scope", "attributes", "key", "value",
     "traceId", "span_id", "events", "status", "stringValue", "arrayValue", "values", "kind"]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    """Neither decoder raises anything else."""
    for decode in (decode_protobuf, decode_json):
        with suppress(DecodeError):
            map_spans(decode(body))


_ANY_VALUE = st.recursive(
    st.one_of(
        st.builds(AnyValue),
        st.builds(AnyValue, string_value=st.text() | st.text(min_size=120, max_size=300)),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 20_000)),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
        st.builds(AnyValue, bytes_value=st.binary()),
    ),
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3)))
        | st.builds(
            AnyValue,
            kvlist_value=st.builds(
                KeyValueList, values=st.lists(st.builds(KeyValue, key=st.text(), value=inner))
            ),
        )
    ),
    max_leaves=5,
)
_PAIR = st.builds(KeyValue, key=st.text() | st.text(min_size=120, max_size=140), value=_ANY_VALUE)


def _by_official_classes(pair: KeyValue) -> tuple[str, str]:
    """Tell of what kind a value is and what it holds, so that 1, 1.0 and True differ."""
    kind = pair.value.WhichOneof("value")
    return clean(pair.key), "None" if kind is None else repr(_cleaned(getattr(pair.value, kind)))


def _cleaned(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _by_wire(raw: bytes) -> tuple[str, str]:
    """Read the same from the wire form, with the official class where that falls back on it."""
    read = Attributes(lambda pair: (clean(pair.key), _by_official_classes(pair)[1].encode()))  # type: ignore[arg-type, return-value] # bytes mark the fallback
    ((key, value),) = read.read([raw]).items()
    return key, value.decode() if isinstance(value, bytes) else repr(value)


@settings(deadline=None)
@given(_PAIR)
@example(KeyValue())
@example(KeyValue(key="k" * 127, value=AnyValue(string_value="v" * 125)))
@example(KeyValue(key="k" * 128, value=AnyValue(string_value="v" * 126)))
@example(KeyValue(key="k", value=AnyValue(int_value=16_383)))
@example(KeyValue(key="k", value=AnyValue(int_value=16_384)))
def test_an_attribute_is_the_same_from_the_wire_and_by_the_official_classes(pair: KeyValue) -> None:
    """The short way gives the key and the value that the long way gives."""
    assert _by_wire(pair.SerializeToString()) == _by_official_classes(pair)


@settings(deadline=None)
@given(_PAIR, st.data())
def test_a_damaged_attribute_is_the_same_either_way(pair: KeyValue, data: st.DataObject) -> None:
    """What one refuses, the other refuses; what one still reads, the other reads alike."""
    raw = bytearray(pair.SerializeToString() or b"\x00")
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        expected = _by_official_classes(KeyValue.FromString(bytes(raw)))
    except ProtobufError:
        with pytest.raises((ProtobufError, UnicodeDecodeError)):
            _by_wire(bytes(raw))
    else:
        assert _by_wire(bytes(raw)) == expected


@settings(deadline=None)
@given(st.dictionaries(_NAMES, _JSON, max_size=3))
def test_any_json_document_decodes_or_is_refused(document: object) -> None:
    """Documents of every shape end in rows, counts or a refusal."""
    with suppress(DecodeError):
        mapped = map_spans(decode_json(json.dumps(document).encode()))
        assert "internal_fault" not in mapped.rejected


@settings(deadline=None)
@given(st.binary(max_size=500), st.integers(1, 50), st.sampled_from(["", "gzip", "deflate"]))
def test_a_body_in_chunks_is_the_body(body: bytes, chunk_bytes: int, encoding: str) -> None:
    """However the network cuts it, the body comes out as it went in."""
    match encoding:
        case "gzip":
            sent = gzip.compress(body)
        case "deflate":
            sent = zlib.compress(body)
        case _:
            sent = body
    reader = body_reader(encoding, limit_bytes=500)

    for start in range(0, len(sent), chunk_bytes):
        reader.feed(sent[start : start + chunk_bytes])

    assert reader.finish() == body


def test_gzip_of_several_members_is_one_body() -> None:
    """Proxies concatenate."""
    reader = body_reader("gzip", limit_bytes=10)

    reader.feed(gzip.compress(b"ab") + gzip.compress(b"cd"))

    assert reader.finish() == b"abcd"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_limit_is_exact(encoding: str) -> None:
    """A body as large as the limit passes, one byte more does not."""
    compress = gzip.compress if encoding else bytes
    reader = body_reader(encoding, limit_bytes=1_000)
    reader.feed(compress(b"x" * 1_000))
    assert len(reader.finish()) == 1_000

    with pytest.raises(BodyTooLarge):
        body_reader(encoding, limit_bytes=1_000).feed(compress(b"x" * 1_001))
