"""A collector in a process of its own, PostgreSQL with tables, and what they say of themselves."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.errors import EmbeddedPostgresError

WAIT_S: Final = 120.0

_COMMAND: Final = (sys.executable, "-c", "from goldseam.cli import main; main()", "collector")
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector that runs."""

    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int

    @property
    def resident_mib(self) -> float:
        """Memory that it has now."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / _MIB

    @property
    def peak_mib(self) -> float:
        """Memory that it had at most."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def metric(self, name: str) -> float:
        """Return one sample of `/metrics`, 0 if it is not there."""
        lines = ask(self.port, "/metrics").splitlines()
        values = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")]
        return values[0] if values else 0.0


@contextmanager
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Run PostgreSQL with Goldseam's tables."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # as root, the server runs as another user
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        migrate.upgrade(server.url)
        yield server
    finally:
        with contextlib.suppress(EmbeddedPostgresError):  # a trial may have stopped it
            server.stop()


@contextmanager
def collector(url: str, folder: Path, *, port: int = 0, **settings: object) -> Iterator[Collector]:
    """Run a collector until the block ends; yield when it takes requests.

    Args:
        url: Its database, which may be away.
        folder: Its data folder.
        port: Where it listens; 0 takes a free one.
        settings: More of them, as `ack_timeout_s`.
    """
    found = port or free_port(), free_port()
    named = {f"GOLDSEAM_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [*_COMMAND, "--otlp-http-port", str(found[0]), "--otlp-grpc-port", str(found[1])],
        env=os.environ | {"GOLDSEAM_DATABASE_URL": url, "GOLDSEAM_DATA_DIR": str(folder)} | named,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: ask(found[0], "/healthz").startswith("ok"), "the collector's start")
        yield Collector(process, *found)
    finally:
        process.terminate()
        process.wait(WAIT_S)


def ask(port: int, path: str) -> str:
    """Return what a probe says, "" if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def is_drained(port: int) -> bool:
    """Tell whether all that was acknowledged is in the database."""
    said = ask(port, "/readyz")
    return said.startswith("ready") and "wait in the spool" not in said and "away" not in said


def wait_until(holds: Callable[[], bool], what: str, *, timeout_s: float = WAIT_S) -> float:
    """Wait until something holds, and return how many seconds that took.

    Raises:
        TimeoutError: It does not.
    """
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > timeout_s:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.05)
    return time.monotonic() - began_s


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def postmaster(server: EmbeddedPostgres) -> psutil.Process:
    """Return PostgreSQL's first process."""
    pid_file = server.data_dir / "postgres" / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text(encoding="ascii").split()[0]))


def stop_at_once(server: EmbeddedPostgres, kind: signal.Signals = signal.SIGQUIT) -> None:
    """Stop a server as a power cut would: no checkpoint, sessions cut.

    SIGQUIT lets it end its sessions; after SIGKILL they notice by themselves that it is gone.
    """
    first = postmaster(server)
    family = [first, *first.children()]
    first.send_signal(kind)
    psutil.wait_procs(family, timeout=WAIT_S)
    forget(server)


def forget(server: EmbeddedPostgres) -> None:
    """Let go of a server that is stopped already."""
    with contextlib.suppress(EmbeddedPostgresError):
        server.stop()
