"""Starts the programs of the stack on free ports of loopback, with the files that are shipped.

Addresses and waiting times are the only thing changed in those files, and each change must find
its place. `make stack` brings the OpenTelemetry Collector and Kafka into `.tools/`; Prometheus and
Alertmanager are Debian packages. A test of a program that is not there is skipped.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psycopg
import pytest

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".tools"
BIN: Final = Path(sys.executable).parent
PATIENCE_S: Final = 90
"""A limit for waiting, far above what anything here takes on a busy machine."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def installed(name: str) -> str:
    """Path of a program, or skip the test."""
    places = [str(TOOLS), str(TOOLS / "python" / "bin"), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"{name} is not installed: `make stack` brings it")
    return found


def shipped(path: str, changes: Mapping[str, str]) -> str:
    """Text of a file of this project with the changes, each of which must apply."""
    text = (ROOT / path).read_text()
    for old, new in changes.items():
        assert old in text, f"{path} no longer says {old!r}"
        text = text.replace(old, new)
    return text


def answers(url: str) -> bool:
    """Whether a GET is answered with a good status."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Look again and again until it is true; fail with `what` if it never is."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"not in {PATIENCE_S} s: {what}"
        time.sleep(0.1)


@contextmanager
def running(
    command: list[str | Path], ready: Callable[[], bool], log: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; its output goes to `log`."""
    with log.open("ab") as output, ExitStack() as stack:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | environment
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)

        def is_ready() -> bool:
            assert process.poll() is None, f"{command[0]} ended:\n{log.read_text()[-4000:]}"
            return ready()

        wait_until(is_ready, f"{command[0]} is ready; it said:\n{log.read_text()[-2000:]}")
        yield process


@contextmanager
def goldseam_collector(
    database: str, port: int, folder: Path, grpc_port: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """Goldseam's collector on this port, writing to this database."""
    command: list[str | Path] = [BIN / "goldseam", "collector", "--database-url", database]
    ports = ["--otlp-http-port", str(port), "--otlp-grpc-port", str(grpc_port)]
    with running(
        [*command, *ports],
        lambda: answers(f"http://127.0.0.1:{port}/readyz"),
        folder / "goldseam.log",
        GOLDSEAM_DATA_DIR=str(folder / "goldseam"),
    ) as process:
        yield process


@contextmanager
def otel_collector(config: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real OpenTelemetry Collector with this configuration; it answers on this port."""
    command: list[str | Path] = [installed("otelcol"), f"--config={config}"]
    with running(command, lambda: listens(port), config.with_suffix(".log")) as process:
        yield process


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The shipped configuration of the OpenTelemetry Collector, on ports of its own.

    Attributes:
        config: The file.
        otlp: Port for OTLP/HTTP.
        goldseam: Where it expects Goldseam's collector.
        metrics: Where it shows the metrics of applications.
    """

    config: Path
    otlp: int
    goldseam: int
    metrics: int

    @classmethod
    def shipped(cls, folder: Path) -> Self:
        """Write the configuration into this folder, where its queue will be too."""
        (folder / "queue").mkdir()
        otlp, goldseam, metrics = free_port(), free_port(), free_port()
        changes = {
            "0.0.0.0:4317": f"127.0.0.1:{free_port()}",
            "0.0.0.0:4318": f"127.0.0.1:{otlp}",
            "127.0.0.1:4319": f"127.0.0.1:{goldseam}",
            "127.0.0.1:8889": f"127.0.0.1:{metrics}",
            "port: 8888": f"port: {free_port()}",
            "tempo:4317": f"127.0.0.1:{free_port()}",
            "/var/lib/otelcol": str(folder / "queue"),
        }
        path = folder / "otel-collector.yaml"
        path.write_text(shipped("docker/otel-collector.yaml", changes))
        return cls(config=path, otlp=otlp, goldseam=goldseam, metrics=metrics)


def rows(database: str) -> int:
    """How many calls are stored."""
    with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
        counted = connection.execute("SELECT count(*) FROM ai_request_logs").fetchone()
    assert counted is not None
    return int(counted[0])


def make_calls(calls: int, otlp_port: int) -> None:
    """Run the demo's program: this many calls in bad provider weather, told to this port."""
    done = subprocess.run(
        [sys.executable, ROOT / "docker" / "demo.py", str(calls)],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        env=os.environ
        | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp_port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") >= calls
