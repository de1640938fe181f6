"""Spans as a real SDK encodes them, and a real collector on a free port."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Tracer

from goldseam.cli import serve
from goldseam.collector import CollectorSettings, create_app
from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres

CHAT: dict[str, str | int] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 19,
    "gen_ai.usage.output_tokens": 10,
}


def metric(url: str, name: str) -> float:
    """Read one sample of `/metrics`."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


@dataclass
class Recorder:
    """A real tracer whose finished spans are taken as values or as OTLP bytes."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self) -> None:
        resource = Resource({"service.name": "shop", "telemetry.sdk.language": "python"})
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def tracer(self) -> Tracer:
        """Give a tracer under Goldseam's own scope."""
        return self.provider.get_tracer("goldseam.instrumentation", "0.1.0")

    def chats(self, count: int = 1, **attributes: str | int) -> None:
        """Record finished chat requests."""
        for _ in range(count):
            span = self.tracer.start_span("chat gpt-4o", kind=SpanKind.CLIENT)
            span.set_attributes(CHAT | attributes)
            span.end()

    def take(self) -> tuple[ReadableSpan, ...]:
        """Give what was recorded since the last time."""
        spans = self.exporter.get_finished_spans()
        self.exporter.clear()
        return spans

    def body(self) -> bytes:
        """Give what was recorded since the last time, as the OTLP exporter encodes it."""
        encoded: bytes = encode_spans(self.take()).SerializeToString()
        return encoded


class Server(uvicorn.Server):
    """A collector in a thread of this process."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._held = serve.reserve("127.0.0.1", 0, port_flag="--otlp-grpc-port")
        self.grpc_address = serve.address_of(self._held)
        app = create_app(settings, grpc_address=self.grpc_address)
        super().__init__(uvicorn.Config(app, log_level="warning", lifespan="on"))
        self._ready = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self.run, args=([self._socket],))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the test when requests are taken."""
        await super().startup(sockets=sockets)
        self._ready.set()

    def open(self) -> None:
        """Start, and return when requests are taken."""
        self._thread.start()
        assert self._ready.wait(timeout=20)

    def close(self) -> None:
        """Stop as a signal would."""
        self.should_exit = True
        self._thread.join(timeout=20)
        self._held.close()
        assert not self._thread.is_alive()


@pytest.fixture
def recorder() -> Recorder:
    """Give a tracer whose spans the test encodes."""
    return Recorder()


@pytest.fixture
def start_collector() -> Iterator[Callable[[CollectorSettings], Server]]:
    """Start collectors in this process; each is stopped when the test is over."""
    servers: list[Server] = []

    def start(settings: CollectorSettings) -> Server:
        server = Server(settings)
        servers.append(server)
        server.open()
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def collector(database: str, start_collector: Callable[[CollectorSettings], Server]) -> Server:
    """Run a collector over an empty, migrated database."""
    return start_collector(CollectorSettings(database_url=database))


@pytest.fixture
def count_rows(database: str) -> Callable[[str], int]:
    """Count the rows of a query as the owner of nothing: a session of the writer's role."""

    def count(condition: str = "true") -> int:
        with psycopg.connect(database, options="-c role=goldseam_writer") as connection:
            query = f"SELECT count(*) FROM ai_request_logs WHERE {condition}"  # noqa: S608
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])

    return count


@pytest.fixture
def own_postgres(short_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Run a migrated server that the test may stop."""
    with EmbeddedPostgres(short_folder / "stoppable") as server:
        migrate.upgrade(server.url)
        with psycopg.connect(server.url, options="-c role=goldseam_owner") as owner:
            owner.execute("TRUNCATE ai_request_logs")  # a test before this one used it
        yield server


@pytest.fixture
def collector_process(
    tmp_path: Path,
) -> Callable[[str], AbstractContextManager[tuple[subprocess.Popen[str], str]]]:
    """Run `goldseam collector` on a database; give the process and its address."""

    @contextmanager
    def run(database: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        environ = os.environ | {
            "GOLDSEAM_DATABASE_URL": database,
            "GOLDSEAM_DATA_DIR": str(tmp_path),
            "GOLDSEAM_OTLP_HTTP_PORT": "0",
            "GOLDSEAM_OTLP_GRPC_PORT": "0",
        }
        process = subprocess.Popen(
            [Path(sys.executable).with_name("goldseam"), "collector"],
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            said = (re.search(r"listens on (http://[\w.:]+)", line) for line in process.stderr)
            address = next(filter(None, said))[1]
            yield process, address
        finally:
            process.kill()
            process.communicate()

    return run
