"""What the instrumentations of this world call things, merged into one table.

Each dialect is one module holding one `Dialect`: its scopes, and for each column the names under
which it sends that column's value. `mapping` reads by `layout_of`, which does not ask who sent a
span: an unknown scope with known attributes is understood. Adding a dialect adds a module and its
name in `DIALECTS`, whose order is the order of precedence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from goldseam.collector.dialects.anthropic_sdk import ANTHROPIC_SDK
from goldseam.collector.dialects.dialect import Dialect, Source, plain
from goldseam.collector.dialects.goldseam import GOLDSEAM
from goldseam.collector.dialects.google_adk import GOOGLE_ADK
from goldseam.collector.dialects.langfuse import LANGFUSE
from goldseam.collector.dialects.langsmith import LANGSMITH
from goldseam.collector.dialects.litellm import LITELLM
from goldseam.collector.dialects.logfire import LOGFIRE
from goldseam.collector.dialects.official import OFFICIAL
from goldseam.collector.dialects.official_v2 import OFFICIAL_V2, OFFICIAL_V2_LATEST
from goldseam.collector.dialects.openinference import OPENINFERENCE
from goldseam.collector.dialects.openlit import OPENLIT
from goldseam.collector.dialects.openllmetry import OPENLLMETRY
from goldseam.collector.dialects.pydantic_ai import PYDANTIC_AI
from goldseam.collector.dialects.semconv import LAST_RESORT, SEMCONV
from goldseam.collector.dialects.vercel import VERCEL
from goldseam.collector.dialects.vercel_otel import VERCEL_OTEL
from goldseam.collector.spans import Span, Value

__all__ = ["DIALECTS", "SOURCES", "Dialect", "Layout", "layout_of", "recognise"]

Readers: TypeAlias = Mapping[str, tuple[Callable[[Span], Value], ...]]

DIALECTS: Final = (
    GOLDSEAM,
    SEMCONV,
    OFFICIAL,
    OFFICIAL_V2,
    OFFICIAL_V2_LATEST,
    ANTHROPIC_SDK,
    OPENINFERENCE,
    OPENLIT,
    LOGFIRE,
    LITELLM,
    PYDANTIC_AI,
    LANGFUSE,
    LANGSMITH,
    GOOGLE_ADK,
    VERCEL,
    VERCEL_OTEL,
    OPENLLMETRY,
    LAST_RESORT,
)

LAYOUTS_KEPT: Final = 1_024
"""Lists of attributes whose layout is remembered; a service sends a handful."""

MAX_NAMES: Final = 64
MAX_CHARS: Final = 4_096
"""Longer lists are long conversations, no two alike, or made to fill our memory."""

SCOPES_KEPT: Final = 1_024

_RESOURCE_PREFIX: Final = "res:"
_PARAMETERS: Final = "gen_ai.request."


def recognise(span: Span) -> str | None:
    """Return the id of the dialect that a span speaks: by its scope, else by its attributes."""
    return _by_scope(span.scope_name) or layout_of(span).dialect


@lru_cache(maxsize=SCOPES_KEPT)
def _by_scope(scope_name: str) -> str | None:
    for dialect in DIALECTS:
        for scope in dialect.scopes:
            if scope_name == scope or (scope[-1] in "./-" and scope_name.startswith(scope)):
                return dialect.id
    return None


def _merged(dialects: tuple[Dialect, ...]) -> dict[str, tuple[Source, ...]]:
    """Join the dialects' names column by column; resource attributes come after span attributes."""
    merged: dict[str, dict[str, Source]] = {}
    for dialect in dialects:
        for column, given in dialect.sources.items():
            for item in given:
                source = plain(item) if isinstance(item, str) else item
                merged.setdefault(column, {}).setdefault(source.name, source)
    return {
        column: tuple(sorted(s.values(), key=lambda x: x.name.startswith(_RESOURCE_PREFIX)))
        for column, s in merged.items()
    }


SOURCES: Final[Mapping[str, tuple[Source, ...]]] = _merged(DIALECTS)
"""For each column its sources, best first."""

_KEYS: Final = frozenset(s.key for given in SOURCES.values() for s in given if s.key).union(
    *(dialect.marks for dialect in DIALECTS)
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What spans with the same known attributes have in common.

    Attributes:
        readers: For each column that such a span may fill its readers, best first.
        dialect: Id of the dialect that only these attributes belong to, None if none tells.
        parameters: Names of the attributes that are parameters of the request.
    """

    readers: Readers
    dialect: str | None
    parameters: tuple[str, ...]


_layouts: Final[dict[tuple[str, ...], Layout]] = {}


def layout_of(span: Span) -> Layout:
    """Return how `span` is read, worked out once for all that have the same attributes."""
    names = tuple(span.attributes)
    found = _layouts.get(names)
    if found is None:
        found = _layout(names)
        if len(names) <= MAX_NAMES and sum(map(len, names)) <= MAX_CHARS:
            if len(_layouts) >= LAYOUTS_KEPT:
                _layouts.clear()
            _layouts[names] = found
    return found


def _layout(names: tuple[str, ...]) -> Layout:
    present = _KEYS.intersection(names)
    spoken = (d.id for d in DIALECTS if not present.isdisjoint(d.marks))
    return Layout(
        readers=_readers(present),
        dialect=next(spoken, None),
        parameters=tuple(name for name in names if name.startswith(_PARAMETERS)),
    )


@lru_cache(maxsize=LAYOUTS_KEPT)
def _readers(present: frozenset[str]) -> Readers:
    readers = {
        column: tuple(s.read for s in given if s.key is None or s.key in present)
        for column, given in SOURCES.items()
    }
    return {column: given for column, given in readers.items() if given}
