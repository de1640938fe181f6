"""The targets that Goldseam's cost is held to, in floors of the same run.

`--gate` asks `missed` for those that a run does not meet. A target whose figures the run has not
measured is not missed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from instrumentation_cost.figures import TIMES, Figures
from instrumentation_cost.scenarios import HASH_ALONE
from instrumentation_cost.subjects import GOLDSEAM

OWN: Final = GOLDSEAM.name
LONG_PROMPT_ALLOWANCE: Final = 1.03
"""A long prompt may cost three in a hundred more than a short one, beside its hash."""

_FRACTIONAL_UNITS: Final = frozenset({TIMES, "MB"})
_CONTENT: Final = "goldseam-content"
_NO_HASH: Final = "goldseam-nohash"


@dataclass(frozen=True, slots=True)
class Target:
    """A limit and how to read the figure that is held to it.

    Attributes:
        title: What is limited.
        limit: Largest figure that is good.
        unit: a times sign for floors; `k` for thousand instructions, `calls`, `modules`, …
        read: Returns the figure, None where the run has none.
    """

    title: str
    limit: Callable[[Figures], float | None]
    unit: str
    read: Callable[[Figures], float | None]


def _ratio(title: str, scenario: str, limit: float, subject: str = OWN) -> Target:
    return Target(title, lambda _: limit, TIMES, lambda figures: figures.ratio(subject, scenario))


def _long_prompt(title: str, subject: str, *, hashed: bool) -> Target:
    def limit(figures: Figures) -> float | None:
        chat = figures.added_k.get((subject, "chat"))
        hash_k = figures.bare_k.get((OWN, HASH_ALONE.name)) if hashed else 0.0
        if chat is None or hash_k is None:
            return None
        return chat * LONG_PROMPT_ALLOWANCE + hash_k

    return Target(title, limit, "k", lambda figures: figures.added_k.get((subject, "chat-40k")))


def _footprint(title: str, attribute: str, limit: float, unit: str) -> Target:
    def read(figures: Figures) -> float | None:
        footprint = figures.footprints.get(OWN)
        return float(getattr(footprint, attribute)) if footprint is not None else None

    return Target(title, lambda _: limit, unit, read)


def _distributions(figures: Figures) -> float | None:
    added = figures.distributions.get(OWN)
    return float(len(added)) if added is not None else None


TARGETS: Final[tuple[Target, ...]] = (
    _ratio("chat, sync", "chat", 1.8),
    _ratio("chat, async", "chat-async", 1.8),
    _ratio("chat, 50 concurrent", "chat-async-50", 1.8),
    _ratio("stream of 50 chunks", "stream", 2.9),
    _ratio("responses", "responses", 1.9),
    _ratio("embeddings", "embeddings", 1.6),
    _ratio("chat answered 400", "chat-400", 1.4),
    _ratio("chat, content on", "chat", 2.9, _CONTENT),
    _long_prompt("chat, 40 kB prompt: chat + 3 % + its SHA-256", OWN, hashed=True),
    _long_prompt("chat, 40 kB prompt, hashing off: chat + 3 %", _NO_HASH, hashed=False),
    _ratio("span dropped by the sampler", "chat-dropped", 0.8),
    Target(
        "span dropped by the sampler, Python calls",
        lambda _: 150,
        "calls",
        lambda figures: figures.python_calls.get((OWN, "chat-dropped")),
    ),
    _footprint("modules loaded", "modules", 60, "modules"),
    _footprint("client modules that the application does not use", "client_modules", 0, "modules"),
    _footprint("resident memory", "rss_mb", 2.0, "MB"),
    Target("distributions added, itself included", lambda _: 4, "distributions", _distributions),
)


def verdicts(figures: Figures) -> Iterator[tuple[Target, float, float]]:
    """Yield each target that the run can judge, with its figure and its limit."""
    for target in TARGETS:
        figure, limit = target.read(figures), target.limit(figures)
        if figure is not None and limit is not None:
            yield target, figure, limit


def missed(figures: Figures) -> list[str]:
    """Return a line for each target that is not met."""
    uncovered = [
        f"{scenario}: Goldseam does not watch this call"
        for subject, scenario in sorted(figures.unwatched)
        if subject == OWN
    ]
    return uncovered + [
        f"{target.title}: {in_words(figure, target.unit)}, limit {in_words(limit, target.unit)}"
        for target, figure, limit in verdicts(figures)
        if not is_met(target, figure, limit)
    ]


def is_met(target: Target, figure: float, limit: float) -> bool:
    """Tell whether a figure keeps to its limit, at the precision in which it is printed."""
    digits = 2 if target.unit in _FRACTIONAL_UNITS else 0
    return round(figure, digits) <= round(limit, digits)


def in_words(figure: float, unit: str) -> str:
    """Return a figure with its unit."""
    text = f"{figure:.2f}" if unit in _FRACTIONAL_UNITS else f"{figure:,.0f}"
    return f"{text} {unit}"
