"""Two other stores of AI spans, sent the same bytes: each a server of its own over its own SQLite.

Called by the program. Environments are made by `install` and by nothing else, so that a run reaches
no network: a proxy that nobody listens on stands in the way of whatever a peer would like to fetch.
A span counts when the peer's database holds it, whatever was answered before.
"""

import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import venv
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from ingest_speed.bodies import Load

BENCHMARKS: Final = Path(__file__).resolve().parent.parent
START_LIMIT_S: Final = 300
WINDOW_S: Final = 30
"""No body is sent later. The answer to the last is waited for, as in our own runs: a peer may work
on one body for longer than this."""

_NOWHERE: Final = "http://127.0.0.1:9"
_OFFLINE: Final = {
    "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "127.0.0.1,localhost",
    "DO_NOT_TRACK": "1", "PHOENIX_TELEMETRY_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server that takes OTLP over HTTP.

    Attributes:
        name: What the environment is called, in lower case.
        package: Its requirement.
        command: Arguments of its interpreter; `{port}`, `{other}` and `{folder}` are filled in.
        settings: Environment variables, filled in likewise.
        database: File of its database, under its folder.
        headers: What its door asks for.
    """

    name: str
    package: str
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Interpreter of its environment, there or not."""
        return BENCHMARKS / f".venv-{self.name.lower()}" / "bin" / "python"


PEERS: Final = (
    Peer(
        name="Phoenix",
        package="arize-phoenix==20.26.1",
        command=("-m", "phoenix.server.main", "serve"),
        settings={
            "PHOENIX_WORKING_DIR": "{folder}",
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": "{port}",
            "PHOENIX_GRPC_PORT": "{other}",
        },
        database="phoenix.db",
    ),
    Peer(
        name="MLflow",
        package="mlflow==3.17.2",
        command=(
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--workers",
            "1",
            "--backend-store-uri",
            "sqlite:///{folder}/mlflow.db",
            "--artifacts-destination",
            "{folder}/artifacts",
        ),
        database="mlflow.db",
        headers={"x-mlflow-experiment-id": "0"},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRun:
    """What a peer stored, and in how many seconds."""

    name: str
    stored: int
    took_s: float

    @property
    def spans_per_s(self) -> float:
        """Stored spans a second."""
        return self.stored / self.took_s


def install() -> None:
    """Make the peers' environments, with uv where it is there.

    Raises:
        subprocess.CalledProcessError: A package cannot be installed.
    """
    uv = shutil.which("uv")
    for peer in PEERS:
        venv.create(peer.python.parent.parent, with_pip=uv is None, clear=True)
        pip = [uv, "pip", "install", "-p", str(peer.python)] if uv else [str(peer.python), "-m",
               "pip", "install"]  # fmt: skip
        subprocess.run([*pip, "--quiet", peer.package], check=True)  # noqa: S603 - our own list


def measure(peer: Peer, load: Load, first: Load, folder: Path) -> PeerRun:
    """Send bodies one after another, and count what the peer has stored when the last is answered.

    Args:
        peer: Which one.
        load: What is measured.
        first: Other spans, sent before: with its first request a peer imports modules and sets up
            its store, which takes MLflow longer than the window.
        folder: Where its database goes.

    Raises:
        RuntimeError: It did not start in time, or stored nothing.
    """
    folder.mkdir()
    database = folder / peer.database
    with _running(peer, folder) as port:
        before = _warm_up(peer, port, first, database)
        began_s = perf_counter()
        _send(peer, port, load, until_s=began_s + WINDOW_S)
        while (stored := _count(database) - before) < load.spans:
            if perf_counter() - began_s > WINDOW_S:
                break
            sleep(0.1)
        took_s = perf_counter() - began_s
    if stored <= 0:
        raise RuntimeError(f"{peer.name} stored nothing of what was measured")
    return PeerRun(name=peer.name, stored=stored, took_s=took_s)


def _warm_up(peer: Peer, port: int, first: Load, database: Path) -> int:
    """Send some spans, wait until they are stored, return how many they are.

    Raises:
        RuntimeError: They are not stored in time.
    """
    deadline_s = perf_counter() + START_LIMIT_S
    _send(peer, port, first, until_s=deadline_s)
    while (stored := _count(database)) < first.spans:
        if perf_counter() > deadline_s:
            raise RuntimeError(f"{peer.name} stored nothing of its first {first.spans} spans")
        sleep(0.1)
    return stored


@contextmanager
def _running(peer: Peer, folder: Path) -> Iterator[int]:
    port, other = _free_port(), _free_port()
    filled = {"port": port, "other": other, "folder": folder}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own list
            [peer.python, *(part.format(**filled) for part in peer.command)],
            env=os.environ | _OFFLINE | {k: v.format(**filled) for k, v in peer.settings.items()},
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_listening(peer, port, process)
        yield port
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def _wait_listening(peer: Peer, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = perf_counter() + START_LIMIT_S
    while process.poll() is None and perf_counter() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            sleep(0.2)
        else:
            return
    raise RuntimeError(f"{peer.name} did not start within {START_LIMIT_S} s")


def _send(peer: Peer, port: int, load: Load, *, until_s: float) -> None:
    headers = {"Content-Type": "application/x-protobuf", **peer.headers}
    bodies = iter(load.bodies)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT_S)) as sender:
        while perf_counter() < until_s and (body := next(bodies, None)) is not None:
            try:
                sender.request("POST", "/v1/traces", body, headers)
                sender.getresponse().read()
            except TimeoutError:
                return  # it is still busy with what it has


def _count(database: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)) as reader:
            return int(reader.execute("SELECT count(*) FROM spans").fetchone()[0])
    except sqlite3.OperationalError:  # locked by its writer
        return 0
