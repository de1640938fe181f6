"""Each step of the way alone: bytes to spans, spans to rows, rows to the table; and plain COPY."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter, process_time
from typing import Final

import psycopg
from processes import cpu_s

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.mapping import map_spans
from goldseam.storage import Batch, Role, writes
from goldseam.storage.engine import connect
from goldseam.storage.write_statements import REQUEST_COLUMNS
from ingest_speed.bodies import Load

REPEATS: Final = 5
ROWS_PER_BATCH: Final = 5_000

_COLUMNS: Final = ", ".join((*REQUEST_COLUMNS, "updated_at"))
_READ: Final = f"COPY (SELECT {_COLUMNS} FROM ai_request_logs) TO STDOUT (FORMAT BINARY)"  # noqa: S608 - our own columns
_WRITE: Final = f"COPY twin ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_CREATE_TWIN: Final = "CREATE TABLE twin (LIKE ai_request_logs INCLUDING ALL)"
"""COPY into a table with row level security is not allowed, so its twin takes the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one step costs, microseconds a span.

    Attributes:
        cpu_us: CPU on our side.
        database_us: CPU of the database's backend.
        wall_us: Time that went by.
    """

    name: str
    cpu_us: float
    database_us: float = 0.0
    wall_us: float


def measure(url: str, load: Load) -> list[Stage]:
    """Measure every step over the same spans; the table holds them at the end."""
    spans = [decode_protobuf(body) for body in load.bodies]
    mapped = [map_spans(each) for each in spans]
    rows = [request for each in mapped for request in each.batch.requests]
    patterns = {key: value for each in mapped for key, value in each.batch.patterns.items()}
    batches = [
        Batch(requests=rows[first : first + ROWS_PER_BATCH], patterns=patterns)
        for first in range(0, len(rows), ROWS_PER_BATCH)
    ]
    stages = [
        _pure("decode", load, lambda: [decode_protobuf(body) for body in load.bodies]),
        _pure("map", load, lambda: [map_spans(each) for each in spans]),
    ]
    now = datetime.now(UTC)
    with connect(url, Role.WRITER) as conn:

        def write() -> None:
            for batch in batches:
                writes.write(conn, batch, now)

        stages.append(_in_database("write, with roll-ups", load, conn, write))
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(_READ) as out:
            encoded = b"".join(out)
    with connect(url, Role.OWNER) as conn:
        stages.append(_plain_copy(load, conn, encoded))
    return stages


def _plain_copy(load: Load, conn: psycopg.Connection, encoded: bytes) -> Stage:
    """Copy the same rows, as finished bytes, into a table with the same columns and indexes."""
    conn.execute(_CREATE_TWIN)
    conn.commit()

    def copy() -> None:
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(_WRITE) as into:
            into.write(encoded)

    stage = _in_database("plain binary COPY", load, conn, copy)
    conn.execute("DROP TABLE twin")
    conn.commit()
    return stage


def _pure(name: str, load: Load, run: Callable[[], object]) -> Stage:
    run()
    cpu, wall = [], []
    for _ in range(REPEATS):
        began_cpu_s, began_s = process_time(), perf_counter()
        run()
        cpu.append(process_time() - began_cpu_s)
        wall.append(perf_counter() - began_s)
    return Stage(name=name, cpu_us=_us(min(cpu), load), wall_us=_us(min(wall), load))


def _in_database(name: str, load: Load, conn: psycopg.Connection, run: Callable[[], None]) -> Stage:
    backend = conn.info.backend_pid
    began_cpu_s, began_s, backend_s = process_time(), perf_counter(), cpu_s(backend)
    run()
    return Stage(
        name=name,
        cpu_us=_us(process_time() - began_cpu_s, load),
        database_us=_us(cpu_s(backend) - backend_s, load),
        wall_us=_us(perf_counter() - began_s, load),
    )


def _us(seconds: float, load: Load) -> float:
    return seconds / load.spans * 1e6
