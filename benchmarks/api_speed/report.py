"""Turns the figures of a run into Markdown. Pure but for `write`."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from document import put

from api_speed.asking import Timing

TARGET_MS: Final = 50.0

_INTRODUCTION: Final = """
## What an answer of the API takes

`python benchmarks/api.py --write docs/benchmarks.md` writes this section.

`goldseam api` as one process over a PostgreSQL of its own with a month of calls; both share the
machine with the clients. Each client keeps a connection and presents a key of the biggest tenant.
It asks at fixed moments, however long its last answer took, and a time runs from that moment until
the whole answer has been read. *Flat out* is without moments: each client asks again as soon as it
has its answer, so all but one of them queue for the one process, and no p95 can be much below
clients times processor time of an answer. That bound is printed; only further processes lower it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the API's process held while it was asked.

    Attributes:
        before_mb: Resident memory after the first answer.
        highest_mb: Highest resident memory while asked.
        connections: Most sessions of its in PostgreSQL.
        pool: Sessions that it may hold.
    """

    before_mb: float
    highest_mb: float
    connections: int
    pool: int


def render(
    *,
    rows: int,
    clients: int,
    period_s: float,
    paced: Sequence[Timing],
    flat_out: Sequence[Timing],
    bounds: Bounds,
) -> str:
    """Return the tables of a run as Markdown."""
    met = sum(each.p95_ms <= TARGET_MS for each in paced)
    fast = sum(each.p95_ms <= TARGET_MS for each in flat_out)
    failed = sum(each.failed for each in (*paced, *flat_out))
    found_on = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    held = f"{bounds.before_mb:.0f} MB after its first answers and {bounds.highest_mb:.0f} MB"
    verdict = (
        f"p95 is at most {TARGET_MS:.0f} ms for {met} of {len(paced)} questions at "
        f"{clients / period_s:.0f} requests/s, and for {fast} of them flat out; "
        f"{failed} answers were not 200."
    )
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {found_on}: {rows:,} calls, {clients} clients.",
        "",
        verdict,
        "",
        "| question | p50 ms | p95 ms | flat out: p95 ms | bound ms | answers/s | CPU ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {calm.question} | {calm.p50_ms:.1f} | {calm.p95_ms:.1f} | {busy.p95_ms:.1f} "
        f"| {clients * busy.cpu_ms:.1f} | {busy.per_s:.0f} | {busy.cpu_ms:.1f} |"
        for calm, busy in zip(paced, flat_out, strict=True)
    ]
    lines += [
        "",
        f"The process held {held} at most, and {bounds.connections} of {bounds.pool} connections.",
    ]
    return "\n".join(lines)


def write(path: Path, tables: str) -> None:
    """Put the tables into a document, in a section of their own."""
    put(path, tables, name="api", introduction=_INTRODUCTION)
