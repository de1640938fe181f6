"""The figures of one run, as values: what `measuring` collects and `report` and `targets` read."""

from dataclasses import dataclass, field
from typing import Final

TIMES: Final = "\N{MULTIPLICATION SIGN}"
Cell = tuple[str, str]
"""Name of a subject and name of a scenario."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What switching a subject on and one chat add to a process with the client and the SDK."""

    cpu_ms: float
    """CPU time of importing and switching on."""
    modules: int
    rss_mb: float
    client_modules: int
    """Modules of the client itself that the application would not have loaded."""


@dataclass(slots=True)
class Figures:
    """Everything measured in one run.

    Attributes:
        bare_k: Thousand instructions of one call without the subject.
        added_k: Thousand instructions that the subject adds to one call.
        spread: Largest difference between repeated counts of the same cell, as a fraction of the
            whole call.
        bare_us: CPU time of one call without the subject, in microseconds.
        added_us: CPU time that the subject adds to one call, in microseconds.
        python_calls: Python functions that the subject adds to one call.
        attributes: Attributes of one span.
        unwatched: Calls that the subject does not watch at all.
        footprints: By subject.
        distributions: Distributions that a subject adds, by subject.
        versions: Name and release of a subject's own packages, by subject.
        unsupported: Why a subject could not be measured, by subject.
    """

    bare_k: dict[Cell, float] = field(default_factory=dict)
    added_k: dict[Cell, float] = field(default_factory=dict)
    spread: float = 0.0
    bare_us: dict[Cell, float] = field(default_factory=dict)
    added_us: dict[Cell, float] = field(default_factory=dict)
    python_calls: dict[Cell, int] = field(default_factory=dict)
    attributes: dict[Cell, int] = field(default_factory=dict)
    unwatched: set[Cell] = field(default_factory=set)
    footprints: dict[str, Footprint] = field(default_factory=dict)
    distributions: dict[str, list[str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    unsupported: dict[str, str] = field(default_factory=dict)

    @property
    def floor_k(self) -> float | None:
        """Thousand instructions of the floor around one chat, None where it was not measured."""
        return self.added_k.get(("floor", "chat"))

    def ratio(self, subject: str, scenario: str) -> float | None:
        """Return what a subject adds to a call, in floors of the same run."""
        if (subject, scenario) in self.unwatched:
            return None
        added, floor = self.added_k.get((subject, scenario)), self.floor_k
        return added / floor if added is not None and floor else None
