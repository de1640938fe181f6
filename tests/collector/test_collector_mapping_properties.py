"""What holds for any spans at all."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from goldseam.collector.dialects import SOURCES
from goldseam.collector.mapping import map_spans
from goldseam.collector.mapping.reading import Reading
from goldseam.collector.spans import Event, Span, Value, clean

_KNOWN_NAMES = sorted(
    {
        (source.key or source.name).removeprefix("res:")
        for sources in SOURCES.values()
        for source in sources
    }
    | {
        "goldseam.span.type",
        "logfire.span_type",
        "openinference.span.kind",
        "exception.message",
        "http.method",
    }
)
_WORDS = st.sampled_from(
    ["request", "recovery_step", "pending", "chat", "LLM", "error", "19", "-1", "nan", "True",
     "Error code: 429 - {'error': {'message': 'x'}}", "[", '["stop"]', "0" * 16, "a" * 300]
)  # fmt: skip
_TEXT = _WORDS | st.text(max_size=40).map(clean)
_SCALAR: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
)
_VALUE: st.SearchStrategy[Value] = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_ATTRIBUTES = st.dictionaries(st.sampled_from(_KNOWN_NAMES), _VALUE, max_size=12)
_IDS = st.sampled_from(["", "0" * 16, "1" * 16, "2" * 16, "xyz"])
_NANOSECONDS = st.integers(0, 2**64 - 1) | st.integers(1_790_000_000, 1_790_000_009).map(
    lambda seconds: seconds * 10**9
)
_SPANS = st.builds(
    Span,
    trace_id=st.sampled_from(["", "0" * 32, "a" * 32, "b" * 32, "xyz"]),
    span_id=_IDS,
    parent_span_id=_IDS,
    name=_TEXT,
    kind=st.integers(0, 6),
    start_ns=_NANOSECONDS,
    end_ns=_NANOSECONDS,
    attributes=_ATTRIBUTES,
    events=st.lists(
        st.builds(
            Event,
            name=st.sampled_from(["exception", "goldseam.original_error", "x"]),
            attributes=_ATTRIBUTES,
        ),
        max_size=2,
    ).map(tuple),
    status_code=st.integers(0, 3),
    status_message=_TEXT,
    scope_name=_TEXT,
    resource=_ATTRIBUTES,
    dropped_attributes=st.integers(0, 2**32 - 1),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_SPANS, max_size=3))
def test_every_span_is_a_row_or_is_counted(spans: list[Span]) -> None:
    """Nothing raises, nothing is lost without a count, and no fence is needed."""
    mapped = map_spans(spans)

    assert "internal_fault" not in mapped.rejected
    assert sum(mapped.counts.values()) == len(spans)
    assert mapped.counts["rejected"] == len(mapped.rejected)
    stored = Counter(request=0, pending=0, recovery=len(mapped.batch.recoveries))
    stored.update("pending" if r.status == "pending" else "request" for r in mapped.batch.requests)
    assert stored["request"] == mapped.counts["request"]
    assert stored["recovery"] == mapped.counts["recovery"]
    assert stored["pending"] <= mapped.counts["pending"]


@settings(max_examples=100, deadline=None)
@given(st.lists(_SPANS, max_size=3))
def test_every_row_fits_its_table(spans: list[Span]) -> None:
    """Times are in range, numbers fit 32 bits, texts are bounded, JSON is valid and small."""
    batch = map_spans(spans).batch
    records: list[Any] = [*batch.requests, *batch.recoveries]
    for record in records:
        assert datetime(2020, 1, 1, tzinfo=UTC) <= record.created_at
        assert record.created_at < datetime(2100, 1, 1, tzinfo=UTC)
        for name, value in asdict(record).items():
            if isinstance(value, dict):
                assert len(json.dumps(value, allow_nan=False)) <= 16 * 1024, name
            if isinstance(value, str):
                assert len(value) <= 2_000, name
                assert "\0" not in value, name
            if isinstance(value, int):
                assert 0 <= value <= 2**31 - 1, name


@settings(max_examples=50, deadline=None)
@given(st.lists(_SPANS, max_size=3))
def test_every_error_brings_its_pattern(spans: list[Span]) -> None:
    """A row never mentions a pattern that the batch does not describe."""
    batch = map_spans(spans).batch

    mentioned = {(r.tenant_id, r.error_pattern) for r in batch.requests if r.error_pattern}
    assert mentioned == set(batch.patterns)


@settings(max_examples=50, deadline=None)
@given(st.lists(_SPANS, max_size=3))
def test_mapping_the_same_spans_again_gives_the_same_rows(spans: list[Span]) -> None:
    """Redelivery cannot change what is stored."""
    assert map_spans(spans) == map_spans(spans)


@settings(max_examples=30, deadline=None)
@given(_SPANS)
def test_what_is_worked_out_once_for_many_spans_reads_as_source_by_source(span: Span) -> None:
    """A column holds what the first of its sources holds that is not blank, however it is found."""
    reading = Reading(span, Counter())
    for column, sources in SOURCES.items():
        plain = [source.read(span) for source in sources]
        usual = [v for v in plain if v is not None and (not isinstance(v, str) or v.strip())]

        assert list(reading.values(column)) == usual, column
        assert reading.has(column) == bool(usual), column
        assert reading.count(column) == _first_count(usual), column
        assert reading.text(column, limit=10**6) == _first_text(usual), column


def _first_count(values: Sequence[Value]) -> int | None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            number = float(value)
        except ValueError:
            continue
        if 0 <= number <= 10**9 and number.is_integer():
            return int(number)
    return None


def _first_text(values: Sequence[Value]) -> str | None:
    texts = (v for v in values if isinstance(v, str | int) and not isinstance(v, bool))
    return next((str(text).strip() for text in texts), None)
