"""Killed collectors, stopped databases and damaged bodies, and then: is every promise kept?

    python tests/reliability/collector_storms.py kills --rounds 200
    python tests/reliability/collector_storms.py outages --rounds 30
    python tests/reliability/collector_storms.py fuzz --protobuf 100000 --json 50000 --gzip 5000

`kills` ends the collector with SIGKILL at random moments while two senders send and repeat what was
not acknowledged; `outages` stops PostgreSQL at once (SIGQUIT) and starts it again. Afterwards every
acknowledged span must have one row, none two, and the counters of patterns and roll-ups must equal
the rows. `fuzz` sends damaged bodies: nothing but 200, 400, 401, 413, 415 and 503 may come back,
and the process may not grow by more than a tenth after the first tenth of the bodies. Prints the
figures; the exit code tells whether all of this holds.
"""

import argparse
import contextlib
import gzip
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from google.protobuf.json_format import (  # type: ignore[import-untyped] # ships no types
    MessageToJson,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.errors import EmbeddedPostgresError

SENDERS: Final = 2
SPANS_PER_BODY: Final = 10
ALLOWED: Final = frozenset({200, 400, 401, 413, 415, 503})
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

_RANDOM: Final = random.Random(20_261_122)  # noqa: S311 - no secret
_WAIT_S: Final = 120.0
_MAY_GROW: Final = 1.1
_COMMAND: Final = (sys.executable, "-c", "from goldseam.cli import main; main()", "collector")

_COUNTED: Final = """
    SELECT
        (SELECT coalesce(sum(occurrence_count), 0) FROM ai_error_analysis),
        (SELECT count(*) FROM ai_request_logs WHERE error_pattern IS NOT NULL),
        (SELECT coalesce(sum(success_count + error_count), 0) FROM ai_stats_hour_all),
        (SELECT coalesce(sum(success_count + error_count), 0) FROM ai_stats_day),
        (SELECT count(*) FROM ai_request_logs)
"""


def body_of(name: str, *, spans: int = SPANS_PER_BODY) -> bytes:
    """Return a body whose spans carry `name/0`, `name/1`, … as request ids; one in five failed."""
    scope = ScopeSpans()
    scope.scope.name = "goldseam.instrumentation"
    for number in range(spans):
        attributes = {
            "goldseam.span.type": "request",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "goldseam.request.id": f"{name}/{number}",
        }
        now_ns = time.time_ns()
        span = Span(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="chat gpt-4o",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=now_ns - 1_000_000_000,
            end_time_unix_nano=now_ns,
        )
        if number % 5 == 0:
            span.status.code = Status.STATUS_CODE_ERROR
            span.status.message = "Error code: 429 - rate limit reached"
        span.attributes.extend(
            KeyValue(key=key, value=AnyValue(string_value=value))
            for key, value in attributes.items()
        )
        scope.spans.append(span)
    group = ResourceSpans(scope_spans=[scope])
    body: bytes = ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()
    return body


@dataclass
class Senders:
    """Threads that send, and repeat until they are acknowledged, until told to stop."""

    port: int
    acknowledged: set[str] = field(default_factory=set)
    repeated: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs, then finish what was begun."""
        self._threads += [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.finish()

    def finish(self) -> None:
        """Begin nothing new, and repeat what was begun until it is acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_WAIT_S)

    def _send(self, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            name = f"{sender}/{number}"
            body = body_of(name)
            while post(self.port, body, PROTOBUF) != http.client.OK:
                self.repeated += 1
                time.sleep(0.05)
            self.acknowledged |= {f"{name}/{each}" for each in range(SPANS_PER_BODY)}
            number += 1


def post(port: int, body: bytes, media_type: str, encoding: str = "") -> int:
    """Send a body over a connection of its own; return the status, 0 if nobody answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": media_type} | ({"Content-Encoding": encoding} if encoding else {})
    try:
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return response.status


@contextmanager
def collector(url: str, port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a collector until the block ends; yield when it takes requests."""
    process = subprocess.Popen(
        [*_COMMAND, "--otlp-http-port", str(port), "--otlp-grpc-port", "0"],
        env=os.environ | {"GOLDSEAM_DATABASE_URL": url, "GOLDSEAM_DATA_DIR": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: ask(port, "/healthz").startswith("ok"))
        yield process
    finally:
        process.terminate()
        process.wait(_WAIT_S)


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


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not.
    """
    deadline_s = time.monotonic() + _WAIT_S
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the collector did not get there")
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def kills(server: EmbeddedPostgres, folder: Path, rounds: int) -> bool:
    """Kill the collector again and again under load; return whether every promise was kept."""
    port = free_port()
    senders = Senders(port)
    with senders.running():
        for _ in range(rounds):
            with collector(server.url, port, folder) as process:
                time.sleep(_RANDOM.uniform(0.0, 0.8))
                process.kill()
        with collector(server.url, port, folder):  # what the last one left unanswered
            senders.finish()
            _wait_until_drained(port)
    return _judge(server.url, senders, f"{rounds} kills")


def outages(server: EmbeddedPostgres, folder: Path, rounds: int) -> bool:
    """Stop PostgreSQL again and again under load; return whether every promise was kept."""
    port = free_port()
    senders = Senders(port)
    with collector(server.url, port, folder), senders.running():
        for _ in range(rounds):
            stop_at_once(server)
            time.sleep(_RANDOM.uniform(0.0, 1.0))
            server.start()
            time.sleep(_RANDOM.uniform(0.0, 1.0))
        senders.finish()
        _wait_until_drained(port)
    with collector(server.url, port, folder):
        _wait_until_drained(port)
    return _judge(server.url, senders, f"{rounds} outages")


def stop_at_once(server: EmbeddedPostgres) -> None:
    """Stop a server as a power cut would: no checkpoint, sessions cut."""
    pid_file = server.data_dir / "postgres" / "postmaster.pid"
    pid = int(pid_file.read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    with contextlib.suppress(EmbeddedPostgresError):  # it is stopped already
        server.stop()


def _wait_until_drained(port: int) -> None:
    def is_drained() -> bool:
        said = ask(port, "/readyz")
        return said.startswith("ready") and "wait in the spool" not in said and "away" not in said

    wait_until(is_drained)


def _judge(url: str, senders: Senders, what: str) -> bool:
    with psycopg.connect(url, options="-c role=goldseam_writer") as connection:
        rows = Counter(r[0] for r in connection.execute("SELECT request_id FROM ai_request_logs"))
        counted = connection.execute(_COUNTED).fetchone() or ()
    occurrences, failed, hours, days, stored = map(int, counted)
    lost = len(senders.acknowledged - rows.keys())
    twice = sum(1 for times in rows.values() if times > 1)
    right = occurrences == failed and hours == days == stored
    sys.stdout.write(
        f"{what}: {len(senders.acknowledged)} spans acknowledged, {senders.repeated} requests "
        f"repeated, lost {lost}, stored twice {twice}, counters {'right' if right else 'WRONG'}: "
        f"{occurrences}/{failed} failed, {hours}/{days}/{stored} requests\n"
    )
    return not lost and not twice and right and bool(senders.acknowledged)


def fuzz(
    server: EmbeddedPostgres, folder: Path, *, protobuf: int, as_json: int, zipped: int
) -> bool:
    """Send damaged bodies; return whether answers and memory stay in bounds."""
    port = free_port()
    plain = body_of("fuzz", spans=3)
    text = MessageToJson(ExportTraceServiceRequest.FromString(plain), indent=None).encode()
    packed = gzip.compress(plain)
    kinds = [(plain, PROTOBUF, "")] * protobuf
    kinds += [(text, JSON, "")] * as_json
    kinds += [(packed, PROTOBUF, "gzip")] * zipped
    _RANDOM.shuffle(kinds)
    statuses: Counter[int] = Counter()
    first_kib = 0
    with collector(server.url, port, folder) as process:
        for number, (body, media_type, encoding) in enumerate(kinds):
            statuses[post(port, damaged(body, _RANDOM), media_type, encoding)] += 1
            if number == len(kinds) // 10:
                first_kib = _resident_kib(process.pid)
        last_kib = _resident_kib(process.pid)
        alive = process.poll() is None
    sys.stdout.write(
        f"{len(kinds)} damaged bodies: {json.dumps(dict(sorted(statuses.items())))}, resident "
        f"memory {first_kib // 1024} MiB after a tenth, {last_kib // 1024} MiB at the end\n"
    )
    return alive and statuses.keys() <= ALLOWED and last_kib <= first_kib * _MAY_GROW


def damaged(body: bytes, rng: random.Random) -> bytes:
    """Return a body with bytes changed, cut out, put in or repeated."""
    found = bytearray(body)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(4):
            case 0 if at < len(found):
                found[at] = rng.randrange(256)
            case 1:
                del found[at : at + rng.randint(1, 20)]
            case 2:
                found[at:at] = rng.randbytes(rng.randint(1, 20))
            case _:
                found[at:at] = found[at : at + rng.randint(1, 50)]
    return bytes(found)


def _resident_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one storm; return the exit code."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="goldseam-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(folder / "pg") as server:
            migrate.upgrade(server.url)
            data = folder / "data"
            match options.storm:
                case "kills":
                    kept = kills(server, data, options.rounds)
                case "outages":
                    kept = outages(server, data, options.rounds)
                case _:
                    kept = fuzz(
                        server,
                        data,
                        protobuf=options.protobuf,
                        as_json=options.json,
                        zipped=options.gzip,
                    )
    return 0 if kept else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    storms = parser.add_subparsers(dest="storm", required=True)
    for name, rounds in (("kills", 200), ("outages", 30)):
        storms.add_parser(name).add_argument("--rounds", type=int, default=rounds)
    damage = storms.add_parser("fuzz")
    damage.add_argument("--protobuf", type=int, default=100_000)
    damage.add_argument("--json", type=int, default=50_000)
    damage.add_argument("--gzip", type=int, default=5_000)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
