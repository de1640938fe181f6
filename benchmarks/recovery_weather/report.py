"""Turns a run into Markdown tables, and holds Goldseam to its targets. Pure but for `write`."""

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from document import put, table

from recovery_weather.measuring import Result, Results
from recovery_weather.subjects import GOLDSEAM, SUBJECTS

_INTRODUCTION: Final = """
## How calls fare in bad weather

`python benchmarks/recovery.py --write docs/benchmarks.md` writes this section.

Scripted providers on loopback answer in 20 ms, or fail: the n-th attempt of the i-th call always
meets the same fault, whoever asks. Ten calls are in flight, the client's time-out is one second,
and every library has the settings that its documentation leads to. *Added* is what a call took
beyond the median of the SDK's healthy calls in the same run, failed calls included; *wasted* are
requests that brought no answer; *early* are requests before the end of a Retry-After. The times
are those of a machine that did other work meanwhile: compare them within one table only.
"""

Row = Sequence[str]

FULL_BUCKETS: Final = 240
"""Extra attempts that two providers' retry budgets allow at first."""

LEAST_RIGHT: Final = {"development": 0.98}
"""Share of a corpus that must be told right."""

LEAST_RIGHT_UNSEEN: Final = 0.95


class Verdict(NamedTuple):
    """One target: what it asks, what was measured, and whether that is enough."""

    title: str
    figure: str
    limit: str
    is_met: bool


def render(run: Results) -> str:
    """Return all tables of a run as Markdown."""
    sections = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}. "
        + "; ".join(f"{each.title}: {each.note}" for each in SUBJECTS if each.note)
        + "."
        + (" With `--quick`: a third of the calls." if run.is_quick else "")
    ]
    for scenario in dict.fromkeys(each.scenario for each in run.results):
        rows = [_row(each) for each in run.results if each.scenario is scenario]
        header = ("", "success", "added p50", "added p99", "requests per call", "wasted", "early")
        sections.append(f"### {_capital(scenario.title)}\n\n{table(header, rows)}")
    if run.overheads:
        rows = [
            (each.title, f"{each.added_us:,.0f} µs", f"{each.share:.1%}") for each in run.overheads
        ]
        header = ("", "CPU time added to a call that succeeds", "of a bare call")
        sections.append(f"### What a call that succeeds costs\n\n{table(header, rows)}")
    if judged := list(verdicts(run)):
        rows = [
            (each.title, each.figure, each.limit, "met" if each.is_met else "**missed**")
            for each in judged
        ]
        header = ("target", "measured", "limit", "")
        sections.append(f"### Goldseam against its targets\n\n{table(header, rows)}")
    return "\n\n".join(sections) + "\n"


def verdicts(run: Results) -> Iterator[Verdict]:
    """Yield each target that the run can judge."""
    if run.alone is not None:
        how = "by instructions" if run.alone.is_counted else "by time"
        yield _at_most(f"T1 share of a bare call, {how}", 100 * run.alone.share, 2, " %")
        yield _at_most("T1 that share of the fastest bare round", run.alone.added_us, 50, " µs")
        title = "T8 Retry-After past the deadline: CPU time to decide"
        yield _at_most(title, run.alone.decision_s, 0.005, " s")
    for score in run.scores:
        least = LEAST_RIGHT.get(score.name, LEAST_RIGHT_UNSEEN)
        title = f"T2 errors told right, corpus {score.name}"
        yield Verdict(title, f"{score.right:.1%}", f"≥ {least:.0%}", score.right >= least)
        title = f"T2 hopeless errors taken for passing ones, {score.name}"
        yield _at_most(title, score.repeated, 0)
    own = {each.scenario.name: each for each in run.results if each.subject is GOLDSEAM}
    for name, read in _TARGETS:
        if name in own:
            yield from read(own[name])
    if own:
        yield _counted(list(own.values()))
    if run.cancelled is not None:
        yield _at_most("T16 tasks left of 1,000 given-up calls", run.cancelled.tasks, 0)
        yield _at_most("T16 requests after the last was given up", run.cancelled.late, 0)


