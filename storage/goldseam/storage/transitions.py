"""What becomes of a stored request row when the same span arrives again.

Pure. `writes` applies `merge` to repeated keys inside a batch and the same rule, as SQL, to rows
that the table already holds; a test feeds both the same deliveries.

The allowed transitions:

- absent → anything
- pending or abandoned → final
- final → the same span's final with a later end
- anything → duplicate
- final → the same, with unknown facts filled in

Everything else changes nothing, so delivering twice is delivering once. `link` decides which rows
are duplicates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from goldseam.storage.records import DEFAULT_TENANT, RequestRecord

FINAL: Final = ("success", "error", "cancelled")
"""A call that is over. `abandoned` is a guess that a late span may correct."""

FACTS: Final = (
    "user_id",
    "task",
    "prompt_sha256",
    "prompt_length",
    "model_requested",
    "provider_model",
    "response_length",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "tokens_used",
    "ttfc_ms",
    "http_status",
    "cost_usd",
    "confidence_score",
    "user_feedback",
    "conversation_id",
    "service_name",
)
"""Columns that a second copy may fill. Errors and recovery are judgements, not facts: a copy that
judges otherwise is another outcome, and the later end decides between outcomes."""

NO_RESPONSE_EVIDENCE: Final = "no_response_evidence"
INCOMPLETE_STREAM: Final = "incomplete_stream"
FLAGS: Final = (NO_RESPONSE_EVIDENCE, INCOMPLETE_STREAM, "clock_skew")
"""Keys of `response_metadata` that judge one span, not the call."""

METADATA: Final = ("request_metadata", "response_metadata")
"""Columns whose missing keys a second copy may fill."""


def merge(stored: RequestRecord, arrived: RequestRecord) -> RequestRecord:
    """Return what `stored` becomes when `arrived`, a record with the same key, is written.

    Both start at the same time, it is part of the key; so the longer one ended later.
    """
    arrived_wins = arrived.status in FINAL and (
        stored.status not in FINAL or arrived.processing_time_ms > stored.processing_time_ms
    )
    winner, other = (arrived, stored) if arrived_wins else (stored, arrived)
    changes: dict[str, Any] = {"duplicate_of": stored.duplicate_of or arrived.duplicate_of}
    if winner.status in FINAL and winner.status == other.status:
        changes |= _filled(winner, other)
    return replace(winner, **changes)


def link(rows: Sequence[RequestRecord]) -> list[RequestRecord]:
    """Return those of `rows` that change when nested requests become duplicates.

    A finished request inside another finished one tells of the same call: it becomes a duplicate
    of the outermost, which takes over what only the inner one knows. Duplicates of a row that
    becomes one itself follow it.
    """
    ordered = sorted(rows, key=attrgetter("created_at", "id"))
    linked = {row.id: row for row in ordered}
    by_span: dict[tuple[str, str | None], RequestRecord] = {
        (row.trace_id, row.span_id): row for row in reversed(ordered)
    }
    for row in ordered:
        outermost = _outermost(row, linked, by_span)
        if outermost is None or outermost.id == row.duplicate_of:
            continue
        if row.duplicate_of is None:
            linked[outermost.id] = absorb(linked[outermost.id], row)
        linked[row.id] = replace(linked[row.id], duplicate_of=outermost.id)
    return [linked[row.id] for row in ordered if linked[row.id] != row]


def absorb(outer: RequestRecord, inner: RequestRecord) -> RequestRecord:
    """Return `outer` with what only `inner`, another account of the same call, knows of it.

    An inner call that ended otherwise is an earlier try: it tells nothing of the outcome.
    """
    changes: dict[str, Any] = {
        "retry_count": max(outer.retry_count, inner.retry_count),
        "is_stream": outer.is_stream or inner.is_stream,
    }
    if outer.status == inner.status:
        changes |= {
            name: getattr(inner, name) for name in FACTS if getattr(outer, name) is None
        } | {"response_metadata": _joined(outer, inner)}
    return replace(outer, **changes)


def nests(inner: RequestRecord, outer: RequestRecord) -> bool:
    """Return whether two requests of one trace may tell of the same call.

    Only a tenant's own rows do, and rows that no tenant claims: nobody can make another's vanish.
    """
    return (
        inner.id != outer.id
        and inner.tenant_id in (outer.tenant_id, DEFAULT_TENANT)
        and inner.status in FINAL
        and outer.status in FINAL
    )


def _outermost(
    row: RequestRecord,
    by_id: Mapping[UUID, RequestRecord],
    by_span: Mapping[tuple[str, str | None], RequestRecord],
) -> RequestRecord | None:
    """Follow a row outwards; None if it is outermost itself, or its parents run in a circle."""
    seen = {row.id}
    outer = row
    while True:
        known = by_id.get(outer.duplicate_of) if outer.duplicate_of else None
        around = known or by_span.get((outer.trace_id, outer.parent_span_id))
        if around is None or (known is None and not nests(outer, around)):
            return None if outer is row else outer
        if around.id in seen:
            return None
        seen.add(around.id)
        outer = around


def _joined(outer: RequestRecord, inner: RequestRecord) -> dict[str, Any]:
    theirs = {k: v for k, v in inner.response_metadata.items() if k not in FLAGS}
    joined = theirs | outer.response_metadata
    if NO_RESPONSE_EVIDENCE not in inner.response_metadata:
        joined.pop(NO_RESPONSE_EVIDENCE, None)
    if joined.get("finish_reasons"):
        joined.pop(INCOMPLETE_STREAM, None)
    if inner.dialect:
        joined["merged_from"] = sorted({*joined.get("merged_from", ()), inner.dialect})
    return joined


def merge_all(records: list[RequestRecord]) -> list[RequestRecord]:
    """Return one record per key: what a table holds after `records` arrived in this order."""
    merged: dict[tuple[object, ...], RequestRecord] = {}
    for record in records:
        key = (record.tenant_id, record.created_at, record.id)
        stored = merged.get(key)
        merged[key] = record if stored is None else merge(stored, record)
    return list(merged.values())


def _filled(winner: RequestRecord, other: RequestRecord) -> dict[str, Any]:
    facts = {name: getattr(other, name) for name in FACTS if getattr(winner, name) is None}
    metadata = {name: {**getattr(other, name), **getattr(winner, name)} for name in METADATA}
    return facts | metadata
