"""Recovery steps become rows of their call, and pending spans open a row that is closed later."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import Span, Value
from goldseam.semconv import log_id
from goldseam.storage.records import RecoveryRecord

from .mapping_spans import ROW, SPAN, START_NS, TRACE, filled, span


def step(number: int | None = None, attributes: dict[str, Value] | None = None) -> Span:
    """Build a recovery step of 750 ms under the request."""
    said: dict[str, Value] = {} if number is None else {"goldseam.recovery.step": number}
    return Span(
        trace_id=TRACE,
        span_id=f"{number or 9:016x}",
        parent_span_id=SPAN,
        name="recovery retry",
        kind=1,
        start_ns=START_NS + 1_000_000_000 * (number or 9),
        end_ns=START_NS + 1_000_000_000 * (number or 9) + 750_000_000,
        attributes={
            "goldseam.span.type": "recovery_step",
            "goldseam.recovery.strategy": "retry",
            **said,
            **(attributes or {}),
        },
    )


def steps(*spans: Span) -> list[RecoveryRecord]:
    """Map spans to recovery rows."""
    return map_spans(spans).batch.recoveries


def test_every_column_of_a_recovery_step() -> None:
    """A step fills its row; what has no column is in the result."""
    (record,) = steps(
        step(
            1,
            {
                "goldseam.log.id": str(ROW),
                "goldseam.tenant.id": "acme",
                "goldseam.recovery.attempt": 1,
                "goldseam.recovery.action": "wait 0.5s, resend",
                "goldseam.recovery.success": True,
                "goldseam.recovery.delay": 0.5,
                "goldseam.recovery.provider.name": "Ollama",
                "goldseam.recovery.model": "llama3.1",
                "gen_ai.usage.input_tokens": 19,
            },
        )
    )

    assert filled(record) == {
        "tenant_id": "acme",
        "created_at": datetime(2026, 9, 21, 14, 13, 21, 123456, tzinfo=UTC),
        "id": log_id(START_NS + 1_000_000_000, int(TRACE, 16), 1),
        "request_log_id": ROW,
        "trace_id": TRACE,
        "strategy_name": "retry",
        "step_number": 1,
        "action_taken": "wait 0.5s, resend",
        "was_successful": True,
        "recovery_time_ms": 750.0,
        "provider": "ollama",
        "model": "llama3.1",
        "recovery_result": {
            "delay_s": 0.5,
            "attempt": 1,
            "provider": "ollama",
            "model": "llama3.1",
            "input_tokens": 19,
            "span_id": f"{1:016x}",
        },
    }


def test_a_step_finds_its_request_by_parent() -> None:
    """Without an id the parent in the same OTLP request tells, in whatever order they came."""
    for spans in ([step(1), span()], [span(), step(1)]):
        (record,) = steps(*spans)
        assert record.request_log_id == ROW


def test_a_step_without_its_request_waits_for_nobody() -> None:
    """A step whose request is elsewhere tells the writer by which span to find it."""
    (record,) = steps(step(1))

    assert record.request_log_id is None
    assert record.recovery_result["parent_span_id"] == step(1).parent_span_id


def test_steps_are_numbered_by_their_start() -> None:
    """Steps that do not say their number get one."""
    second, first = step(2), step(1)
    unnumbered = [
        replace(s, attributes={"goldseam.span.type": "recovery_step"}) for s in (second, first)
    ]

    records = steps(*unnumbered)

    assert [(r.step_number, r.strategy_name) for r in records] == [(1, "unknown"), (2, "unknown")]
    assert records[0].created_at < records[1].created_at


@pytest.mark.parametrize(
    ("attributes", "status_code", "expected"),
    [
        ({}, 0, True),
        ({}, 2, False),
        ({"goldseam.recovery.success": False}, 0, False),
        ({"goldseam.recovery.success": "true"}, 2, True),
    ],
    ids=repr,
)
def test_success_of_a_step(
    attributes: dict[str, Value], status_code: int, *, expected: bool
) -> None:
    """A step says whether it mended the call; its status is the second best witness."""
    (record,) = steps(replace(step(1, attributes), status_code=status_code))

    assert record.was_successful is expected


def test_a_failed_step_says_why() -> None:
    """The code of a step comes from the attribute, else from the span's own evidence."""
    (told,) = steps(step(1, {"goldseam.error.code": "TIMEOUT"}))
    (found,) = steps(replace(step(1, {"error.type": "openai.RateLimitError"}), status_code=2))

    assert (told.error_code, found.error_code) == ("TIMEOUT", "RATE_LIMIT")


def test_a_bad_request_id_costs_the_link_only() -> None:
    """A step with a malformed id is stored, and the value is counted."""
    mapped = map_spans([step(1, {"goldseam.log.id": "no-uuid"})])

    assert mapped.batch.recoveries[0].request_log_id is None
    assert mapped.flaws == {"bad_value": 1}


# --- pending ----------------------------------------------------------------------------------


def pending(attributes: dict[str, Value] | None = None, **changes: Any) -> Span:
    """Build the span that announces the request of `span`."""
    announced = span({"goldseam.span.type": "pending", **(attributes or {})})
    return replace(
        announced,
        **{"span_id": "1" * 16, "parent_span_id": SPAN, "end_ns": START_NS, **changes},
    )


def test_a_pending_span_opens_the_row_of_the_span_to_come() -> None:
    """The row has the key, the ids and the start of the real span."""
    parent = "00f067aa0ba902b7"
    mapped = map_spans([pending({"goldseam.pending.parent_id": parent})])

    (record,) = mapped.batch.requests
    assert (record.id, record.span_id, record.parent_span_id) == (ROW, SPAN, parent)
    assert (record.status, record.model_requested, record.error_pattern) == (
        "pending",
        "gpt-4o",
        None,
    )
    assert mapped.counts == {"pending": 1}


def test_a_pending_root_has_no_parent() -> None:
    """Zeros stand for a root."""
    (record,) = map_spans([pending({"goldseam.pending.parent_id": "0" * 16})]).batch.requests

    assert record.parent_span_id is None


@pytest.mark.parametrize("order", [1, -1], ids=["pending-first", "final-first"])
def test_a_final_span_drops_its_pending_span(order: int) -> None:
    """If both come in one OTLP request, only the final one is stored."""
    (record,) = map_spans([pending(), span()][::order]).batch.requests

    assert record.status == "success"