def missed(run: Results) -> list[str]:
    """Return the targets that were missed."""
    return [each.title for each in verdicts(run) if not each.is_met]


def write(path: Path, tables: str) -> None:
    """Put the tables into a document, in a section of their own."""
    put(path, tables, name="recovery", introduction=_INTRODUCTION)


def _at_most(title: str, value: float, limit: float, unit: str = "") -> Verdict:
    return Verdict(title, f"{value:.3g}{unit}", f"≤ {limit:g}{unit}", value <= limit)


def _success(title: str, own: Result, *, least: float = 1.0) -> Verdict:
    return Verdict(title, f"{own.success:.0%}", f"≥ {least:.0%}", own.success >= least)


def _counted(own: Sequence[Result]) -> Verdict:
    unequal = [each for each in own if each.recorded != each.seen and each.scenario.primary]
    told = ", ".join(f"{each.scenario.name}: {each.recorded}/{each.seen}" for each in unequal)
    title = "T12 attempts recorded = requests seen"
    return Verdict(title, told or "equal everywhere", "equal", not unequal)


def _hopeless(own: Result) -> Iterator[Verdict]:
    yield _at_most("T3 requests of a hopeless call", own.most_at_primary, 1)


def _mixed(own: Result) -> Iterator[Verdict]:
    yield _success("T4 success", own)
    yield _at_most("T4 added p50", own.p50_s, 0.4, " s")
    yield _at_most("T4 added p99", own.p99_s, 2.5, " s")
    yield _at_most("T4 requests per call", own.attempts, 1.6)


def _alone(own: Result) -> Iterator[Verdict]:
    yield _success("T5 success (best peer: 88 %)", own, least=0.88)
    yield _at_most(
        "T5 p99 within the deadline", own.p99_s, (own.scenario.deadline_s or 0) + 0.1, " s"
    )


def _black_hole(own: Result) -> Iterator[Verdict]:
    yield _success("T6 success", own)
    yield _at_most("T6 added p50, later half", own.late_p50_s, 0.01, " s")
    yield _at_most("T6 wasted per call", own.wasted, 0.1)


def _refused(own: Result) -> Iterator[Verdict]:
    yield _success("T7 success", own)
    yield _at_most("T7 added p99", own.p99_s, 0.1, " s")


def _rate(own: Result) -> Iterator[Verdict]:
    yield _at_most("T8 early requests", own.early, 0)
    yield _at_most("T8 added p50 with a fallback", own.p50_s, 0.05, " s")


def _rate_long(own: Result) -> Iterator[Verdict]:
    yield _at_most("T8 requests where Retry-After is past the deadline", own.most_at_primary, 1)


def _storm(own: Result) -> Iterator[Verdict]:
    """Judge the repeats: the first attempt at the fallback of a call is free."""
    allowed = FULL_BUCKETS + 0.1 * own.calls + 2 * own.elapsed_s
    yield _at_most("T9 requests beyond one at each provider", own.repeats, allowed)


def _streams(own: Result) -> Iterator[Verdict]:
    yield _success("T10 streams that fail before the first token", own)


def _cut_streams(own: Result) -> Iterator[Verdict]:
    yield _success("T10 broken streams that raise", own)


def _bad_answers(own: Result) -> Iterator[Verdict]:
    yield _success("T11 unusable answers mended", own)


_TARGETS: Final = (
    ("hopeless", _hopeless),
    ("mixed", _mixed),
    ("mixed-alone", _alone),
    ("black-hole", _black_hole),
    ("refused", _refused),
    ("rate", _rate),
    ("rate-long", _rate_long),
    ("storm", _storm),
    ("stream", _streams),
    ("stream-cut", _cut_streams),
    ("bad-answers", _bad_answers),
)


def _row(each: Result) -> Row:
    return (
        each.subject.title,
        f"{each.success:.0%}",
        _s(each.p50_s),
        _s(each.p99_s),
        f"{each.attempts:.2f}",
        f"{each.wasted:.2f}",
        f"{each.early}",
    )


def _s(seconds: float) -> str:
    return f"{seconds:.3f} s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
