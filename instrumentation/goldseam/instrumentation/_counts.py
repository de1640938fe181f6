"""Counts that every call moves: sums kept here and told when metrics are collected.

`_instruments` makes one `Counts` per counter; `_measuring` and `_invocation` add to it. The SDK
cleans and hashes the attributes of every single `Counter.add`, which costs more than the rest of a
call's end; an observable counter is asked once per collection instead.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.util.types import AttributeValue

MAX_SERIES: Final = 1_999
"""One less than the SDK keeps per instrument, so that the rest has a place there."""

_Values: TypeAlias = tuple[AttributeValue | None, ...]

_OVERFLOW: Final = {"otel.metric.overflow": True}
"""How the specification marks the sum of what has no series of its own."""


class Counts:
    """Sums by the values of some attributes; safe to use from any thread."""

    __slots__ = ("_attributes", "_lock", "_sums")

    def __init__(self, attributes: tuple[str, ...]) -> None:
        self._attributes = attributes
        self._sums: dict[_Values | None, int] = {}
        self._lock = threading.Lock()

    def add(self, count: int, values: _Values) -> None:
        """Add to the sum of these values, which are in the order of the attributes' names.

        None stands for an attribute that is not there.
        """
        sums = self._sums
        with self._lock:
            if values in sums:
                sums[values] += count
            elif len(sums) < MAX_SERIES:
                sums[values] = count
            else:
                sums[None] = sums.get(None, 0) + count

    def observe(self, _options: CallbackOptions) -> Iterator[Observation]:
        """Yield every sum; called by the SDK when it collects."""
        with self._lock:
            sums = list(self._sums.items())
        for values, count in sums:
            yield Observation(count, self._named(values))

    def _named(self, values: _Values | None) -> dict[str, AttributeValue]:
        if values is None:
            return {**_OVERFLOW}
        named = zip(self._attributes, values, strict=True)
        return {name: value for name, value in named if value is not None}


def create(
    kind: Callable[..., object],
    name: str,
    *,
    unit: str,
    description: str,
    attributes: tuple[str, ...],
) -> Counts:
    """Return counts that an observable instrument tells.

    Args:
        kind: The meter's method that makes the instrument.
        name: Its name.
        unit: Its unit.
        description: What it counts.
        attributes: Names of the attributes that tell its series apart.
    """
    counts = Counts(attributes)
    kind(name, [counts.observe], unit=unit, description=description)
    return counts
