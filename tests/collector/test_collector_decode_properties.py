"""What holds for any bytes at all."""

import gzip
import json
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.decode_json import decode_json
from goldseam.collector.inflate import body_reader
from goldseam.collector.mapping import map_spans
from goldseam.collector.refusals import BodyTooLarge, DecodeError

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
