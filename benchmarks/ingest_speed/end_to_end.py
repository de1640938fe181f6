"""A real collector, real senders and a real database on the same cores: bytes to committed rows."""

import http.client
import os
import re
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from processes import family_cpu_s, family_peak_mib

from goldseam.storage import Role
from goldseam.storage.engine import connect
from ingest_speed.bodies import Load

SENDERS: Final = 4
RUN_LIMIT_S: Final = 45
"""No body is sent later in a run; so a slow machine sends fewer, not longer."""

_START_LIMIT_S: Final = 60
_STORE_LIMIT_S: Final = 60
"""What was acknowledged because it is in the spool is in the tables by then."""

_REPEAT_AFTER_S: Final = 0.2
_MODULES: Final = (
    "import genai_prices.data, goldseam.cli.app, goldseam.cli.workers, goldseam.collector"
)
_ADDRESS: Final = re.compile(r"listens on http://([^;,\s]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run showed; times in milliseconds, CPU in microseconds a span.

    Attributes:
        spans: How many were sent and stored.
        refused: Bodies that had to be sent again.
    """

    name: str
    spans: int
    spans_per_s: float
    ack_p50_ms: float
    ack_p99_ms: float
    collector_us: float
    database_us: float
    peak_mib: float
    refused: int


@dataclass(frozen=True, slots=True)
class Collector:
    """A running collector and its database."""

    address: str
    pid: int
    url: str
    postmaster: int

    def send(self, name: str, load: Load, *, spans_per_s: float | None = None) -> Run:
        """Send bodies once, refused ones again, until the limit; wait until their rows are there.

        Args:
            name: What the run is called.
            load: What to send.
            spans_per_s: How fast; None as fast as answers come.

        Raises:
            RuntimeError: Something acknowledged is not stored, or nothing was acknowledged.
        """
        rows_before = self._rows()
        began_cpu_s = family_cpu_s(self.pid), family_cpu_s(self.postmaster)
        senders = _Senders(self.address, load, spans_per_s)
        began_s = perf_counter()
        acks_s = senders.run()
        spans = len(acks_s) * load.spans // len(load.bodies)
        self._wait_stored(rows_before + spans)
        took_s = perf_counter() - began_s
        used_s = family_cpu_s(self.pid), family_cpu_s(self.postmaster)
        return Run(
            name=name,
            spans=spans,
            spans_per_s=spans / took_s,
            ack_p50_ms=statistics.median(acks_s) * 1e3,
            ack_p99_ms=statistics.quantiles(acks_s, n=100)[98] * 1e3,
            collector_us=(used_s[0] - began_cpu_s[0]) / spans * 1e6,
            database_us=(used_s[1] - began_cpu_s[1]) / spans * 1e6,
            peak_mib=family_peak_mib(self.pid),
            refused=senders.refused,
        )

    def _wait_stored(self, rows: int) -> None:
        deadline_s = perf_counter() + _STORE_LIMIT_S
        while (stored := self._rows()) != rows:
            if perf_counter() > deadline_s:
                raise RuntimeError(f"{rows} spans were acknowledged in all and {stored} are stored")
            sleep(0.1)

    def _rows(self) -> int:
        with connect(self.url, Role.WRITER) as conn:
            found = conn.execute("SELECT count(*) FROM ai_request_logs").fetchone()
        return int(found[0]) if found else 0


@contextmanager
def collector(
    url: str, data_dir: Path, postmaster: int, *, workers: int = 1
) -> Iterator[Collector]:
    """Run `goldseam collector` on free ports until the block ends."""
    command = [
        sys.executable, "-c", "from goldseam.cli import main; main()", "collector",
        "--otlp-http-port", "0", "--otlp-grpc-port", "0", "--data-dir", str(data_dir),
        "--workers", str(workers),
    ]  # fmt: skip
    log = data_dir.with_name("collector.log")  # a pipe that nobody empties would stop it
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stderr=stderr,
            env=_compiled(data_dir.with_name("bytecode"))
            | {"GOLDSEAM_DATABASE_URL": url, "COLUMNS": "200"},
        )
    try:
        yield Collector(_address(process, log), process.pid, url, postmaster)
    finally:
        process.terminate()
        process.wait(_START_LIMIT_S)


def _compiled(folder: Path) -> dict[str, str]:
    """Return an environment in which modules are compiled, as pip leaves those that it installs.

    Compiling the price list alone takes 65 MiB for a moment, which would be the peak.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(folder)
    subprocess.run([sys.executable, "-c", _MODULES], env=env, check=True)  # noqa: S603 - our own
    return env


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline_s = perf_counter() + _START_LIMIT_S
    while process.poll() is None and perf_counter() < deadline_s:
        if found := _ADDRESS.search(log.read_text(encoding="utf-8")):
            return found[1]
        sleep(0.1)
    raise RuntimeError(f"the collector did not start: {log.read_text(encoding='utf-8')}")


class _Senders:
    """Threads that send what is left, one body after another over one connection each.

    A body that is refused to the end of the run was not stored and does not count.
    """

    def __init__(self, address: str, load: Load, spans_per_s: float | None) -> None:
        self.refused = 0
        self._address = address
        self._bodies = iter(enumerate(load.bodies))
        spans_per_body = load.spans / len(load.bodies)
        self._every_s = spans_per_body / spans_per_s if spans_per_s else 0.0
        self._acks_s: list[float] = []
        self._lock = threading.Lock()
        self._began_s = self._until_s = 0.0

    def run(self) -> list[float]:
        """Return for each body the time from its turn to its acknowledgement."""
        threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        self._began_s = perf_counter()
        self._until_s = self._began_s + RUN_LIMIT_S
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._acks_s

    def _send(self) -> None:
        host, _, port = self._address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port))
        while True:
            with self._lock:
                number, body = next(self._bodies, (0, None))
            if body is None:
                return
            due_s = self._began_s + number * self._every_s if self._every_s else perf_counter()
            sleep(max(0.0, due_s - perf_counter()))
            if perf_counter() > self._until_s:
                return
            while not self._is_stored(connection, body):
                self.refused += 1
                if perf_counter() > self._until_s:
                    return
                sleep(_REPEAT_AFTER_S)
            self._acks_s.append(perf_counter() - due_s)

    @staticmethod
    def _is_stored(connection: http.client.HTTPConnection, body: bytes) -> bool:
        headers = {"Content-Type": "application/x-protobuf"}
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status == http.client.OK
