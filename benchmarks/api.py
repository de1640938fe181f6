"""Measures what an answer of the API takes over HTTP, with many clients at a time.

    python benchmarks/api.py --rows 20000 --repeats 5
    python benchmarks/api.py --write docs/benchmarks.md

Starts a PostgreSQL of its own in a temporary folder and `goldseam api` as a process of its own.
Progress goes to stderr, the table to stdout.
"""

import argparse
import asyncio
import contextlib
import functools
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psutil
import psycopg
from api_speed import asking, report
from processes import cpu_s
from storage_speed import rows

from goldseam.storage import keys, migrate
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.engine import POOL_SIZE, async_engine, tenant_transaction
from goldseam.storage.keys import Scope
from goldseam.storage.roles import ALL_TENANTS, Role

ROWS: Final = 1_000_000
CLIENTS: Final = 20
PERIOD_S: Final = 1.0
"""20 clients then ask 20 questions a second, as a wall of dashboards does."""

_SAMPLE_S: Final = 0.2
_GOLDSEAM: Final = str(Path(sys.executable).with_name("goldseam"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, serve, ask, print; return the exit code."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="goldseam-bench-", dir=options.folder) as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user
        with EmbeddedPostgres(Path(folder)) as server:
            migrate.upgrade(server.url)
            _say(f"making {options.rows:,} rows")
            tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # so the last hours are full
            rows.fill(server.url, rows=options.rows, until=tomorrow)
            text = _measure(server.url, options)
    sys.stdout.write(text + "\n")
    if options.write is not None:
        report.write(options.write, text)
    return 0


def _measure(database_url: str, options: argparse.Namespace) -> str:
    headers = {"Authorization": f"Bearer {asyncio.run(_key(database_url))}"}
    with _serving(database_url) as (url, process):
        asked = asking.questions(url, headers)
        with _watching(database_url, process) as watched:
            ask = functools.partial(
                asking.ask,
                url,
                headers=headers,
                clients=options.clients,
                repeats=options.repeats,
                cpu_s=functools.partial(cpu_s, process.pid),
            )
            paced, flat_out = (
                [_asked(each, period_s, ask) for each in asked]
                for period_s in (options.period_s, 0.0)
            )
    return report.render(
        rows=options.rows,
        clients=options.clients,
        period_s=options.period_s,
        paced=paced,
        flat_out=flat_out,
        bounds=report.Bounds(
            before_mb=watched[0][0],
            highest_mb=max(memory for memory, _ in watched),
            connections=max(sessions for _, sessions in watched),
            pool=POOL_SIZE,
        ),
    )


def _asked(
    question: asking.Question, period_s: float, ask: Callable[..., asking.Timing]
) -> asking.Timing:
    """Ask one question by all clients, and tell how that went."""
    found = ask(question=question, period_s=period_s)
    how = f"every {period_s} s" if period_s else "flat out"
    _say(f"{question.name}, {how}: p95 {found.p95_ms:.1f} ms, {found.cpu_ms:.1f} ms CPU an answer")
    return found


@contextlib.contextmanager
def _serving(database_url: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [_GOLDSEAM, "api", "--database-url", database_url, "--api-port", "0"]
    unlimited = {"GOLDSEAM_API_RATE_LIMIT_PER_MINUTE": "0"}
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stderr=subprocess.PIPE, text=True, env=os.environ | unlimited
    ) as process:
        told = process.stderr or ()
        url = next(found[0] for line in told if (found := re.search(r"http://[\d.:]+", line)))
        try:
            yield url, process
        finally:
            process.terminate()


@contextlib.contextmanager
def _watching(
    database_url: str, process: subprocess.Popen[str]
) -> Iterator[list[tuple[float, int]]]:
    """Sample the process' memory in MB and its sessions until the block ends."""
    found: list[tuple[float, int]] = []
    done = threading.Event()
    seen = psutil.Process(process.pid)

    def sample() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not done.wait(_SAMPLE_S):
                (sessions,) = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                ).fetchone() or (0,)
                found.append((seen.memory_info().rss / 1e6, sessions))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


async def _key(database_url: str) -> str:
    engine = async_engine(database_url, Role.API, pool_size=1)
    try:
        async with tenant_transaction(engine, ALL_TENANTS) as connection:
            return await keys.create(
                connection,
                tenant=rows.BIGGEST_TENANT,
                scopes=[scope for scope in Scope if scope is not Scope.ADMIN],
                created_by="benchmark",
                now=datetime.now(UTC),
            )
    finally:
        await engine.dispose()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS, help=f"calls to make ({ROWS:,})")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"at a time ({CLIENTS})")
    parser.add_argument("--repeats", type=int, default=20, help="questions a client (20)")
    parser.add_argument(
        "--period-s", type=float, default=PERIOD_S, help=f"from one to the next ({PERIOD_S})"
    )
    parser.add_argument("--folder", type=Path, help="where the database goes; short path")
    parser.add_argument("--write", type=Path, help="put the table into this document")
    return parser.parse_args(arguments)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    raise SystemExit(main())
