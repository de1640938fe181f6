"""Turns the figures of a run into Markdown, and puts them into the documentation.

Pure but for `write`. Every figure comes from the run at hand.
"""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from document import put

from ingest_speed.bodies import SHAPE, Load
from ingest_speed.end_to_end import RUN_LIMIT_S, SENDERS, Run
from ingest_speed.peers import WINDOW_S, PeerRun
from ingest_speed.stages import Stage

_INTRODUCTION: Final = """
## What taking spans in cost

`python benchmarks/ingest.py --write docs/benchmarks.md` writes this section.

Senders, collector and PostgreSQL share the cores. *CPU* is that of the whole process, and of
PostgreSQL with all its backends. A span counts when its row, its counters and its roll-ups are
committed; plain COPY takes finished bytes of the same rows into a table with the same columns and
indexes, without counters, roll-ups or protection against a second delivery. A run ends when all is
sent or after a fixed time, whichever comes first, and its rate counts the seconds until the last
row is in its table.

The peers get the bytes of the 100-span run, by one sender, into the database that they make by
themselves, SQLite; spans are counted there. They keep whole spans and no roll-ups, so the ratio
compares two ways to answer the same question, not two engines. Every server runs without a network.
They are installed by `python benchmarks/ingest.py --install-peers`.
"""


def render(
    load: Load, stages: Sequence[Stage], runs: Sequence[Run], peers: Sequence[tuple[Run, PeerRun]]
) -> str:
    """Return all tables of a run as Markdown; each peer stands beside our run of the same bytes."""
    copy = stages[-1]
    best = max(run.spans_per_s for run in runs)
    return "\n\n".join(
        [
            (
                f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, "
                f"{platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f}: "
                f"{load.spans:,} spans, {SHAPE}, {SENDERS} senders, {RUN_LIMIT_S} s a run at most."
            ),
            "### Each step alone",
            _stages(stages),
            "### End to end",
            _runs(runs, copy),
            f"The best rate is {best * copy.wall_us / 1e6:.2f} of plain COPY's in the same run.",
            *(["### Others, sent the same bytes", _peers(peers)] if peers else []),
        ]
    )


def write(path: Path, tables: str) -> None:
    """Put the tables into a document, in a section of their own."""
    put(path, tables, name="ingest", introduction=_INTRODUCTION)


def _stages(stages: Sequence[Stage]) -> str:
    lines = ["| step | CPU µs/span | database CPU µs/span | spans/s |", "|---|---:|---:|---:|"]
    lines += [
        f"| {s.name} | {s.cpu_us:.1f} | {s.database_us:.1f} | {1e6 / s.wall_us:,.0f} |"
        for s in stages
    ]
    return "\n".join(lines)


def _runs(runs: Sequence[Run], copy: Stage) -> str:
    header = (
        "| sent | spans | spans/s | of plain COPY | ack p50 / p99 ms | collector CPU µs/span "
        "| PostgreSQL CPU µs/span | peak MiB | refused |"
    )
    lines = [header, "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {r.name} | {r.spans:,} | {r.spans_per_s:,.0f} "
        f"| {r.spans_per_s * copy.wall_us / 1e6:.2f} "
        f"| {r.ack_p50_ms:,.0f} / {r.ack_p99_ms:,.0f} | {r.collector_us:.0f} "
        f"| {r.database_us:.0f} | {r.peak_mib:.0f} | {r.refused} |"
        for r in runs
    ]
    return "\n".join(lines)


def _peers(peers: Sequence[tuple[Run, PeerRun]]) -> str:
    lines = [
        f"| | stored, sent for {WINDOW_S} s | stored spans/s | Goldseam stores |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {peer.name} | {peer.stored:,} | {peer.spans_per_s:,.0f} "
        f"| {own.spans_per_s / peer.spans_per_s:,.1f} times as many |"
        for own, peer in peers
    ]
    return "\n".join(lines)
