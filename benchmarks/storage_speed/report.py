"""Turns the figures of a run into Markdown, and puts them into the documentation.

Pure but for `write`. Every figure comes from the run at hand.
"""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from document import put

from storage_speed.questions import SCOPES, WINDOWS, Timing
from storage_speed.rows import DAYS, SHAPE
from storage_speed.writing import BATCHES, ROWS_PER_BATCH, DropCost, WriteCost

_INTRODUCTION: Final = """
## What storing and asking cost

`python benchmarks/storage.py --write docs/benchmarks.md` writes this section.

A PostgreSQL of its own is filled with a month of calls. The questions are those of the API, asked
by its role under row level security, one at a time on a warm cache; times hold the round trips and
the transaction. *From rows* is the same question with the roll-ups left aside. Where the load
average exceeds the cores, the time on the clock is mostly waiting for other programs: look at the
CPU.
"""


def render(*, rows: int, timings: list[Timing], writing: WriteCost, dropping: DropCost) -> str:
    """Return all tables of a run as Markdown."""
    return "\n\n".join(
        [
            (
                f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, "
                f"{platform.system()} {platform.machine()}, load average "
                f"{os.getloadavg()[1]:.1f}: {rows:,} calls in {DAYS} days, {SHAPE}."
            ),
            "### Questions\n\np50 / p95 / the database's CPU in the mean, in milliseconds.",
            _questions(timings),
            "### Writing and dropping",
            (
                f"- {BATCHES} transactions of {ROWS_PER_BATCH:,} new rows cost the writer's "
                f"backend {writing.cpu_us:.1f} µs of CPU a row, {writing.rollups_us:.1f} µs "
                f"({writing.share:.0%}) of it for the roll-ups.\n"
                f"- Dropping a day of {dropping.rows:,} calls took {dropping.took_ms:.0f} ms, the "
                f"count included, while a writer went on, and wrote {dropping.wal_bytes / 1e6:.2f} "
                "MB of WAL."
            ),
        ]
    )


def write(path: Path, tables: str) -> None:
    """Put the tables into a document, in a section of their own."""
    put(path, tables, name="storage", introduction=_INTRODUCTION)


def _questions(timings: list[Timing]) -> str:
    columns = [(window, scope) for scope in SCOPES for window in WINDOWS]
    found = {(t.question, t.source, t.window, t.scope): t for t in timings}
    lines = ["| question | read from |" + "".join(f" {w}, {s} |" for w, s in columns)]
    lines.append("|---|---|" + "---:|" * len(columns))
    asked = list(dict.fromkeys(t.question for t in timings))
    kinds = dict.fromkeys((t.question, t.source) for t in timings)
    for question, source in sorted(kinds, key=lambda kind: asked.index(kind[0])):
        cells = [found[question, source, *column] for column in columns]
        lines.append(
            f"| {question} | {source} |"
            + "".join(
                f" {cell.p50_ms:,.1f} / {cell.p95_ms:,.1f} / {cell.cpu_ms:,.1f} |" for cell in cells
            )
        )
    return "\n".join(lines)
