"""What becomes of a stored request row when the same span arrives again.

Pure. `writes` applies `merge` to repeated keys inside a batch and the same rule, as SQL, to rows
that the table already holds; a test feeds both the same deliveries.

The allowed transitions:

- absent → anything
- pending or abandoned → final
- final → the same span's final with a later end
- anything → duplicate
- final → the same, with unknown facts filled in

Everything else changes nothing, so delivering twice is delivering once.
"""

from dataclasses import replace
from typing import Any, Final

from goldseam.storage.records import RequestRecord

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
