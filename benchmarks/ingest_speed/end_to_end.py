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

from goldseam.storage import Role
from goldseam.storage.engine import connect
from ingest_speed.bodies import Load
from ingest_speed.processes import family_cpu_s, peak_mib

SENDERS: Final = 4
_START_LIMIT_S: Final = 60
_ADDRESS: Final = re.compile(r"listens on http://([^;\s]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run showed; times in milliseconds, CPU in microseconds a span.

    Attributes:
        refused: Bodies that had to be sent again.
    """

    name: str
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
        """Send all bodies once, refused ones again, and wait until their rows are there.

        Args:
            name: What the run is called.
            load: What to send.
            spans_per_s: How fast; None as fast as answers come.
        """
        rows_before = self._rows()
        began_cpu_s = family_cpu_s(self.pid), family_cpu_s(self.postmaster)
        senders = _Senders(self.address, load, spans_per_s)
        began_s = perf_counter()
        acks_s = senders.run()
        took_s = perf_counter() - began_s
        used_s = family_cpu_s(self.pid), family_cpu_s(self.postmaster)
        stored = self._rows() - rows_before
        if stored != load.spans:
            raise RuntimeError(f"{load.spans} spans were acknowledged and {stored} are stored")
        return Run(
            name=name,
            spans_per_s=load.spans / took_s,
            ack_p50_ms=statistics.median(acks_s) * 1e3,
            ack_p99_ms=statistics.quantiles(acks_s, n=100)[98] * 1e3,
            collector_us=(used_s[0] - began_cpu_s[0]) / load.spans * 1e6,
            database_us=(used_s[1] - began_cpu_s[1]) / load.spans * 1e6,
            peak_mib=peak_mib(self.pid),
            refused=senders.refused,
        )

    def _rows(self) -> int:
        with connect(self.url, Role.WRITER) as conn:
            found = conn.execute("SELECT count(*) FROM ai_request_logs").fetchone()
        return int(found[0]) if found else 0


@contextmanager
def collector(url: str, data_dir: Path, postmaster: int) -> Iterator[Collector]:
    """Run `goldseam collector` on free ports until the block ends."""
    command = [
        sys.executable, "-c", "from goldseam.cli import main; main()", "collector",
        "--otlp-http-port", "0", "--otlp-grpc-port", "0", "--data-dir", str(data_dir),
    ]  # fmt: skip
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"GOLDSEAM_DATABASE_URL": url, "COLUMNS": "200"},
    )
    try:
        yield Collector(_address(process), process.pid, url, postmaster)
    finally:
        process.terminate()
        process.wait(_START_LIMIT_S)


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stderr or ():
        if found := _ADDRESS.search(line):
            return found[1]
    raise RuntimeError("the collector did not start; its message is above")


class _Senders:
    """Threads that send what is left, one body after another over one connection each."""

    def __init__(self, address: str, load: Load, spans_per_s: float | None) -> None:
        self.refused = 0
        self._address = address
        self._bodies = iter(enumerate(load.bodies))
        spans_per_body = load.spans / len(load.bodies)
        self._every_s = spans_per_body / spans_per_s if spans_per_s else 0.0
        self._acks_s: list[float] = []
        self._lock = threading.Lock()
        self._began_s = 0.0

    def run(self) -> list[float]:
        """Return for each body the time from its turn to its acknowledgement."""
        threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        self._began_s = perf_counter()
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
            while not self._is_stored(connection, body):
                self.refused += 1
            self._acks_s.append(perf_counter() - due_s)

    @staticmethod
    def _is_stored(connection: http.client.HTTPConnection, body: bytes) -> bool:
        headers = {"Content-Type": "application/x-protobuf"}
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status == http.client.OK
