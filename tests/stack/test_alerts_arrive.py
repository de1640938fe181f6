"""Real Prometheus and Alertmanager with the shipped rules: traffic becomes a notification."""

import json
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from .programs import (
    ROOT,
    Pipeline,
    answers,
    free_port,
    goldseam_collector,
    installed,
    make_calls,
    otel_collector,
    rows,
    running,
    shipped,
    wait_until,
)


@dataclass(frozen=True, slots=True)
class Watch:
    """Prometheus, Alertmanager and the webhook, running.

    Attributes:
        prometheus: Address of Prometheus.
        notified: File that the webhook prints its lines to.
    """

    prometheus: str
    notified: Path

    def ask(self, what: str, **parameters: str) -> Any:
        """`data` of Prometheus's answer."""
        url = f"{self.prometheus}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def number(self, query: str) -> float:
        """The one value of an instant query; 0 where there is none."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else 0.0


@contextmanager
def watching(folder: Path, targets: Mapping[str, int]) -> Iterator[Watch]:
    """Prometheus scraping these jobs every second, its alerts reaching the example's webhook.

    Rules are as shipped but for `for` and `interval`, so that nobody waits for minutes.
    """
    prometheus, alertmanager, webhook = free_port(), free_port(), free_port()
    notified = folder / "webhook.log"
    receive: list[str | Path] = [
        sys.executable,
        ROOT / "examples" / "alert_webhook.py",
        "127.0.0.1",
        str(webhook),
    ]
    with ExitStack() as stack:
        said = stack.enter_context
        said(running(receive, lambda: answers(f"http://127.0.0.1:{webhook}"), notified))
        said(alerting(folder, alertmanager, webhook))
        said(scraping(folder, prometheus, alertmanager, targets))
        yield Watch(f"http://127.0.0.1:{prometheus}", notified)


@contextmanager
def alerting(folder: Path, port: int, webhook: int) -> Iterator[None]:
    """Alertmanager with the shipped routes, told of the webhook's port."""
    home = folder / "alertmanager"
    (home / "templates").mkdir(parents=True)
    for template in (ROOT / "grafana" / "alertmanager" / "templates").iterdir():
        (home / "templates" / template.name).write_text(template.read_text())
    changes = {
        "alert-webhook:9095": f"127.0.0.1:{webhook}",
        "group_wait: 30s": "group_wait: 1s",
        "group_wait: 10s": "group_wait: 1s",
    }
    config = home / "alertmanager.yml"
    config.write_text(shipped("grafana/alertmanager/alertmanager.yml", changes))
    command: list[str | Path] = [
        installed("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={home}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, lambda: answers(f"http://127.0.0.1:{port}/-/ready"), home / "log"):
        yield


@contextmanager
def scraping(
    folder: Path, port: int, alertmanager: int, targets: Mapping[str, int]
) -> Iterator[None]:
    """Prometheus with the shipped jobs, whose targets are on other ports here."""
    home = folder / "prometheus"
    (home / "rules").mkdir(parents=True)
    for rules in (ROOT / "grafana" / "prometheus" / "rules").iterdir():
        (home / "rules" / rules.name).write_text(impatient(rules.read_text()))
    ports = {"localhost:8889": "goldseam-applications", "localhost:4319": "goldseam-collector"}
    changes = {old: f"127.0.0.1:{targets.get(job, port)}" for old, job in ports.items()}
    changes |= {
        "localhost:8888": f"127.0.0.1:{port}",
        "localhost:9090": f"127.0.0.1:{port}",
        "alertmanager:9093": f"127.0.0.1:{alertmanager}",
        "scrape_interval: 15s": "scrape_interval: 1s",
        "evaluation_interval: 30s": "evaluation_interval: 1s",
        "scrape_timeout: 10s": "scrape_timeout: 1s",
    }
    config = home / "prometheus.yml"
    config.write_text(shipped("grafana/prometheus/prometheus.yml", changes))
    command: list[str | Path] = [
        installed("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with running(command, lambda: answers(f"http://127.0.0.1:{port}/-/ready"), home / "log"):
        yield


def impatient(rules: str) -> str:
    """The rules without waiting times; what they ask stays the same."""
    lines = rules.splitlines(keepends=True)
    kept = (line for line in lines if not line.strip().startswith("for: "))
    return "".join(kept).replace("interval: 30s", "interval: 1s")


def refused_spans(port: int, spans: int) -> None:
    """Send spans that no collector can store: their trace ids are of the wrong length."""
    span = {"traceId": "00", "spanId": "00", "name": "chat gpt-4o-mini"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span] * spans}]}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/traces",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["partialSuccess"]["rejectedSpans"] == str(spans)


def told(watch: Watch, alert: str) -> Callable[[], bool]:
    """Whether the webhook has heard of the alert."""
    return lambda: alert in watch.notified.read_text()


def test_refused_spans_reach_the_team(database: str, tmp_path: Path) -> None:
    """The collector counts, Prometheus reads and judges, Alertmanager notifies."""
    port = free_port()
    with (
        goldseam_collector(database, port, tmp_path),
        watching(tmp_path, {"goldseam-collector": port}) as watch,
    ):
        refused_spans(port, 1)
        counted = "sum(goldseam_collector_rejected_total)"
        wait_until(lambda: watch.number(counted) == 1, "Prometheus has read the first count")
        refused_spans(port, 30)
        wait_until(told(watch, "/team firing GoldseamSpansRefused"), "the team is told")


def test_lost_calls_reach_the_team(database: str, tmp_path: Path) -> None:
    """Metrics of the demo's calls pass the OpenTelemetry Collector, and its losses are told."""
    pipeline = Pipeline.shipped(tmp_path)
    targets = {"goldseam-collector": pipeline.goldseam, "goldseam-applications": pipeline.metrics}
    with (
        goldseam_collector(database, pipeline.goldseam, tmp_path),
        otel_collector(pipeline.config, pipeline.otlp),
        watching(tmp_path, targets) as watch,
    ):
        make_calls(800, pipeline.otlp)
        counted = "sum(gen_ai_client_operation_duration_seconds_count)"
        wait_until(lambda: watch.number(counted) == 800, "Prometheus has counted every call")
        wait_until(told(watch, "/team firing GoldseamLosingSlowly"), "the team is told")
        wait_until(lambda: rows(database) == 800, "every call is stored")
        assert exemplars(watch) & traces(database)


def exemplars(watch: Watch) -> set[str]:
    """Trace ids that Prometheus holds beside the durations."""
    query = "gen_ai_client_operation_duration_seconds_bucket"
    series = watch.ask("query_exemplars", query=query, start="0", end="9999999999")
    return {each["labels"]["trace_id"] for line in series for each in line["exemplars"]}


def traces(database: str) -> set[str]:
    """Trace ids of the stored calls."""
    with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
        found = connection.execute("SELECT DISTINCT trace_id FROM ai_request_logs").fetchall()
    return {str(trace_id) for (trace_id,) in found}
