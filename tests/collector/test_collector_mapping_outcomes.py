"""Status and error code follow the evidence, and spans that can be no row are refused alone."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from goldseam.collector.mapping import Mapped, map_spans
from goldseam.collector.spans import Event, Value

from .mapping_spans import row, span

# --- status and errors ------------------------------------------------------------------------


def exception(kind: str, message: str = "") -> Event:
    """Build the event that instrumentations record for an exception."""
    return Event(
        name="exception", attributes={"exception.type": kind, "exception.message": message}
    )


@pytest.mark.parametrize(
    ("attributes", "changes", "status", "code"),
    [
        ({}, {}, "success", None),
        ({}, {"status_code": 1}, "success", None),
        ({}, {"status_code": 2}, "error", "UNKNOWN"),
        ({"error.type": "openai.RateLimitError"}, {}, "error", "RATE_LIMIT"),
        ({"error.type": "asyncio.exceptions.CancelledError"}, {"status_code": 2},
         "cancelled", "CANCELLED"),
        ({"error.type": "anthropic.APITimeoutError"}, {}, "error", "TIMEOUT"),
        ({"error.type": "429"}, {"status_message": "429 RESOURCE_EXHAUSTED. {}"},
         "error", "RATE_LIMIT"),
        ({"error.type": "_OTHER", "http.response.status_code": 503}, {}, "error", "OVERLOADED"),
        ({"goldseam.error.code": "CONTEXT_LENGTH", "error.type": "openai.BadRequestError"}, {},
         "error", "CONTEXT_LENGTH"),
        ({"gen_ai.response.finish_reasons": ["error"]}, {}, "error", "UNKNOWN"),
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, {}, "success", None),
        ({}, {"status_code": 1, "events": (exception("ValueError"),)}, "success", None),
        ({"gen_ai.response.id": ""}, {"events": (exception("openai.APIConnectionError"),)},
         "error", "CONNECTION"),
        ({}, {"status_code": 2, "status_message": "Error code: 401 - {'error': {}}"},
         "error", "AUTH"),
        ({}, {"status_code": 2, "events": (exception("X", "status_code: 529, body: {}"),)},
         "error", "OVERLOADED"),
    ],
    ids=repr,
)  # fmt: skip
def test_status_and_code_follow_the_evidence(
    attributes: dict[str, Value], changes: dict[str, Any], status: str, code: str | None
) -> None:
    """Each kind of evidence that dialects leave leads to the same codes."""
    record = row(attributes, **changes)

    assert (record.status, record.error_code) == (status, code)


def test_the_last_of_two_exception_events_counts_once() -> None:
    """An error that was recorded twice is one error."""
    events = (exception("ValueError", "first"), exception("openai.RateLimitError", "last"))

    mapped = map_spans([span(status_code=2, events=events)])

    (record,) = mapped.batch.requests
    assert (record.error_code, record.error_message) == ("RATE_LIMIT", "last")
    assert len(mapped.batch.patterns) == 1


def test_secrets_do_not_reach_the_table() -> None:
    """Error texts are masked on this side too, whoever sent them."""
    record = row(status_code=2, status_message="Incorrect API key sk-abcdefghijklmnop1234567890AB")

    assert record.error_message is not None
    assert "abcdefghijklmnop" not in record.error_message


def test_a_row_and_its_pattern_name_the_same_error() -> None:
    """Every pattern that a row mentions comes along with its cause and its fix."""
    mapped = map_spans([span({"error.type": "openai.RateLimitError"}, status_message="too many")])

    (record,) = mapped.batch.requests
    assert record.error_pattern is not None
    pattern = mapped.batch.patterns[record.tenant_id, record.error_pattern]
    assert record.first_error_code == record.error_code == pattern.error_code == "RATE_LIMIT"
    assert pattern.error_message_pattern
    assert pattern.probable_cause
    assert pattern.suggested_action


def test_silence_is_marked() -> None:
    """A success without any sign of an answer, and a stream without an end, are flagged."""
    silent = row({"gen_ai.response.id": ""})
    stream = row({"gen_ai.request.stream": True})

    assert silent.response_metadata["no_response_evidence"] is True
    assert stream.response_metadata["incomplete_stream"] is True
    assert "incomplete_stream" not in row().response_metadata


# --- refusals ---------------------------------------------------------------------------------

_EARLY = int(datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 10**9
_LATE = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_ns": 0}, "bad_time"),
        ({"start_ns": _EARLY}, "bad_time"),
        ({"start_ns": _LATE}, "bad_time"),
        ({"start_ns": 2**64 - 1}, "bad_time"),
        ({"trace_id": "0" * 32}, "bad_id"),
        ({"trace_id": "ab"}, "bad_id"),
        ({"trace_id": ""}, "bad_id"),
        ({"trace_id": "z" * 32}, "bad_id"),
        ({"span_id": "0" * 16}, "bad_id"),
        ({"span_id": "ab" * 16}, "bad_id"),
    ],
    ids=repr,
)
def test_a_span_that_cannot_have_a_key_is_refused_alone(
    changes: dict[str, Any], reason: str
) -> None:
    """The span is counted with its reason, the others are stored."""
    good = replace(span(), span_id="1" * 16)

    mapped = map_spans([span(**changes), good])

    assert [record.span_id for record in mapped.batch.requests] == [good.span_id]
    assert mapped.rejected == [reason]
    assert mapped.counts == {"request": 1, "rejected": 1}


def test_the_year_2020_and_the_year_2099_are_accepted() -> None:
    """The accepted range holds its first and its last moment."""
    mapped = map_spans([span(start_ns=_EARLY + 10**9), span(start_ns=_LATE - 1)])

    assert mapped.rejected == []


def test_a_foreign_span_of_any_time_is_ignored() -> None:
    """Nobody is told about spans that would not have been stored."""
    mapped = map_spans([replace(span(), attributes={}, start_ns=0)])

    assert mapped == Mapped(counts=mapped.counts)
    assert mapped.counts == {"ignored": 1}


def test_the_parent_of_a_root_is_null() -> None:
    """Empty, zero and malformed parents are no parents."""
    assert row(parent_span_id="").parent_span_id is None
    assert row(parent_span_id="0" * 16).parent_span_id is None
    assert row(parent_span_id="xyz").parent_span_id is None
    assert row(parent_span_id="1" * 16).parent_span_id == "1" * 16


def test_ids_are_uuids_of_version_8() -> None:
    """The row id sorts by time and can be told from a random one."""
    assert isinstance(row().id, UUID)
    assert row().id.version == 8
