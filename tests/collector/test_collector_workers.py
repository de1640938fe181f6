"""Several collectors at once: workers on one port, and replicas on one database."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from goldseam.collector import CollectorSettings

CollectorProcess = Callable[[str], AbstractContextManager[tuple[subprocess.Popen[str], str]]]
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def spans_by_worker(url: str) -> dict[str, float]:
    """Ask any worker how many requests each has stored."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return {
        sample.labels["worker"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "goldseam_collector_spans_total" and sample.labels["result"] == "request"
    }


def workers_of(pid: int) -> list[int]:
    """Give the process ids of a parent's workers."""
    threads = Path(f"/proc/{pid}/task").iterdir()  # each lists the processes that it started
    children = [child for t in threads for child in (t / "children").read_text().split()]
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def send(url: str, body: bytes) -> None:
    """Send a body over a connection of its own, again until it is acknowledged."""
    while True:
        try:
            answer = httpx.post(f"{url}/v1/traces", content=body, headers=PROTOBUF, timeout=20)
        except httpx.TransportError:
            continue  # its worker was killed
        if answer.status_code == 200:
            return


def test_workers_share_a_port_and_one_that_dies_is_replaced(
    database: str,
    recorder: Any,
    count_rows: Callable[..., int],
    collector_process: CollectorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both store, `/metrics` tells of both, a killed one costs nothing, SIGTERM ends all."""
    monkeypatch.setenv("GOLDSEAM_WORKERS", "2")
    sent = 0
    with collector_process(database) as (process, url):
        while len(spans_by_worker(url)) < 2:
            recorder.chats(1)
            send(url, recorder.body())
            sent += 1
        assert sum(spans_by_worker(url).values()) == sent
        victim, *_ = before = workers_of(process.pid)
        os.kill(victim, signal.SIGKILL)
        while len(now := workers_of(process.pid)) < 2 or victim in now:
            recorder.chats(1)
            send(url, recorder.body())
            sent += 1
        assert len(set(now) - set(before)) == 1
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in now)

    assert count_rows() == sent


def test_replicas_that_get_the_same_spans_store_each_once(
    database: str,
    recorder: Any,
    start_collector: Callable[[CollectorSettings], Any],
    count_rows: Callable[..., int],
) -> None:
    """Two collectors, the same bodies at once in opposite order: one row each, counters right."""
    bodies = []
    for number in range(20):
        recorder.chats(5, **{"error.type": "RateLimitError"} if number % 2 else {})
        bodies.append(recorder.body())
    urls = [start_collector(CollectorSettings(database_url=database)).url for _ in range(2)]

    def send_all(url: str, ordered: list[bytes]) -> None:
        for body in ordered:
            send(url, body)

    senders = [
        threading.Thread(target=send_all, args=(url, ordered))
        for url in urls
        for ordered in (bodies, bodies[::-1])
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
        counted = connection.execute(
            "SELECT (SELECT sum(occurrence_count) FROM ai_error_analysis),"
            " (SELECT sum(success_count + error_count) FROM ai_stats_hour_all),"
            " (SELECT sum(error_count) FROM ai_stats_total_day)"
        ).fetchone()
    assert (count_rows(), count_rows("status = 'error'")) == (100, 50)
    assert counted == (50, 100, 50)
