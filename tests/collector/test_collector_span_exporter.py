"""Spans of a tracer provider become rows without a collector in between."""

from collections.abc import Callable
from typing import Any

import psycopg
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from goldseam.collector.exporter import MAX_WAITING_EXPORTS, PostgresSpanExporter

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


def test_a_database_that_is_away_costs_the_application_nothing(recorder: Any) -> None:
    """Neither an export nor the end of the program raises; the rows are lost."""
    exporter = PostgresSpanExporter(NOWHERE)
    recorder.chats(1)

    assert exporter.export(recorder.take()) is SpanExportResult.SUCCESS
    assert exporter.force_flush()
    exporter.shutdown()
    assert exporter.export([]) is SpanExportResult.FAILURE


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
    exporter.shutdown()

    assert results == [SpanExportResult.SUCCESS] * MAX_WAITING_EXPORTS + [SpanExportResult.FAILURE]
    assert count_rows() == MAX_WAITING_EXPORTS
