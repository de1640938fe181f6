"""Asks every endpoint over HTTP, by many clients at a time, and times the answers.

Each client is a thread with a connection that it keeps, as dashboards and scripts do. With a period
it asks at fixed moments, however long the last answer took, and a time runs from that moment;
without one it asks again at once, and a time runs from sending. It ends with the whole answer read.
"""

import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

_API: Final = "/api/v1/ai"
_TIMEOUT_S: Final = 30.0
_SPREAD: Final = 0.618
"""Clients begin at different moments of their period."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request: method and path below `/api/v1/ai`."""

    name: str
    path: str
    method: str = "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How one question was answered.

    Attributes:
        question: Its name.
        p50_ms: Median.
        p95_ms: 95th percentile.
        per_s: Answers a second, all clients together.
        failed: Answers other than 200.
        cpu_ms: What an answer costs the API's process, milliseconds of processor time.
    """

    question: str
    p50_ms: float
    p95_ms: float
    per_s: float
    failed: int
    cpu_ms: float


def questions(url: str, headers: Mapping[str, str]) -> list[Question]:
    """Return what to ask; ids are those of the newest mended call and of the top error."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=_TIMEOUT_S)
    since = (datetime.now(UTC) - timedelta(days=25)).isoformat().replace("+00:00", "Z")
    mended = f"{_API}/logs/recent?limit=1&recovered=true&since={since}"
    (call,) = _body(connection, mended, headers)
    (error,) = _body(connection, f"{_API}/logs/errors/top?limit=1&hours=720", headers)
    connection.close()
    windows = {"24 h": 24, "30 d": 720}
    asked = [
        Question("recent, 20 calls", "/logs/recent?limit=20"),
        Question("recent, module and status", "/logs/recent?limit=20&module=module-3&status=error"),
        Question("one call", f"/logs/{call['id']}"),
        Question("trace", f"/logs/trace/{call['trace_id']}"),
        Question("error pattern", f"/errors/{error['pattern_id']}"),
        Question("playbook", "/recovery/playbook"),
    ]
    for name, hours in windows.items():
        asked += [
            Question(f"statistics, {name}", f"/logs/statistics?hours={hours}"),
            Question(f"providers, {name}", f"/logs/providers?hours={hours}"),
            Question(f"top errors, {name}", f"/logs/errors/top?hours={hours}"),
            Question(f"slowest, {name}", f"/logs/requests/slow?hours={hours}"),
            Question(f"summary, {name}", f"/logs/analysis/summary?hours={hours}"),
            Question(f"strategies, {name}", f"/recovery/strategies?hours={hours}"),
            Question(f"fix, {name}", f"/logs/errors/TIMEOUT/fix?hours={hours}", "POST"),
        ]
    return asked


def ask(
    url: str,
    *,
    question: Question,
    headers: Mapping[str, str],
    clients: int,
    repeats: int,
    period_s: float,
    cpu_s: Callable[[], float],
) -> Timing:
    """Let each client ask `repeats` times, one every `period_s`; 0: as soon as it has an answer."""
    took_ms: list[float] = []
    failed: list[int] = []
    start = threading.Barrier(clients + 1)

    def client(number: int) -> None:
        asked = _asked(url, question, headers)
        next(asked)  # opens the connection
        start.wait()
        first_s = time.perf_counter() + period_s * (number * _SPREAD % 1)
        for turn in range(repeats):
            began_s = time.perf_counter()
            if period_s:
                due_s = first_s + turn * period_s
                time.sleep(max(0.0, due_s - began_s))
                began_s = due_s
            status = next(asked)
            took_ms.append((time.perf_counter() - began_s) * 1000)
            if status != HTTPStatus.OK:
                failed.append(status)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    used_s = cpu_s()
    start.wait()
    began_s = time.perf_counter()
    for thread in threads:
        thread.join()
    lasted_s = time.perf_counter() - began_s
    ordered = sorted(took_ms)
    return Timing(
        question=question.name,
        p50_ms=ordered[len(ordered) // 2],
        p95_ms=ordered[int(len(ordered) * 0.95)],
        per_s=len(ordered) / lasted_s,
        failed=len(failed),
        cpu_ms=(cpu_s() - used_s) / len(ordered) * 1000,
    )


def _asked(url: str, question: Question, headers: Mapping[str, str]) -> Iterator[int]:
    """Ask again with each `next`, on one connection; yield the status."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=_TIMEOUT_S)
    while True:
        connection.request(question.method, f"{_API}{question.path}", headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        yield answer.status


def _body(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> Any:
    connection.request("GET", path, headers=dict(headers))
    return json.load(connection.getresponse())
