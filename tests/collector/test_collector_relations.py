"""Spans of one OTLP request that tell of the same call, made by hand after real ones."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from goldseam.collector.mapping import Mapped, map_spans
from goldseam.collector.spans import Span, Value
from goldseam.storage.records import RequestRecord

START_NS = 1_790_000_000_000_000_000
MS = 1_000_000
TRACE = "a" * 32
RESOURCE: dict[str, Value] = {"service.name": "shop", "service.instance.id": "1"}
CHAT: dict[str, Value] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
}
USED: dict[str, Value] = {"gen_ai.usage.input_tokens": 19, "gen_ai.usage.output_tokens": 10}


def span(
    number: int,
    attributes: dict[str, Value] | None = None,
    *,
    parent: int | None = None,
    at_ms: tuple[float, float] = (0, 1_000),
    **changes: Any,
) -> Span:
    """Build a span by its number; it lasts from the first to the second millisecond."""
    start_ms, end_ms = at_ms
    made = Span(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_span_id="" if parent is None else f"{parent:016x}",
        kind=3,
        start_ns=START_NS + int(start_ms * MS),
        end_ns=START_NS + int(end_ms * MS),
        attributes=CHAT if attributes is None else attributes,
        resource=RESOURCE,
    )
    return replace(made, **changes)


def rows(*spans: Span) -> dict[int, RequestRecord]:
    """Map spans to rows, by the number of their span."""
    return {int(r.span_id, 16): r for r in map_spans(spans).batch.requests}


def duplicates(*spans: Span) -> dict[int, int]:
    """Return which span's row is a duplicate of which."""
    mapped = rows(*spans)
    numbers = {record.id: number for number, record in mapped.items()}
    return {n: numbers[r.duplicate_of] for n, r in mapped.items() if r.duplicate_of}


# --- nested -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_outermost_of_nested_requests_counts(order: tuple[int, ...]) -> None:
    """In any order, and the outermost learns what only the inner ones know."""
    spans = [span(1), span(2, parent=1), span(3, CHAT | USED, parent=2)]

    assert duplicates(*(spans[i] for i in order)) == {2: 1, 3: 1}
    assert rows(*(spans[i] for i in order))[1].tokens_used == 29


def test_an_http_span_between_does_not_part_them() -> None:
    """What is below a call's HTTP request is still the same call."""
    http = span(2, {"http.request.method": "POST"}, parent=1)

    assert duplicates(span(1), http, span(3, parent=2)) == {3: 1}


@pytest.mark.parametrize(
    "between",
    [
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "invoke_agent"},
        {"openinference.span.kind": "CHAIN"},
        {"traceloop.span.kind": "tool"},
    ],
    ids=str,
)
def test_a_call_below_a_tool_is_a_call_of_its_own(between: dict[str, Value]) -> None:
    """Agents, chains and tools make calls that their caller pays for as well."""
    assert duplicates(span(1), span(2, between, parent=1), span(3, parent=2)) == {}


def test_the_raw_span_of_litellm_is_a_duplicate_of_its_request() -> None:
    """`raw_gen_ai_request` below `litellm_request`."""
    outer = span(1, name="litellm_request", kind=1, scope_name="litellm")
    raw = span(2, {"llm.openai.model": "m"}, parent=1, name="raw_gen_ai_request")

    assert duplicates(raw, outer) == {2: 1}


def test_parents_in_a_circle_are_no_duplicates() -> None:
    """A broken sender gets rows that count."""
    assert duplicates(span(1, parent=2), span(2, parent=1)) == {}


# --- side by side -----------------------------------------------------------------------------

TRACELOOP = "opentelemetry.instrumentation.anthropic"
SDK = "com.anthropic.sdk.python"


def pair(outer_scope: str = TRACELOOP, inner_scope: str = SDK, **inner: Any) -> dict[int, int]:
    """Return the duplicates of an outer span and one beside it, roots of two traces."""
    beside = {"trace_id": "b" * 32, "at_ms": (5, 990), "scope_name": inner_scope} | inner
    return duplicates(span(1, scope_name=outer_scope), span(2, **beside))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (TRACELOOP, SDK),
        ("unheard.of", SDK),
        ("openinference.instrumentation.langchain", "openinference.instrumentation.openai"),
        ("openinference.instrumentation.dspy", "openinference.instrumentation.anthropic"),
    ],
)
def test_an_sdk_span_beside_its_wrapper_is_a_duplicate(outer: str, inner: str) -> None:
    """Some wrappers do not make their span current; without a parent they share no trace."""
    assert pair(outer, inner) == {2: 1}


@pytest.mark.parametrize(
    "different",
    [
        {"inner_scope": "opentelemetry.instrumentation.openai.v1"},
        {"outer_scope": SDK},
        {"at_ms": (5, 1_001)},
        {"at_ms": (-1, 990)},
        {"parent": 9},
        {"attributes": CHAT | {"gen_ai.request.model": "claude-haiku-4-5"}},
        {"attributes": CHAT | {"error.type": "rate_limit_error"}},
        {"resource": RESOURCE | {"service.instance.id": "2"}},
    ],
    ids=str,
)
def test_anything_that_differs_keeps_both(different: dict[str, Any]) -> None:
    """Scopes, time, parent, model, outcome and process must all agree."""
    assert pair(**different) == {}


