"""What the collector must survive, one test for each kind of odd input that reaches mapping.

Undecodable bodies, limits, NUL, surrogates, depth and long lists are tested where they are decoded
(`test_collector_decode`), repeated and reordered spans where they are stored (`tests/storage`).
"""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from goldseam.collector.mapping import Mapped, map_spans
from goldseam.collector.mapping.content import MAX_PARSED
from goldseam.collector.spans import Event, Span, Value
from goldseam.storage.records import RequestRecord

START_NS = 1_790_000_000_000_000_000
TRACE = "a" * 32
CHAT: dict[str, Value] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
}


def span(attributes: dict[str, Value] | None = None, **changes: Any) -> Span:
    """Build a finished chat request of one second."""
    made = Span(
        trace_id=TRACE,
        span_id="b" * 16,
        name="chat gpt-4o",
        kind=3,
        start_ns=START_NS,
        end_ns=START_NS + 10**9,
        attributes=CHAT | (attributes or {}),
    )
    return replace(made, **changes)


def row(attributes: dict[str, Value] | None = None, **changes: Any) -> RequestRecord:
    """Map one chat request to its row."""
    (record,) = map_spans([span(attributes, **changes)]).batch.requests
    return record


def mapped(*spans: Span) -> Mapped:
    """Map spans of one OTLP request."""
    return map_spans(spans)


def test_a_request_that_says_nothing_of_itself_is_a_row() -> None:
    """1: no model, no provider, no operation."""
    record = row(attributes={"goldseam.span.type": "request"} | dict.fromkeys(CHAT))

    assert (record.model_requested, record.provider_used, record.operation) == (
        None,
        "unknown",
        "unknown",
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("19", 19), (19.0, 19), (True, None), (-1, None), ("n/a", None), (2**63 - 1, None)],
    ids=repr,
)
def test_token_counts_come_in_many_shapes(sent: Value, kept: int | None) -> None:
    """2: numbers as text and whole doubles count, the impossible is left out and counted."""
    found = mapped(span({"gen_ai.usage.input_tokens": sent}))

    assert found.batch.requests[0].input_tokens == kept
    assert found.flaws["bad_value"] == (kept is None)


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("gen_ai.response.finish_reasons", ["stop"], ["stop"]),
        ("gen_ai.response.finish_reasons", '["stop"]', ["stop"]),
        ("gen_ai.response.finish_reasons", ["stop", None, "", "length"], ["stop", "length"]),
        ("gen_ai.response.finish_reasons", ["stop", "stop"], ["stop"]),
        ("gen_ai.response.finish_reasons", "", None),
        ("llm.finish_reason", "stop", ["stop"]),
        ("ai.response.finishReason", "tool-calls", ["tool-calls"]),
    ],
)
def test_finish_reasons_come_in_many_shapes(name: str, sent: Value, kept: list[str] | None) -> None:
    """3: lists, JSON texts, single words, blanks and repetitions."""
    assert row({name: sent}).response_metadata.get("finish_reasons") == kept


PARTS: list[Value] = [{"role": "user", "parts": [{"type": "text", "content": "four plus five"}]}]


def test_messages_are_measured_whatever_their_shape() -> None:
    """4: the same text has the same length and hash as JSON and as a list."""
    listed = row({"gen_ai.input.messages": PARTS})
    text = row(
        {
            "gen_ai.input.messages": '[{"role": "user", "parts":'
            ' [{"type": "text", "content": "four plus five"}]}]'
        }
    )

    assert listed.prompt_length == text.prompt_length == 14
    assert listed.prompt_sha256 == text.prompt_sha256 is not None


@pytest.mark.parametrize("sent", ['[{"role": "us', "[" * (MAX_PARSED + 1)], ids=["cut", "huge"])
def test_messages_that_cannot_be_read_have_a_length_only(sent: str) -> None:
    """4: cut off, or too long to be parsed."""
    record = row({"gen_ai.input.messages": sent})

    assert (record.prompt_length, record.prompt_sha256) == (len(sent), None)


