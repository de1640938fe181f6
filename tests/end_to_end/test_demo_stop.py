"""Stopping the demo leaves nothing running, and strange environments do not lead it astray."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

GOLDSEAM = str(Path(sys.executable).with_name("goldseam"))
PORTS = ["--api-port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]


@pytest.fixture
def folder(short_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the test's own for the embedded PostgreSQL."""
    path = short_folder / f"demo{abs(hash(request.node.name)) % 10**6}"
    path.mkdir()
    yield path
    assert not (path / "postgres" / "postmaster.pid").exists(), "PostgreSQL was left running"


def programs_of(pid: int) -> list[psutil.Process]:
    """Find the demo's own program among the processes that the demo started."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # gone meanwhile
            if any("demo_app.py" in word for word in child.cmdline()):
                found.append(child)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupt_stops_everything(folder: Path, number: signal.Signals) -> None:
    """Program, services and PostgreSQL end; one word is said; the exit code is 130."""
    command = [GOLDSEAM, "demo", "--calls", "5000", "--data-dir", str(folder), *PORTS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as demo:
        while not (programs := programs_of(demo.pid)):  # the last thing to start
            assert demo.poll() is None
        demo.send_signal(number)
        _, words = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert "Stopped." in words
    assert "Traceback" not in words
    assert psutil.wait_procs(programs, timeout=5)[1] == []


def test_strange_environment_does_not_matter(folder: Path) -> None:
    """Proxies and variables of another set-up do not reach the demo's own traffic."""
    strange = {
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "always_off",
        "GOLDSEAM_RECOVERY": "off",
    }
    done = subprocess.run(
        [GOLDSEAM, "demo", "--calls", "12", "--json", "--data-dir", str(folder), *PORTS],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | strange,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["calls"] == 12
