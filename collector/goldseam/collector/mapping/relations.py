"""Spans of one OTLP request that tell of the same call.

Called by `map_spans`. What is decided here needs spans that never become rows, or relations that
no row shows; everything else is decided by `storage.writes` against the table, so that the rows do
not depend on how senders cut their spans into requests.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from goldseam.collector.dialects.openinference import FRAMEWORK_SCOPES
from goldseam.collector.mapping.verdict import encloses
from goldseam.collector.spans import Span
from goldseam.storage.records import PatternRecord, RequestRecord, frozen
from goldseam.storage.transitions import absorb, merge, nests

MAX_LEVELS: Final = 64
"""Levels that are climbed from a span to the request that it belongs to."""

MAX_SIBLINGS: Final = 64
"""Spans that are looked at for the outer one of a call: those that started last before it."""

_ANTHROPIC_SDK: Final = "com.anthropic.sdk.python"
_OPENINFERENCE: Final = "openinference.instrumentation."
_OVERCOUNTED: Final = "TL"
"""Dialect that adds the first output token of Anthropic's streams twice."""

_TOKENS: Final = ("input_tokens", "output_tokens", "tokens_used", "cost_usd")

SpanKey: TypeAlias = tuple[str, str]
"""Trace id and span id."""


@frozen
class Finished:
    """A request span with its row, and the pattern of its first error."""

    span: Span
    record: RequestRecord
    pattern: PatternRecord | None


def key_of(span: Span) -> SpanKey:
    """Return what a span is known by."""
    return span.trace_id, span.span_id


def http_by_request(
    http: Sequence[Span], requests: Sequence[Span], known: Mapping[SpanKey, Span]
) -> dict[SpanKey, list[Span]]:
    """Return for each request the HTTP spans that were sent for it, in the order of their ends."""
    asked = {key_of(span) for span in requests}
    found: dict[SpanKey, list[Span]] = defaultdict(list)
    for span in sorted(http, key=lambda span: span.end_ns):
        for above in _upwards(span, known):
            if key_of(above) in asked:
                found[key_of(above)].append(span)
                break
    return found


def without_duplicates(
    finished: Sequence[Finished], known: Mapping[SpanKey, Span]
) -> list[Finished]:
    """Return `finished` in its order, duplicates marked and what they know handed on.

    A span that came twice is one item, merged as the table would.
    """
    if len(finished) <= 1:
        return list(finished)
    once: dict[object, Finished] = {}
    for item in finished:
        first = once.get(item.record.id)
        if first is not None:
            item = replace(item, record=merge(first.record, item.record))  # noqa: PLW2901 - merged
        once[item.record.id] = item
    items = list(once.values())
    return _joined(items, _outer_by_inner(items, known))


def _upwards(span: Span, known: Mapping[SpanKey, Span]) -> Iterator[Span]:
    """Yield what `span` is below, innermost first, up to where another call's realm begins."""
    for _ in range(MAX_LEVELS):
        above = known.get((span.trace_id, span.parent_span_id))
        if above is None or encloses(above):
            return
        yield above
        span = above


def _outer_by_inner(
    finished: Sequence[Finished], known: Mapping[SpanKey, Span]
) -> dict[SpanKey, SpanKey]:
    """Return for each duplicate the request next outside it."""
    requests = {key_of(item.span): item for item in finished}
    outer: dict[SpanKey, SpanKey] = {}
    for item in finished:
        for above in _upwards(item.span, known):
            around = requests.get(key_of(above))
            if around is not None and nests(item.record, around.record):
                outer[key_of(item.span)] = key_of(above)
                break
    for inner, around in _siblings([i for i in finished if key_of(i.span) not in outer]):
        outer[key_of(inner.span)] = key_of(around.span)
    return outer


def _joined(items: Sequence[Finished], outer: Mapping[SpanKey, SpanKey]) -> list[Finished]:
    if not outer:
        return list(items)
    rows = {key_of(item.span): item for item in items}
    for inner in sorted(outer, key=lambda key: rows[key].span.start_ns):
        outermost, seen = inner, {inner}
        while (further := outer.get(outermost)) is not None and further not in seen:
            outermost = further
            seen.add(further)
        if outermost in outer:  # parents in a circle
            continue
        around, item = rows[outermost], rows[inner]
        rows[outermost] = replace(around, record=_told_by(around.record, item.record))
        rows[inner] = replace(item, record=replace(item.record, duplicate_of=around.record.id))
    joined = {item.record.id: item for item in rows.values()}
    return [joined.get(item.record.id, item) for item in items]


def _told_by(outer: RequestRecord, inner: RequestRecord) -> RequestRecord:
    joined = absorb(outer, inner)
    counted = inner.tokens_used is not None and outer.status == inner.status
    if outer.dialect == _OVERCOUNTED and inner.dialect == "AN" and counted:
        joined = replace(joined, **{name: getattr(inner, name) for name in _TOKENS})
    return joined


def _siblings(finished: Sequence[Finished]) -> Iterator[tuple[Finished, Finished]]:
    """Yield inner and outer of calls that are told of side by side, closest pairs first.

    An outer row takes at most one inner row of a scope.
    """
    by_start = sorted(finished, key=lambda item: item.span.start_ns)
    starts = [item.span.start_ns for item in by_start]
    pairs: list[tuple[int, int, int]] = []
    for place, inner in enumerate(by_start):
        if not _may_be_inner(inner.span):
            continue
        before = bisect_right(starts, inner.span.start_ns)
        pairs += [
            (_gap_ns(inner.span, by_start[o].span), place, o)
            for o in range(max(0, before - MAX_SIBLINGS), before)
            if o != place and _same_call(inner, by_start[o])
        ]
    taken: set[object] = set()
    for _, i, o in sorted(pairs):
        inner, outer = by_start[i], by_start[o]
        room = (o, inner.span.scope_name)
        if i in taken or room in taken:
            continue
        taken |= {i, room}
        yield inner, outer


def _may_be_inner(span: Span) -> bool:
    scope = span.scope_name
    return scope == _ANTHROPIC_SDK or (
        scope.startswith(_OPENINFERENCE) and not scope.startswith(FRAMEWORK_SCOPES)
    )


def _same_call(inner: Finished, outer: Finished) -> bool:
    i, o, here, there = inner.span, outer.span, inner.record, outer.record
    if i.scope_name == _ANTHROPIC_SDK:
        scopes_fit = o.scope_name != _ANTHROPIC_SDK
    else:
        scopes_fit = o.scope_name.startswith(FRAMEWORK_SCOPES)
    ids = {r.response_metadata.get("gen_ai.response.id") for r in (here, there)} - {None}
    return (
        scopes_fit
        and nests(here, there)
        and same_instance(i, o)
        and here.parent_span_id == there.parent_span_id
        and (here.parent_span_id is None or i.trace_id == o.trace_id)
        and o.start_ns <= i.start_ns <= i.end_ns <= o.end_ns
        and here.model_requested == there.model_requested
        and here.error_code == there.error_code
        and len(ids) <= 1
    )


def same_instance(one: Span, other: Span) -> bool:
    """Return whether two spans come from the same process, as far as their resources tell."""
    return all(
        one.resource.get(name) == other.resource.get(name)
        for name in ("service.name", "service.instance.id")
    )


def _gap_ns(inner: Span, outer: Span) -> int:
    return (inner.start_ns - outer.start_ns) + (outer.end_ns - inner.end_ns)
