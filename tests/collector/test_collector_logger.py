"""Calls that are told by hand, as the original design tells them."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from dirty_equals import IsPartialDict
from opentelemetry.sdk.trace import TracerProvider
from psycopg.rows import dict_row
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from goldseam.collector.exporter import close_recorders
from goldseam.collector.logger import AILogger
from goldseam.errors import ErrorCode
from goldseam.storage.engine import parse_url


@pytest.fixture
def logger(database: str) -> Iterator[AILogger]:
    """Give a logger for an empty database."""
    yield AILogger(database)
    close_recorders()


def rows(database: str, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table, in order."""
    with psycopg.connect(database, row_factory=dict_row) as connection:
        connection.execute("SET ROLE goldseam_writer")
        return connection.execute(
            f"SELECT * FROM {table} ORDER BY created_at".encode()  # noqa: S608 - a table of ours
        ).fetchall()


def test_flow_without_an_error(database: str, logger: AILogger) -> None:
    """`log_request` inserts, `log_response` updates: one row, pending and then a success."""
    call = logger.log_request(
        task="analysis",
        prompt="Analiza ventas...",
        provider="ollama",
        model="llama3",
        module="copilot",
        tenant_id="acme",
        user_id="ana",
        request_id="order-7",
    )
    logger.flush()
    [pending] = rows(database, "ai_request_logs")
    logger.log_response(
        call, content="Nueve", model="llama3:8b", input_tokens=11, output_tokens=4, cost_usd=0.25
    )
    logger.flush()
    [done] = rows(database, "ai_request_logs")

    assert pending == IsPartialDict(status="pending", id=call.id, provider_used="ollama")
    assert done == IsPartialDict(
        id=call.id,
        request_id="order-7",
        tenant_id="acme",
        module="copilot",
        user_id="ana",
        task="analysis",
        operation="chat",
        prompt_length=17,
        prompt_sha256=sha256(b"Analiza ventas...").hexdigest(),
        model_requested="llama3",
        provider_model="llama3:8b",
        status="success",
        response_length=5,
        tokens_used=15,
        cost_usd=0.25,
        recovery_outcome="not_needed",
        retry_count=0,
        error_pattern=None,
    )


def test_flow_with_an_error_that_is_mended(database: str, logger: AILogger) -> None:
    """Two strategies fail, the third works: three steps, and a mended call that keeps its error."""
    call = logger.log_request(task="analysis", provider="ollama", tenant_id="acme")
    logger.log_error(
        call, TimeoutError("Request timed out after 30 s, key sk-abcdefghijklmnop1234")
    )
    for strategy, worked in (("retry", False), ("simplify", False), ("fallback", True)):
        logger.log_recovery_attempt(
            call,
            strategy_name=strategy,
            action_taken=f"{strategy} once",
            was_successful=worked,
            recovery_time_ms=500.0,
            provider="openai" if worked else "ollama",
            error=None if worked else "Request timed out after 30 s.",
        )
    logger.log_response(call, content="Nueve", provider="openai", input_tokens=1, output_tokens=1)
    logger.flush()
    [row] = rows(database, "ai_request_logs")
    steps = rows(database, "ai_error_recovery")
    [pattern] = rows(database, "ai_error_analysis")

    assert row == IsPartialDict(
        status="success",
        provider_requested="ollama",
        provider_used="openai",
        first_error_code="TIMEOUT",
        error_code=None,
        recovery_outcome="recovered",
        recovery_strategy="fallback",
        recovery_steps=3,
        retry_count=3,
        tokens_used=2,
    )
    told = [(s["step_number"], s["strategy_name"], s["was_successful"]) for s in steps]
    assert sorted(told) == [(1, "retry", False), (2, "simplify", False), (3, "fallback", True)]
    assert {step["request_log_id"] for step in steps} == {call.id}
    assert all(step["recovery_time_ms"] == pytest.approx(500, abs=1) for step in steps)
    assert (pattern["occurrence_count"], pattern["recovered_count"]) == (1, 1)
    assert "sk-" not in str(pattern) + str(row)


def test_flow_with_an_error_that_stays(database: str, logger: AILogger) -> None:
    """All strategies fail: the row says with what, and which recovery was tried."""
    call = logger.log_request(provider="openai", tenant_id="acme")
    logger.log_error(call, "Invalid API key sk-abcdefghijklmnop1234", error_code=ErrorCode.AUTH)
    logger.log_recovery_attempt(
        call, strategy_name="retry", action_taken="resend", was_successful=False
    )
    logger.flush()
    [row] = rows(database, "ai_request_logs")

    assert row == IsPartialDict(
        status="error", error_code="AUTH", first_error_code="AUTH", recovery_outcome="failed"
    )
    assert row["error_message"].startswith("Invalid API key")
    assert "abcdefghijklmnop" not in row["error_message"]


def test_a_successful_attempt_mends_without_a_response(database: str, logger: AILogger) -> None:
    """The original flow ends with `log_recovery_attempt`; the call counts as mended."""
    call = logger.log_request(provider="ollama")
    logger.log_error(call, ConnectionError("refused"))
    logger.log_recovery_attempt(
        call, strategy_name="retry", action_taken="wait 0.5s, resend", was_successful=True
    )
    logger.flush()
    [row] = rows(database, "ai_request_logs")

    assert row == IsPartialDict(
        status="success", first_error_code="CONNECTION", recovery_strategy="retry"
    )


def test_errors_are_counted_under_the_pattern_that_analysis_tells(
    database: str, logger: AILogger
) -> None:
    """Two errors with other numbers are one pattern, with cause and advice."""
    for seconds in (30, 45):
        call = logger.log_request(provider="openai", tenant_id="acme")
        logger.log_error(call, TimeoutError(f"Request timed out after {seconds} seconds"))
    logger.flush()
    [stored] = rows(database, "ai_error_analysis")
    pattern = logger.analyze_error_pattern(
        TimeoutError("Request timed out after 7 seconds"), provider="openai", tenant_id="acme"
    )

    assert stored["occurrence_count"] == 2
    assert stored["error_pattern"] == pattern.error_pattern
    assert pattern.error_code == "TIMEOUT"
    assert pattern.probable_cause
    assert pattern.suggested_action


def test_a_session_is_only_asked_for_its_address(database: str) -> None:
    """`db=session` as in the original design: a rollback there takes no row away."""
    engine = create_engine(parse_url(database).set(drivername="postgresql+psycopg"))
    with Session(engine) as session:
        logger = AILogger(session)
        call = logger.log_request(provider="openai")
        logger.log_response(call)
        logger.flush()
        session.rollback()
    engine.dispose()
    close_recorders()

    assert len(rows(database, "ai_request_logs")) == 1


def test_a_call_inside_a_span_belongs_to_its_trace(database: str, logger: AILogger) -> None:
    """The row is found by the trace that the application is in."""
    tracer = TracerProvider().get_tracer("app")
    with tracer.start_as_current_span("work") as span:
        logger.log_response(logger.log_request(provider="openai"))
    logger.flush()
    [row] = rows(database, "ai_request_logs")

    assert row["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert row["parent_span_id"] == f"{span.get_span_context().span_id:016x}"


def test_a_database_that_is_away_costs_the_application_nothing() -> None:
    """No method raises; the rows wait, and are lost when the program ends."""
    logger = AILogger("postgresql://goldseam@127.0.0.1:1/goldseam")
    call = logger.log_request(provider="openai")
    logger.log_error(call, "no answer")
    logger.log_recovery_attempt(
        call, strategy_name="retry", action_taken="resend", was_successful=True
    )

    assert not logger.flush(timeout_s=0.2)
    close_recorders()
