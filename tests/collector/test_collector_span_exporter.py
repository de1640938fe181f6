"""Spans of a tracer provider become rows without a collector in between."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from goldseam.collector.exporter import MAX_WAITING_EXPORTS, PostgresSpanExporter
from goldseam.collector.recorder import Counts
from goldseam.storage.embedded import EmbeddedPostgres

NOWHERE = "postgresql://goldseam@127.0.0.1:1/goldseam"


def test_a_provider_with_the_exporter_stores_its_calls(
    database: str, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """What a batch processor exports is in the table after a flush, mapped as by a collector."""
    exporter = PostgresSpanExporter(database)
    recorder.provider.add_span_processor(BatchSpanProcessor(exporter))
    recorder.chats(20)

    recorder.provider.force_flush()

    assert exporter.force_flush()
    assert count_rows("provider_used = 'openai' AND tokens_used = 29") == 20
    recorder.provider.shutdown()


def test_the_end_of_the_program_writes_what_waits(
    database: str, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """Shutting the provider down, as the SDK does at exit, loses nothing."""
    recorder.provider.add_span_processor(BatchSpanProcessor(PostgresSpanExporter(database)))
    recorder.chats(3)

    recorder.provider.shutdown()

    assert count_rows() == 3


def test_a_database_that_is_away_costs_the_application_nothing(
    recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an export nor the end of the program raises; what is lost then is counted."""
    exporter = PostgresSpanExporter(NOWHERE, close_timeout_s=0.2)
    for _ in range(2):
        recorder.chats(3)
        assert exporter.export(recorder.take()) is SpanExportResult.SUCCESS

    assert not exporter.force_flush(timeout_millis=50)
    exporter.shutdown()
    assert exporter.export([]) is SpanExportResult.FAILURE
    assert exporter.counts == Counts(lost=6)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2  # waiting, lost


def test_spans_wait_for_a_database_that_comes_back(
    own_postgres: EmbeddedPostgres, recorder: Any
) -> None:
    """Exported while it is away, stored when it is back."""
    exporter = PostgresSpanExporter(own_postgres.url)
    own_postgres.stop()
    for _ in range(3):
        recorder.chats(2)
        assert exporter.export(recorder.take()) is SpanExportResult.SUCCESS
    assert not exporter.force_flush(timeout_millis=50)

    own_postgres.start()

    assert exporter.force_flush()
    assert exporter.counts == Counts(stored=6)
    exporter.shutdown()


def test_a_row_that_the_database_refuses_costs_no_other(
    database: str, recorder: Any, count_rows: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted and warned of; the others of its batch are stored."""
    with psycopg.connect(database, options="-c role=goldseam_owner") as owner:
        owner.execute(
            "ALTER TABLE ai_request_logs ADD CONSTRAINT no_bad CHECK (task <> 'bad') NOT VALID"
        )
    exporter = PostgresSpanExporter(database)
    recorder.chats(4)
    recorder.chats(1, **{"goldseam.task": "bad"})

    exporter.export(recorder.take())

    assert exporter.force_flush()
    assert (count_rows(), exporter.counts) == (4, Counts(stored=4, refused=1))
    assert "no_bad" in caplog.text
    exporter.shutdown()


def test_what_waits_for_a_slow_database_is_bounded(
    database: str, recorder: Any, count_rows: Callable[..., int]
) -> None:
    """An export that finds too many before it fails at once, and the others are stored."""
    exporter = PostgresSpanExporter(database)
    results = []
    with psycopg.connect(database, options="-c role=goldseam_owner") as blocker:
        blocker.execute("LOCK TABLE ai_request_logs IN ACCESS EXCLUSIVE MODE")
        for _ in range(MAX_WAITING_EXPORTS + 1):
            recorder.chats(1)
            results.append(exporter.export(recorder.take()))
    assert exporter.force_flush()
    exporter.shutdown()

    assert exporter.counts == Counts(stored=MAX_WAITING_EXPORTS, lost=1)
    assert results == [SpanExportResult.SUCCESS] * MAX_WAITING_EXPORTS + [SpanExportResult.FAILURE]
    assert count_rows() == MAX_WAITING_EXPORTS
