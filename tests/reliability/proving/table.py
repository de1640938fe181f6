"""The table of what was tried and what was kept, in the terminal and in a page."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from proving.running import Ran
from proving.trial import Trial

BEGIN: Final = "<!-- prove:begin -->"
END: Final = "<!-- prove:end -->"

_HEAD: Final = """\
| trial | how often, how much | acknowledged | lost | phantom | duplicate | verdict | seconds |
|---|---|---|---|---|---|---|---|"""


def table(trials: Sequence[Trial], ran: Sequence[Ran]) -> str:
    """Return one line for each trial; those that were not run say so."""
    by_name = {each.trial.name: each for each in ran}
    lines = [
        _line(by_name[trial.name]) if trial.name in by_name else _blank(trial) for trial in trials
    ]
    return "\n".join([_HEAD, *lines])


def text(trials: Sequence[Trial], ran: Sequence[Ran], *, seed: int, is_short: bool) -> str:
    """Return where and when it was, the table, and what else was measured."""
    scale = " A short run: a minute of each at most." if is_short else ""
    figures = [
        f"- {each.trial.title}: {each.outcome.figures}." for each in ran if each.outcome.figures
    ]
    return "\n".join(
        [
            f"{_when_and_where(seed)}.{scale}",
            "",
            table(trials, ran),
            "",
            *figures,
        ]
    )


def _when_and_where(seed: int) -> str:
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit `{_commit()}`, seed {seed}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )


def put(page: Path, content: str) -> None:
    """Replace what stands between a page's two markers.

    Raises:
        ValueError: The page lacks a marker.
    """
    before, begun, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{page} needs the lines {BEGIN} and {END}, in this order")
    page.write_text(f"{before}{BEGIN}\n\n{content}\n\n{END}{after}", encoding="utf-8")


def _line(ran: Ran) -> str:
    found = ran.outcome
    counts = (found.acknowledged, found.lost, found.phantom, found.duplicate)
    told = ["-" if count is None else f"{count:,}" for count in counts]
    cells = [ran.trial.title, found.tried, *told, ran.verdict, f"{ran.took_s:.0f}"]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _blank(trial: Trial) -> str:
    return f"| {trial.title} | not run | - | - | - | - | - | - |"


@cache
def _commit() -> str:
    """Name the commit as it was before the page was written."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent, capture_output=True, check=False, text=True,
    )  # fmt: skip
    return asked.stdout.strip() or "unknown"
