"""Every metric that the collector publishes on `/metrics`, with its meaning, in one place.

Names follow `goldseam.semconv.metrics`, spelt as Prometheus spells OpenTelemetry names. Each
application object has its own registry, so several can live in one process.
"""

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

WRITE_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""From a lone row on a calm disk to a disk that is being saturated by others."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The collector's instruments; `registry` is what `/metrics` prints."""

    registry: CollectorRegistry
    requests: Counter
    spans: Counter
    rejected: Counter
    flaws: Counter
    ignored_signals: Counter
    rows: Counter
    write_duration: Histogram
    queue_bytes: Gauge
    receive_bytes: Gauge
    database_up: Gauge
    spooled: Counter
    drained: Counter
    spool_bodies: Gauge
    spool_bytes: Gauge
    spool_age: Gauge
    spool_set_aside: Gauge


def create_metrics() -> Metrics:
    """Return fresh instruments in a registry of their own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Metrics(
        registry=registry,
        requests=Counter(
            "goldseam_collector_requests",
            "OTLP trace requests by transport (http, grpc) and status of their answer.",
            ["transport", "status"],
            registry=registry,
        ),
        spans=Counter(
            "goldseam_collector_spans",
            "Spans by what became of them: request, recovery, pending, duplicate, enriched, "
            "ignored, rejected.",
            ["result"],
            registry=registry,
        ),
        rejected=Counter(
            "goldseam_collector_rejected",
            "Spans refused in a partial success, by reason.",
            ["reason"],
            registry=registry,
        ),
        flaws=Counter(
            "goldseam_collector_flaws",
            "What did not fit, by kind: bad_value, cut, metadata_cut (values), attributes_cut "
            "(attributes beyond 1,024 of a span), "
            "orphan_trailer (spans), unpriced (requests with tokens whose price is unknown).",
            ["kind"],
            registry=registry,
        ),
        ignored_signals=Counter(
            "goldseam_collector_ignored_requests",
            "OTLP requests accepted and dropped, because no table holds their signal.",
            ["signal"],
            registry=registry,
        ),
        rows=Counter(
            "goldseam_collector_rows",
            "Rows of acknowledged requests by table; redelivered rows count again.",
            ["table"],
            registry=registry,
        ),
        write_duration=Histogram(
            "goldseam_collector_write_duration_seconds",
            "Seconds that one transaction took, commit included.",
            buckets=WRITE_BUCKETS_S,
            registry=registry,
        ),
        queue_bytes=Gauge(
            "goldseam_collector_queue_bytes",
            "Bytes of bodies that are decoded and not yet answered.",
            registry=registry,
        ),
        receive_bytes=Gauge(
            "goldseam_collector_receive_bytes",
            "Inflated bytes of bodies that are being received or wait for their answer.",
            registry=registry,
        ),
        database_up=Gauge(
            "goldseam_collector_database_up",
            "1 while the writer has a working connection, 0 while it looks for one.",
            registry=registry,
        ),
        spooled=Counter(
            "goldseam_collector_spooled",
            "Bodies that were acknowledged because they are fsynced in the spool.",
            registry=registry,
        ),
        drained=Counter(
            "goldseam_collector_drained",
            "Bodies that went from a spool into the database.",
            registry=registry,
        ),
        spool_bodies=Gauge(
            "goldseam_collector_spool_bodies",
            "Bodies that wait in the spool for the database.",
            registry=registry,
        ),
        spool_bytes=Gauge(
            "goldseam_collector_spool_bytes",
            "Compressed bytes of the bodies that wait in the spool.",
            registry=registry,
        ),
        spool_age=Gauge(
            "goldseam_collector_spool_age_seconds",
            "Seconds that the oldest body has waited in the spool.",
            registry=registry,
        ),
        spool_set_aside=Gauge(
            "goldseam_collector_spool_set_aside",
            "Bodies that can never be stored, kept in the spool for inspection.",
            registry=registry,
        ),
    )
