"""What the instrumentations of this world call things, merged into one table.

Each dialect is one module holding one `Dialect`: its scopes, and for each column the names under
which it sends that column's value. `mapping` reads `readers_for`, which does not ask who sent a
span: an unknown scope with known attributes is understood. Adding a dialect adds a module and its
name in `DIALECTS`, whose order is the order of precedence.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from goldseam.collector.dialects.anthropic_sdk import ANTHROPIC_SDK
from goldseam.collector.dialects.dialect import Dialect, Source, plain
from goldseam.collector.dialects.goldseam import GOLDSEAM
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

__all__ = ["DIALECTS", "SOURCES", "Dialect", "readers_for", "recognise"]

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
    VERCEL,
    VERCEL_OTEL,
    OPENLLMETRY,
    LAST_RESORT,
)

KEY_SETS_KEPT: Final = 1_024
"""Combinations of known attributes that are remembered; a service sends a handful."""

_RESOURCE_PREFIX: Final = "res:"


def recognise(span: Span) -> str | None:
    """Return the id of the dialect that a span speaks: by its scope, else by its attributes."""
    by_scope = _by_scope(span.scope_name)
    if by_scope is not None:
        return by_scope
    return next((d.id for d in DIALECTS if any(mark in span.attributes for mark in d.marks)), None)


@lru_cache(maxsize=KEY_SETS_KEPT)
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

_KEYS: Final = frozenset(s.key for given in SOURCES.values() for s in given if s.key is not None)


def readers_for(span: Span) -> Readers:
    """Return for each column that `span` may have its readers, best first."""
    return _readers(_KEYS.intersection(span.attributes))


@lru_cache(maxsize=KEY_SETS_KEPT)
def _readers(present: frozenset[str]) -> Readers:
    readers = {
        column: tuple(s.read for s in given if s.key is None or s.key in present)
        for column, given in SOURCES.items()
    }
    return {column: given for column, given in readers.items() if given}
