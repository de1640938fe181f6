"""What a call costs that needs no recovery: CPU time of the client's process, in fine weather.

Each subject is measured against the bare SDK of its own environment, in turns, over a transport
that answers from memory. Goldseam runs without telemetry, and
once more with recovery off, so that what recovery adds stands alone.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
        is_recovery: Whether it is recovery alone: on less off.
    """

    title: str
    added_us: float
    share: float
    is_recovery: bool = False


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
        found.append(
            Overhead(
                title=alone.title, added_us=alone.added_us, share=alone.share, is_recovery=True
            )
        )
    return found


def _overhead(
    title: str, bare: Sequence[float], before: Sequence[float], after: Sequence[float]
) -> Overhead:
    added_s = statistics.median(b - a for a, b in zip(before, after, strict=True))
    return Overhead(title=title, added_us=1e6 * added_s, share=added_s / statistics.median(bare))
