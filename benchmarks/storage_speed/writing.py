"""Takes the roll-ups' share of what writing costs the server, and the price of dropping a day.

CPU is that of the writer's own backend.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final

import psycopg
from processes import cpu_s
from psycopg import Cursor

from goldseam.semconv import log_id
from goldseam.storage import Batch, PatternRecord, RequestRecord, Role, retention, rollups, writes
from goldseam.storage.engine import connect
from storage_speed.rows import DAYS

ROWS_PER_BATCH: Final = 5_000
BATCHES: Final = 12
ROWS_BESIDE: Final = 512
"""Rows of the transactions beside a drop: what an exporter sends at a time."""

_PROVIDERS: Final = ("openai", "ovhcloud", "ollama", "anthropic")
_PATTERN: Final = "TIMEOUT:openai:bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCost:
    """Backend CPU, microseconds a row, and the part that the roll-ups have in it."""

    cpu_us: float
    rollups_us: float

    @property
    def share(self) -> float:
        """Part of the backend's CPU that keeps the roll-ups, 0 to 1."""
        return self.rollups_us / self.cpu_us if self.cpu_us else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DropCost:
    """What it took to drop the oldest day."""

    rows: int
    took_ms: float
    wal_bytes: int


def cost_of_writing(url: str, now: datetime) -> WriteCost:
    """Write batches of `ROWS_PER_BATCH` new rows, the first for warming up."""
    with connect(url, Role.WRITER) as conn:
        pid = conn.info.backend_pid
        writes.write(conn, _batch(now, 0), now)
        total_s = rollups_s = 0.0
        for number in range(1, BATCHES + 1):
            batch = _batch(now, number)
            before_s = cpu_s(pid)
            with _watched_rollups(pid) as spent:
                writes.write(conn, batch, now)
            total_s += cpu_s(pid) - before_s
            rollups_s += sum(spent)
    rows = BATCHES * ROWS_PER_BATCH
    return WriteCost(cpu_us=total_s / rows * 1e6, rollups_us=rollups_s / rows * 1e6)


def cost_of_dropping(url: str, now: datetime) -> DropCost:
    """Drop the oldest day, as retention does every midnight, while a writer goes on."""
    with connect(url, Role.OWNER) as conn, _writing(url, now + timedelta(hours=13)):
        before, began_s = _wal(conn), perf_counter()
        report = retention.prune(conn, days=DAYS - 1, today=now.date())
        took_ms = (perf_counter() - began_s) * 1000
        return DropCost(rows=report.requests, took_ms=took_ms, wal_bytes=_wal(conn) - before)


@contextmanager
def _writing(url: str, now: datetime) -> Iterator[None]:
    """Write one batch after another in a thread until the block ends."""
    stop, has_begun = threading.Event(), threading.Event()

    def write() -> None:
        with connect(url, Role.WRITER) as conn:
            number = 1_000
            while not stop.is_set():
                writes.write(conn, _batch(now, number, rows=ROWS_BESIDE), now)
                has_begun.set()
                number += 1

    thread = threading.Thread(target=write)
    thread.start()
    has_begun.wait()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _watched_rollups(pid: int) -> Iterator[list[float]]:
    apply, spent = rollups.apply, []

    def watched(cursor: Cursor[tuple[object, ...]]) -> None:
        before_s = cpu_s(pid)
        apply(cursor)
        spent.append(cpu_s(pid) - before_s)

    rollups.apply = watched
    try:
        yield spent
    finally:
        rollups.apply = apply


def _wal(conn: psycopg.Connection) -> int:
    """Return how many bytes of WAL this session has written; PostgreSQL 18 counts them apart."""
    with conn.transaction():
        conn.execute("SELECT pg_stat_force_next_flush()")
    with conn.transaction():
        row = conn.execute(
            "SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())"
        ).fetchone()
    return int(row[0]) if row else 0


def _batch(now: datetime, number: int, rows: int = ROWS_PER_BATCH) -> Batch:
    first = number * ROWS_PER_BATCH
    requests = [_request(now, n) for n in range(first, first + rows)]
    patterns = {
        (tenant, _PATTERN): PatternRecord(
            tenant_id=tenant,
            error_pattern=_PATTERN,
            error_code="TIMEOUT",
            error_message_pattern="Request timed out.",
            provider="openai",
            normaliser_version=1,
            probable_cause="The provider was slow.",
            suggested_action="Retry.",
        )
        for tenant in {request.tenant_id for request in requests if request.error_pattern}
    }
    return Batch(requests=requests, patterns=patterns)


def _request(now: datetime, n: int) -> RequestRecord:
    digest = hashlib.sha256(f"bench {n}".encode()).digest()
    trace_id, span_id = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
    created_at = now - timedelta(milliseconds=5 * (n % 100_000))
    row_id = log_id(int(created_at.timestamp() * 1000) * 1_000_000, trace_id, span_id)
    failed = n % 33 == 0
    return RequestRecord(
        tenant_id=f"t{(digest[25] * digest[25] * 20) >> 16}",
        created_at=created_at,
        id=row_id,
        request_id=str(row_id),
        trace_id=f"{trace_id:032x}",
        span_id=f"{span_id:016x}",
        module=f"module-{(digest[26] * 6) >> 8}",
        model_requested=f"model-{(digest[26] * 8) >> 8}",
        provider_used=_PROVIDERS[(digest[28] * digest[28] * 4) >> 16],
        status="error" if failed else "success",
        error_code="TIMEOUT" if failed else None,
        first_error_code="TIMEOUT" if failed else None,
        error_pattern=_PATTERN if failed else None,
        tokens_used=700,
        processing_time_ms=float(50 + n % 9000),
    )
