"""The OpenTelemetry providers that every subject writes to, the same for all.

A batch processor with an exporter that drops what it gets, a metric reader that nobody reads, and
a sampler that can be switched between keeping and dropping every span. Runs inside a subject's
environment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler

NEVER_S: Final = 3_600.0
"""Batches go out when the measurement asks for it, so that each carries the same work."""

BATCH_SPANS: Final = 512

QUEUE_SPANS: Final = 100_000


class CountingExporter(SpanExporter):
    """Forgets spans, keeping their number and the last of them."""

    def __init__(self) -> None:
        self.count = 0
        self.last: ReadableSpan | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Count the spans."""
        self.count += len(spans)
        self.last = spans[-1]
        return SpanExportResult.SUCCESS


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Providers and what stands behind them."""

    exporter: CountingExporter
    processors: list[BatchSpanProcessor]
    sampler: StaticSampler
    tracer_provider: TracerProvider
    reader: InMemoryMetricReader
    meter_provider: MeterProvider

    def sample(self, *, keep: bool) -> None:
        """Keep every span from now on, or none."""
        self.sampler._decision = (  # noqa: SLF001 - a switch of our own would add a call per span
            Decision.RECORD_AND_SAMPLE if keep else Decision.DROP
        )

    def flush(self) -> None:
        """Export the spans that wait."""
        for processor in self.processors:
            processor.force_flush()

    def metric_points(self) -> dict[str, int]:
        """Return the number of data points of each metric so far."""
        data = self.reader.get_metrics_data()
        found: dict[str, int] = {}
        for metric in _metrics_of(data):
            found[metric.name] = found.get(metric.name, 0) + len(metric.data.data_points)
        return found


def make_telemetry() -> Telemetry:
    """Return fresh providers; none of them becomes the global one."""
    exporter = CountingExporter()
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE_SPANS,
        schedule_delay_millis=NEVER_S * 1_000,
        max_export_batch_size=BATCH_SPANS,
    )
    sampler = StaticSampler(Decision.RECORD_AND_SAMPLE)
    tracer_provider = TracerProvider(sampler=sampler)
    tracer_provider.add_span_processor(processor)
    reader = InMemoryMetricReader()
    return Telemetry(
        exporter,
        [processor],
        sampler,
        tracer_provider,
        reader,
        MeterProvider(metric_readers=[reader]),
    )


def _metrics_of(data: Any) -> list[Any]:
    if data is None:
        return []
    return [
        metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
