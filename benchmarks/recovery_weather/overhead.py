"""What a call costs that needs no recovery: CPU time of the client's process, in fine weather.

Each subject is measured against the bare SDK of its own environment, in turns, over a transport
that answers from memory. Goldseam runs without telemetry, and once more with recovery off, so that
what recovery adds stands alone. Times depend on what else the machine does; for that share
instructions are counted as well, where valgrind is installed. In the same way a call is measured
that is refused for longer than its deadline: what recovery adds to it is the time to decide.
"""

import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrumentation_cost.callgrind import totals
from instrumentation_cost.subjects import Subject

from recovery_weather.subjects import BARE, GOLDSEAM
from recovery_weather.workers import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """CPU time that one subject adds to a successful call.

    Attributes:
        title: Of the subject.
        added_us: Microseconds per call over the bare SDK, median of the rounds.
        share: The same as a share of the bare call.
    """

    title: str
    added_us: float
    share: float


COUNTED: int = 20
"""Calls whose instructions are counted: they are the same in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What recovery alone adds, whatever else the machine does.

    Attributes:
        added_us: To a successful call: its share of the fastest bare round.
        share: Of a bare successful call, by instructions; by time without valgrind.
        is_counted: Whether instructions were counted.
        decision_s: To a call that is refused for longer than its deadline, in seconds.
    """

    added_us: float
    share: float
    is_counted: bool
    decision_s: float


def alone(*, is_quick: bool) -> Alone:
    """Return what Goldseam's recovery adds by itself."""
    rounds = 15 if is_quick else 61
    with Worker(GOLDSEAM) as worker:
        fine = worker.run({"rounds": rounds})["rounds"]
        refused = worker.run({"rounds": rounds, "fails": True})["rounds"]
    counted = _counted_share()
    added_s = statistics.median(b - a for a, b in zip(fine["off"], fine["on"], strict=True))
    share = counted if counted is not None else added_s / statistics.median(fine["bare"])
    waits = zip(refused["off"], refused["on"], strict=True)
    return Alone(
        added_us=1e6 * share * min(fine["bare"]),
        share=share,
        is_counted=counted is not None,
        decision_s=statistics.median(b - a for a, b in waits),
    )


def _counted_share() -> float | None:
    if shutil.which("valgrind") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        with Worker(GOLDSEAM, dumps=Path(folder)) as worker:
            worker.run({"counted": COUNTED})
        found = totals(Path(folder))
    return (found["on"] - found["off"]) / found["bare"]


def overhead_of(subjects: Sequence[Subject], *, is_quick: bool) -> list[Overhead]:
    """Return what each subject adds."""
    found = []
    for subject in subjects:
        if subject is BARE:
            continue
        with Worker(subject) as worker:
            answer = worker.run({"rounds": 15 if is_quick else 61})
        found += _read(subject, answer["rounds"])
    return found


def _read(subject: Subject, rounds: dict[str, Any]) -> list[Overhead]:
    bare = rounds.pop("bare")
    found = [
        _overhead(
            f"{subject.title}{'' if kind == 'on' else ', recovery off'}", bare, bare, measured
        )
        for kind, measured in rounds.items()
    ]
    if subject is GOLDSEAM and "off" in rounds:
        alone = _overhead("Goldseam: recovery alone", bare, rounds["off"], rounds["on"])
        found.append(Overhead(title=alone.title, added_us=alone.added_us, share=alone.share))
    return found


def _overhead(
    title: str, bare: Sequence[float], before: Sequence[float], after: Sequence[float]
) -> Overhead:
    added_s = statistics.median(b - a for a, b in zip(before, after, strict=True))
    return Overhead(title=title, added_us=1e6 * added_s, share=added_s / statistics.median(bare))