def test_false_as_text_is_false() -> None:
    """5: `bool("False")` would be true."""
    assert not row({"llm.is_streaming": "False"}).is_stream
    assert row({"llm.is_streaming": "True"}).is_stream


def test_an_empty_value_is_an_absent_one() -> None:
    """6: the next source is asked."""
    record = row({"user.id": "", "enduser.id": " ", "llm.user": "u-1"})

    assert record.user_id == "u-1"


def test_a_span_that_lost_attributes_is_told_by_name_and_scope() -> None:
    """7: an SDK drops the oldest of 128, the model among them."""
    record = row(
        dict.fromkeys(("gen_ai.provider.name", "gen_ai.request.model")),
        dropped_attributes=9,
        scope_name="openinference.instrumentation.openai",
    )

    assert (record.model_requested, record.provider_used) == ("gpt-4o", "openai")
    assert record.request_metadata["dropped_attributes_count"] == 9


def test_a_clock_that_ran_backwards_gives_no_duration() -> None:
    """12: the row is flagged."""
    record = row(end_ns=START_NS - 1)

    assert record.processing_time_ms == 0
    assert record.response_metadata["clock_skew"] is True


@pytest.mark.parametrize("start_ns", [0, 1, 1_577_836_799 * 10**9, 4_102_444_800 * 10**9])
def test_a_start_of_another_age_is_refused(start_ns: int) -> None:
    """12: never replaced by the time of arrival."""
    assert mapped(span(start_ns=start_ns)).rejected == ["bad_time"]


@pytest.mark.parametrize(
    "ids", [{"trace_id": "0" * 32}, {"span_id": "0" * 16}, {"trace_id": "ab"}, {"span_id": ""}]
)
def test_ids_that_are_none_are_refused_alone(ids: dict[str, Any]) -> None:
    """13: the other spans of the request are stored."""
    found = mapped(span(**ids), span(span_id="c" * 16))

    assert found.rejected == ["bad_id"]
    assert len(found.batch.requests) == 1


def test_the_same_span_twice_has_the_same_key_and_row() -> None:
    """14: what comes twice is one row."""
    assert mapped(span(), span()).batch == mapped(span()).batch


def test_of_two_ends_of_a_span_the_later_one_wins() -> None:
    """15: in either order."""
    later = span({"gen_ai.response.id": "1"}, end_ns=START_NS + 2 * 10**9)

    for order in permutations((span(), later)):
        (record,) = mapped(*order).batch.requests
        assert record.processing_time_ms == 2_000


def test_a_pending_span_has_the_key_of_its_final_span() -> None:
    """15: whichever comes, the final one wins."""
    announced = span(
        {"logfire.span_type": "pending_span"},
        span_id="d" * 16,
        parent_span_id="b" * 16,
        end_ns=START_NS,
    )

    assert mapped(announced).batch.requests[0].id == row().id
    assert [r.status for r in mapped(announced, span()).batch.requests] == ["success"]


def test_children_may_come_before_their_parents_or_alone() -> None:
    """16: a missing parent is waited for by nobody."""
    outer, inner = span(), span(span_id="c" * 16, parent_span_id="b" * 16)
    alone = span(span_id="e" * 16, parent_span_id="f" * 16)

    for order in permutations((outer, inner, alone)):
        counts = mapped(*order).counts
        assert (counts["request"], counts["duplicate"]) == (2, 1)


def test_a_trace_of_ten_thousand_spans_is_mapped() -> None:
    """17: nested, beside each other and with trailers; nothing is compared with everything."""
    sdk, wrapper = "com.anthropic.sdk.python", "opentelemetry.instrumentation.anthropic"
    pairs = [
        span(
            span_id=f"{number:016x}",
            scope_name=sdk if number % 2 else wrapper,
            start_ns=START_NS + number // 2 * 10**6 + number % 2,
            end_ns=START_NS + number // 2 * 10**6 + 100 - number % 2,
        )
        for number in range(1, 10_001)
    ]

    counts = mapped(*pairs).counts

    assert counts["duplicate"] == 4_999
    assert counts["request"] == 5_001


