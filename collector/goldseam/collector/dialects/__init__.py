"""What the instrumentations of this world call things, merged into one table.

Each dialect is one module holding one `Dialect`: its scopes, and for each column the names under
which it sends that column's value. `mapping` reads `READERS`, which does not ask who sent a span:
an unknown scope with known attributes is understood. Adding a dialect adds a module and its name
in `DIALECTS`, whose order is the order of precedence.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from goldseam.collector.dialects.dialect import Dialect
from goldseam.collector.dialects.goldseam import GOLDSEAM
from goldseam.collector.dialects.semconv import OFFICIAL, OFFICIAL_V2, OFFICIAL_V2_LATEST, SEMCONV
from goldseam.collector.spans import Span, Value

__all__ = ["DIALECTS", "READERS", "Dialect", "recognise"]

Reader: TypeAlias = Callable[[Span], Value]

DIALECTS: Final = (GOLDSEAM, SEMCONV, OFFICIAL, OFFICIAL_V2, OFFICIAL_V2_LATEST)

_RESOURCE_PREFIX: Final = "res:"


def recognise(scope_name: str) -> str | None:
    """Return the id of the dialect whose scope this is, None if no dialect claims it."""
    for dialect in DIALECTS:
        if scope_name.startswith(dialect.scopes):
            return dialect.id
    return None


def _merged(dialects: tuple[Dialect, ...]) -> dict[str, tuple[str, ...]]:
    """Join the dialects' names column by column; resource attributes come after span attributes."""
    merged: dict[str, list[str]] = {}
    for dialect in dialects:
        for column, names in dialect.sources.items():
            known = merged.setdefault(column, [])
            known += [name for name in names if name not in known]
    return {
        column: tuple(sorted(names, key=lambda name: name.startswith(_RESOURCE_PREFIX)))
        for column, names in merged.items()
    }


def _reader(name: str) -> Reader:
    if name.startswith(_RESOURCE_PREFIX):
        key = name.removeprefix(_RESOURCE_PREFIX)
        return lambda span: span.resource.get(key)
    return lambda span: span.attributes.get(name)


SOURCES: Final[Mapping[str, tuple[str, ...]]] = _merged(DIALECTS)
"""For each column the names of its sources, best first."""

READERS: Final[Mapping[str, tuple[Reader, ...]]] = {
    column: tuple(map(_reader, names)) for column, names in SOURCES.items()
}
"""`SOURCES`, ready to be called with a span."""
