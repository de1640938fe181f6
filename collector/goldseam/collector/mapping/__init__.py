"""Turn the spans of one OTLP request into rows for the three tables.

Pure: called by the receivers for each request, touches neither clock nor database. A span that is
no provider call gives no row; an attribute that does not fit is left out and counted; a span that
cannot have a row is refused alone. All spans of a request are seen together, because relations
between spans (a step and its request, a request and the pending span that announced it) are
settled here and not in memory that outlives the request.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from goldseam.collector.mapping.recovery import step_record
from goldseam.collector.mapping.request import (
    annotation_record,
    final_record,
    parent_of,
    pending_record,
)
from goldseam.collector.mapping.verdict import Verdict, verdict
from goldseam.collector.spans import Span
from goldseam.storage.records import Batch

__all__ = ["Mapped", "map_spans"]

BAD_ID: Final = "bad_id"
BAD_TIME: Final = "bad_time"
INTERNAL_FAULT: Final = "internal_fault"

REJECTED: Final = "rejected"

_log = logging.getLogger(__name__)

_FIRST_NS: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 10**9
_END_NS: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 10**9
"""Starts outside [first, end) come from a broken clock. They are refused, never replaced by the
time of arrival: a redelivered span must get the same key."""

_TRACE_ID_DIGITS: Final = 32
_HEX_DIGITS: Final = frozenset("0123456789abcdef")

_SpanKey: TypeAlias = tuple[str, str]
"""Trace id and span id."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one OTLP request amounts to.

    Attributes:
        batch: The rows.
        counts: Spans by result: `request`, `recovery`, `pending`, `enriched`, `ignored`,
            `rejected`.
        rejected: One reason for each refused span: `bad_id`, `bad_time`, `internal_fault`.
        flaws: Values that did not fit, by kind: `bad_value`, `cut`, `metadata_cut`.
    """

    batch: Batch = field(default_factory=Batch)
    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[str] = field(default_factory=list)
    flaws: Counter[str] = field(default_factory=Counter)


def map_spans(spans: Sequence[Span]) -> Mapped:
    """Map all spans of one OTLP request; never raises."""
    mapped = Mapped()
    sorted_spans = _sort(spans, mapped)
    rows: dict[_SpanKey, UUID] = {}
    for span in sorted_spans[Verdict.REQUEST]:
        with _fence(mapped):
            _add_final(span, rows, mapped)
    for span in sorted_spans[Verdict.PENDING]:
        with _fence(mapped):
            _add_pending(span, rows, mapped)
    for span in sorted_spans[Verdict.ANNOTATION]:
        with _fence(mapped):
            mapped.batch.requests.append(annotation_record(span, mapped.flaws))
            mapped.counts[Verdict.ANNOTATION] += 1
    steps_so_far: Counter[_SpanKey] = Counter()
    for span in sorted(sorted_spans[Verdict.STEP], key=lambda span: span.start_ns):
        with _fence(mapped):
            _add_step(span, rows, steps_so_far, mapped)
    return mapped


def _sort(spans: Sequence[Span], mapped: Mapped) -> dict[Verdict, list[Span]]:
    """Sort spans by what becomes of them; count those that get no row."""
    known = {(span.trace_id, span.span_id): span for span in spans}
    sorted_spans: dict[Verdict, list[Span]] = {kind: [] for kind in Verdict}
    for span in spans:
        kind = verdict(span, known.get((span.trace_id, span.parent_span_id)))
        if not _has_ids(span, kind):
            _refuse(BAD_ID, mapped)
        elif kind == Verdict.IGNORED:
            mapped.counts[kind] += 1
        elif not _FIRST_NS <= span.start_ns < _END_NS:
            _refuse(BAD_TIME, mapped)
        else:
            sorted_spans[kind].append(span)
    return sorted_spans


def _has_ids(span: Span, kind: Verdict) -> bool:
    digits = span.trace_id
    valid_trace = (
        len(digits) == _TRACE_ID_DIGITS and _HEX_DIGITS.issuperset(digits) and digits.strip("0")
    )
    names_another = kind in {Verdict.PENDING, Verdict.ANNOTATION}
    named = span.parent_span_id if names_another else span.span_id
    return bool(valid_trace and parent_of(span.span_id) and parent_of(named))


def _add_final(span: Span, rows: dict[_SpanKey, UUID], mapped: Mapped) -> None:
    record, pattern = final_record(span, mapped.flaws)
    mapped.batch.requests.append(record)
    rows[span.trace_id, span.span_id] = record.id
    if pattern is not None:
        mapped.batch.patterns[pattern.tenant_id, pattern.error_pattern] = pattern
    mapped.counts[Verdict.REQUEST] += 1


def _add_pending(span: Span, rows: dict[_SpanKey, UUID], mapped: Mapped) -> None:
    """Announce a request, unless its final span came in the same OTLP request."""
    key = (span.trace_id, span.parent_span_id)
    if key not in rows:
        record = pending_record(span, mapped.flaws)
        mapped.batch.requests.append(record)
        rows[key] = record.id
    mapped.counts[Verdict.PENDING] += 1


def _add_step(
    span: Span, rows: dict[_SpanKey, UUID], steps_so_far: Counter[_SpanKey], mapped: Mapped
) -> None:
    request = (span.trace_id, span.parent_span_id)
    record = step_record(
        span,
        mapped.flaws,
        parent_row=rows.get(request),
        earlier_steps=steps_so_far[request],
    )
    mapped.batch.recoveries.append(record)
    steps_so_far[request] += 1
    mapped.counts[Verdict.STEP] += 1


def _refuse(reason: str, mapped: Mapped) -> None:
    mapped.rejected.append(reason)
    mapped.counts[REJECTED] += 1


@contextmanager
def _fence(mapped: Mapped) -> Iterator[None]:
    """Refuse one span for a fault of ours instead of losing the others of its request."""
    try:
        yield
    except Exception:  # noqa: BLE001 - a fence stops everything
        _log.exception("a span could not be mapped and is refused; please report this")
        _refuse(INTERNAL_FAULT, mapped)