def test_an_error_told_twice_is_one_error() -> None:
    """19: the last `exception` event counts."""
    events = tuple(
        Event(name="exception", attributes={"exception.type": kind, "exception.message": "no"})
        for kind in ("openai.APIError", "openai.RateLimitError")
    )

    assert row(events=events, status_code=2).error_code == "RATE_LIMIT"


def test_an_exception_in_a_call_that_answered_is_no_error() -> None:
    """20: status OK and an event; without any answer it is an error all the same."""
    event = Event(name="exception", attributes={"exception.type": "ValueError"})

    assert row({"gen_ai.response.id": "1"}, events=(event,), status_code=1).status == "success"
    assert row(events=(event,), status_code=1).status == "error"


def test_a_failed_http_request_below_a_good_call_is_a_retry() -> None:
    """21: the call's status is its own."""
    tries = [
        span(span_id=f"{n:016x}", parent_span_id="b" * 16, status_code=code, name="POST")
        for n, code in ((1, 2), (2, 0))
    ]
    plain = [replace(item, attributes={"http.request.method": "POST"}) for item in tries]

    (record,) = mapped(*plain, span()).batch.requests
    assert (record.status, record.retry_count) == ("success", 1)


def test_a_wrapper_that_repeats_its_childs_usage_is_no_request() -> None:
    """22: `invoke_agent` with model and tokens."""
    wrapper = span({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9})

    assert mapped(wrapper).counts == {"ignored": 1}


@pytest.mark.parametrize(
    ("sent", "operation"), [("acompletion", "chat"), ("embedding", "embeddings")]
)
def test_operations_outside_the_conventions_are_known(sent: str, operation: str) -> None:
    """23: and `agent_step` is no request."""
    assert row({"gen_ai.operation.name": sent}).operation == operation
    assert mapped(span({"gen_ai.operation.name": "agent_step"})).counts == {"ignored": 1}


@pytest.mark.parametrize("name", ["Chat with {request_data[model]!r}", "x" * 10_000, ""])
def test_the_name_of_a_span_decides_nothing(name: str) -> None:
    """24: templates, models, ten thousand characters."""
    assert row(name=name) == row()


@pytest.mark.parametrize(
    ("address", "port"), [("::1", "8080"), ("/run/llm.sock", None), ("127.0.0.1", 8080)]
)
def test_an_address_is_kept_as_it_came(address: str, port: Value) -> None:
    """25: IPv6, a path, a port as text."""
    metadata = row({"server.address": address, "server.port": port}).request_metadata

    assert (metadata["server.address"], metadata.get("server.port")) == (address, port)


def test_a_raw_litellm_span_alone_is_the_request() -> None:
    """26: model and usage stand under the provider's name, the usage as a Python literal."""
    raw = Span(
        trace_id=TRACE,
        span_id="b" * 16,
        name="raw_gen_ai_request",
        start_ns=START_NS,
        end_ns=START_NS + 10**9,
        scope_name="litellm",
        attributes={
            "llm.openai.model": "gpt-4o",
            "llm.openai.usage": "{'prompt_tokens': 19, 'completion_tokens': 10, 'x': None}",
        },
    )

    (record,) = mapped(raw).batch.requests
    assert (record.provider_used, record.model_requested) == ("openai", "gpt-4o")
    assert (record.input_tokens, record.tokens_used) == (19, 29)


@pytest.mark.parametrize("evil", ["__import__('os').getpid()", "{" * 9_000, "{'a': [" * 500])
def test_a_python_literal_is_read_and_never_run(evil: str) -> None:
    """26: what is no literal is nothing."""
    raw = span({"llm.openai.usage": evil}, name="raw_gen_ai_request")

    assert mapped(raw).batch.requests[0].input_tokens is None


def test_the_resource_names_the_service() -> None:
    """27: a copy on the span does not count."""
    record = row({"service.name": "copied"}, resource={"service.name": "shop"})

    assert record.service_name == "shop"


def test_an_http_span_without_its_request_is_nothing_to_store() -> None:
    """30: a stream that its consumer closed early leaves no request span in one dialect."""
    http = replace(span(), attributes={"http.request.method": "POST", "server.address": "x"})

    assert len(mapped(http).batch) == 0