def test_different_response_ids_keep_both() -> None:
    """Two answers are two calls."""
    named = [CHAT | {"gen_ai.response.id": f"msg_{n}"} for n in range(2)]
    outer = span(1, named[0], scope_name=TRACELOOP)

    assert duplicates(outer, span(2, named[1], at_ms=(5, 990), scope_name=SDK)) == {}


def test_the_closest_of_several_is_taken_and_only_one() -> None:
    """Of two inner spans in one outer, the tighter fit is the same call."""
    outer = span(1, scope_name=TRACELOOP)
    loose = span(2, at_ms=(50, 900), scope_name=SDK)
    tight = span(3, at_ms=(1, 999), scope_name=SDK)

    assert duplicates(loose, outer, tight) == {3: 1}


def test_the_sdks_token_counts_replace_the_overcounted_ones() -> None:
    """OpenLLMetry adds a streamed message's first token to the rest."""
    outer = span(1, CHAT | USED | {"gen_ai.usage.output_tokens": 11}, scope_name=TRACELOOP)
    inner = span(2, CHAT | USED, at_ms=(5, 990), scope_name=SDK)

    assert rows(outer, inner)[1].output_tokens == 10
    assert rows(outer, inner)[1].tokens_used == 29


# --- HTTP -------------------------------------------------------------------------------------


def http(number: int, status: int, **changes: Any) -> Span:
    """Build the span of an HTTP client below request 1."""
    found: dict[str, Value] = {"http.request.method": "POST", "http.response.status_code": status}
    at_ms = (number * 10, number * 10 + 5)
    return span(number, found, parent=1, at_ms=at_ms, **changes)


def test_http_spans_tell_how_often_the_sdk_tried() -> None:
    """Three requests are two retries, the last one's status is the call's, no row is theirs."""
    mapped = map_spans([http(4, 200), http(2, 429, status_code=2), span(1), http(3, 429)])

    (record,) = mapped.batch.requests
    assert (record.retry_count, record.http_status, record.status) == (2, 200, "success")
    assert mapped.counts == {"request": 1, "enriched": 3}


def test_a_retry_count_that_the_span_tells_is_kept() -> None:
    """Goldseam and Anthropic's SDK count themselves."""
    told = span(1, CHAT | {"goldseam.retry.count": 5})

    assert rows(told, http(2, 429), http(3, 200))[1].retry_count == 5


def test_the_status_below_helps_to_name_the_error() -> None:
    """A message without a status is told apart by the HTTP span."""
    failed = span(1, status_code=2, status_message="it did not work")

    assert rows(failed, http(2, 503))[1].error_code == "OVERLOADED"


def test_an_http_span_of_nobody_is_ignored() -> None:
    """Applications send other requests, too."""
    mapped = map_spans([span(1), replace(http(2, 500), parent_span_id="")])

    assert mapped.counts == {"request": 1, "ignored": 1}


# --- trailers ---------------------------------------------------------------------------------

FIRE: dict[str, Any] = {"scope_name": "logfire.openai"}


def trailer(number: int, *, at_ms: float, duration_s: float, **changes: Any) -> Span:
    """Build what Logfire sends when a stream has ended."""
    told: dict[str, Value] = {"logfire.span_type": "log", "duration": duration_s}
    finish: dict[str, Value] = {"gen_ai.response.finish_reasons": '["stop"]'}
    values = {"trace_id": "b" * 32} | FIRE | changes
    return span(number, CHAT | USED | told | finish, at_ms=(at_ms, at_ms), **values)


def streamed(*spans: Span) -> Mapped:
    """Map a call of 200 ms whose stream is told of elsewhere."""
    return map_spans([span(1, at_ms=(0, 200), **FIRE), *spans])


def test_a_trailer_brings_usage_and_end_of_the_stream() -> None:
    """It stands in another trace and tells when the stream began."""
    mapped = streamed(trailer(2, at_ms=1_200, duration_s=1.0))

    (record,) = mapped.batch.requests
    assert (record.tokens_used, record.is_stream, record.processing_time_ms) == (29, True, 1200.0)
    assert record.response_metadata == {"finish_reasons": ["stop"]}
    assert mapped.counts == {"request": 1, "enriched": 1}


@pytest.mark.parametrize(
    "foreign",
    [
        trailer(2, at_ms=1_300, duration_s=1.0),
        trailer(2, at_ms=1_200, duration_s=1.0, resource={"service.name": "other"}),
        replace(
            trailer(2, at_ms=1_200, duration_s=1.0),
            attributes=CHAT | {"logfire.span_type": "log", "gen_ai.request.model": "m"},
        ),
    ],
    ids=["time", "process", "model"],
)
def test_a_trailer_without_its_request_is_counted(foreign: Span) -> None:
    """More than 50 ms away, of another process or model: it is another call's."""
    mapped = streamed(foreign)

    assert mapped.flaws["orphan_trailer"] == 1
    assert mapped.batch.requests[0].tokens_used is None


def test_two_streams_get_their_own_trailers() -> None:
    """Of the same trace before closer ones; a call takes one trailer."""
    other = span(3, at_ms=(10, 210), trace_id="c" * 32, **FIRE)
    mapped = streamed(
        other,
        trailer(2, at_ms=1_205, duration_s=1.0, trace_id="c" * 32),
        trailer(4, at_ms=1_206, duration_s=1.0),
    )

    times = {int(r.span_id, 16): r.processing_time_ms for r in mapped.batch.requests}
    assert times == {3: 1195.0, 1: 1206.0}
