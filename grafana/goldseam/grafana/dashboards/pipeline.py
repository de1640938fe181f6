"""Pipeline: do spans become rows, and does anything hold them up?

Reads the collector's own metrics in Prometheus, so it also works while the database does not.
"""

from typing import Final

from goldseam.grafana.panels import Dashboard, Panel, Series, Threshold

_ABSENT: Final = "no metrics: is Prometheus there?"
_RATE: Final = "[$__rate_interval]"

PIPELINE: Final = Dashboard(
    uid="goldseam-pipeline",
    title="Goldseam / Pipeline",
    description="Whether the collector receives, stores and acknowledges what applications send.",
    variables=(),
    time_from="now-6h",
    panels=(
        Panel(
            title="Collectors",
            question="How many collectors answer Prometheus?",
            kind="stat",
            no_value=_ABSENT,
            thresholds=(Threshold(None, "red"), Threshold(1, "green")),
            series=(Series("up", 'sum(up{job="goldseam-collector"})'),),
        ),
        Panel(
            title="With a database",
            question="How many of them have a working connection to PostgreSQL?",
            kind="stat",
            no_value=_ABSENT,
            thresholds=(Threshold(None, "red"), Threshold(1, "green")),
            series=(Series("connected", "sum(goldseam_collector_database_up)"),),
        ),
        Panel(
            title="Waiting",
            question="How many bytes are received and not yet acknowledged?",
            kind="stat",
            unit="bytes",
            no_value=_ABSENT,
            series=(Series("waiting", "sum(goldseam_collector_queue_bytes)"),),
        ),
        Panel(
            title="Sent again",
            question="What share of the deliveries is answered with 503, to be repeated?",
            kind="stat",
            unit="percentunit",
            no_value=_ABSENT,
            thresholds=(Threshold(None, "green"), Threshold(0.01, "yellow"), Threshold(0.1, "red")),
            series=(
                Series(
                    "503",
                    'sum(rate(goldseam_collector_requests_total{status=~"503|UNAVAILABLE"}'
                    f"{_RATE})) / sum(rate(goldseam_collector_requests_total{_RATE}))",
                ),
            ),
        ),
        Panel(
            title="Spans",
            question="How many spans arrive, and what becomes of them?",
            kind="timeseries",
            unit="cps",
            width=12,
            height=9,
            stacked=True,
            no_value=_ABSENT,
            series=(
                Series(
                    "{{result}}",
                    f"sum by (result) (rate(goldseam_collector_spans_total{_RATE}))",
                ),
            ),
        ),
        Panel(
            title="Deliveries",
            question="How are the deliveries of applications answered?",
            kind="timeseries",
            unit="reqps",
            width=12,
            height=9,
            stacked=True,
            no_value=_ABSENT,
            series=(
                Series(
                    "{{status}}",
                    f"sum by (status) (rate(goldseam_collector_requests_total{_RATE}))",
                ),
            ),
        ),
        Panel(
            title="Writing",
            question="How long does PostgreSQL take for one transaction?",
            kind="timeseries",
            unit="s",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=tuple(
                Series(
                    name,
                    f"histogram_quantile({quantile}, sum by (le) "
                    f"(rate(goldseam_collector_write_duration_seconds_bucket{_RATE})))",
                )
                for name, quantile in (("median", 0.5), ("99 of 100", 0.99))
            ),
        ),
        Panel(
            title="Rows",
            question="How many rows are stored, by table?",
            kind="timeseries",
            unit="wps",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(
                Series("{{table}}", f"sum by (table) (rate(goldseam_collector_rows_total{_RATE}))"),
            ),
        ),
        Panel(
            title="Refused spans",
            question="Which spans are refused for good, and why?",
            kind="timeseries",
            unit="cps",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(
                Series(
                    "{{reason}}",
                    f"sum by (reason) (rate(goldseam_collector_rejected_total{_RATE}))",
                ),
            ),
        ),
        Panel(
            title="Flaws",
            question="Which values did not fit and were left out or cut?",
            kind="timeseries",
            unit="cps",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(
                Series("{{kind}}", f"sum by (kind) (rate(goldseam_collector_flaws_total{_RATE}))"),
            ),
        ),
        Panel(
            title="Memory",
            question="Does the collector's memory grow?",
            kind="timeseries",
            unit="bytes",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(
                Series("{{instance}}", 'process_resident_memory_bytes{job="goldseam-collector"}'),
            ),
        ),
        Panel(
            title="Processor",
            question="How many processor cores does the collector use?",
            kind="timeseries",
            unit="none",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(
                Series(
                    "{{instance}}",
                    f'rate(process_cpu_seconds_total{{job="goldseam-collector"}}{_RATE})',
                ),
            ),
        ),
        Panel(
            title="Spool",
            question="How much waits on the collectors' disks for the database?",
            kind="timeseries",
            unit="bytes",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(Series("{{instance}}", "sum by (instance) (goldseam_collector_spool_bytes)"),),
        ),
        Panel(
            title="Oldest in the spool",
            question="How long has the oldest of it waited?",
            kind="timeseries",
            unit="s",
            width=12,
            height=9,
            no_value=_ABSENT,
            series=(
                Series("{{instance}}", "max by (instance) (goldseam_collector_spool_age_seconds)"),
            ),
        ),
    ),
)
