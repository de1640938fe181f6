"""What a trial is asked to do and what it tells: the values that all modules here share."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything; the defaults are the long programme.

    Attributes:
        kills: Collectors that are killed.
        outages: Times that PostgreSQL is killed or stopped at once.
        applications: Programs that are killed while they mend calls.
        away_s: Seconds that the database is away.
        weather_s: Seconds of bad network.
        protobuf: Damaged bodies in protobuf.
        json: Damaged bodies in JSON.
        gzip: Damaged gzip streams.
        bombs_at_once: How often each bomb is sent at the same moment.
        soak_s: Seconds of steady load.
    """

    kills: int = 200
    outages: int = 30
    applications: int = 20
    away_s: float = 180.0
    weather_s: float = 150.0
    protobuf: int = 100_000
    json: int = 50_000
    gzip: int = 5_000
    bombs_at_once: int = 4
    soak_s: float = 600.0


SHORT = Scale(
    kills=2,
    outages=3,
    applications=1,
    away_s=2.0,
    weather_s=4.0,
    protobuf=600,
    json=300,
    gzip=100,
    bombs_at_once=2,
    soak_s=3.0,
)
"""What the tests run."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a trial gets: how much, where it may write, and its own chances."""

    scale: Scale
    folder: Path
    chance: Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a trial saw.

    Attributes:
        tried: What was done, and how often or how much.
        acknowledged: Spans whose sender was told that they are safe; None where none are sent.
        lost: Of these, how many have no row.
        phantom: Rows of spans that nobody sent.
        duplicate: Spans with more than one row.
        figures: What else was measured, in words.
        broken: Each promise that was not kept, in words.
        skipped: Why nothing was tried.
    """

    tried: str
    acknowledged: int | None = None
    lost: int | None = None
    phantom: int | None = None
    duplicate: int | None = None
    figures: str = ""
    broken: Sequence[str] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of trouble.

    Attributes:
        name: On the command line.
        title: In the table.
        run: Does it.
        limit_s: When it is given up; the longest that it may take at full scale.
    """

    name: str
    title: str
    run: Callable[[Task], Outcome]
    limit_s: float


def say(text: str) -> None:
    """Tell whoever watches how far a trial is."""
    sys.stderr.write(f"    {text}\n")
    sys.stderr.flush()
