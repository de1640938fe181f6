"""Turn the spans of one OTLP request into rows for the three tables.

Pure: called by the receivers for each request, touches neither clock nor database. A span that is
no provider call gives no row; an attribute that does not fit is left out and counted; a span that
cannot have a row is refused alone. All spans of a request are seen together, because relations
between spans (a step and its request, an HTTP request and the call it was sent for) are settled
here and not in memory that outlives the request; `relations` tells which ones the table settles.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from goldseam.collector.mapping.cost import UNPRICED, is_unpriced
from goldseam.collector.mapping.recovery import step_record
from goldseam.collector.mapping.relations import (
    Finished,
    SpanKey,
    http_by_request,
    key_of,
    without_duplicates,
)
from goldseam.collector.mapping.request import (
    annotation_record,
    final_record,
    is_hex,
    parent_of,
    pending_record,
)
from goldseam.collector.mapping.trailers import ORPHAN_TRAILER, with_trailers
from goldseam.collector.mapping.verdict import Verdict, verdict
from goldseam.collector.spans import Span
from goldseam.storage.records import Batch

__all__ = ["Mapped", "map_spans"]

BAD_ID: Final = "bad_id"
BAD_TIME: Final = "bad_time"
INTERNAL_FAULT: Final = "internal_fault"

ATTRIBUTES_CUT: Final = "attributes_cut"

REJECTED: Final = "rejected"
DUPLICATE: Final = "duplicate"
ENRICHED: Final = "enriched"

_log = logging.getLogger(__name__)

_FIRST_NS: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 10**9
_END_NS: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 10**9
"""Starts outside [first, end) come from a broken clock. They are refused, never replaced by the
time of arrival: a redelivered span must get the same key."""

_ENRICHING: Final = (Verdict.TRAILER, Verdict.HTTP)
"""Spans that get no row, whatever their start."""

_OF_ANOTHER: Final = (Verdict.PENDING, Verdict.ANNOTATION)
"""Spans that tell of the request which is their parent."""

_TRACE_ID_DIGITS: Final = 32
_NO_TRACE: Final = "0" * _TRACE_ID_DIGITS


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one OTLP request amounts to.

    Attributes:
        batch: The rows.
        counts: Spans by result: `request`, `recovery`, `pending`, `duplicate`, `enriched`,
            `ignored`, `rejected`.
        rejected: One reason for each refused span: `bad_id`, `bad_time`, `internal_fault`.
        flaws: What did not fit, by kind: `bad_value`, `cut`, `metadata_cut`, `attributes_cut`,
            `orphan_trailer`, `unpriced`.
    """

    batch: Batch = field(default_factory=Batch)
    counts: Counter[str] = field(default_factory=Counter)
    rejected: list[str] = field(default_factory=list)
    flaws: Counter[str] = field(default_factory=Counter)


def map_spans(spans: Sequence[Span]) -> Mapped:
    """Map all spans of one OTLP request; never raises."""
    mapped = Mapped()
    fence = _Fence(mapped)
    known = {key_of(span): span for span in spans}
    sorted_spans = _sort(spans, mapped)
    rows = _add_finished(sorted_spans, known, mapped)
    for span in sorted_spans[Verdict.PENDING]:
        with fence:
            _add_pending(span, rows, mapped)
    for span in sorted_spans[Verdict.ANNOTATION]:
        with fence:
            mapped.batch.requests.append(annotation_record(span, mapped.flaws))
            mapped.counts[Verdict.ANNOTATION] += 1
    steps_so_far: Counter[SpanKey] = Counter()
    for span in sorted(sorted_spans[Verdict.STEP], key=lambda span: span.start_ns):
        with fence:
            _add_step(span, rows, steps_so_far, mapped)
    return mapped


def _sort(spans: Sequence[Span], mapped: Mapped) -> dict[Verdict, list[Span]]:
    """Sort spans by what becomes of them; count those that get no row."""
    sorted_spans: dict[Verdict, list[Span]] = {kind: [] for kind in Verdict}
    for span in spans:
        if span.cut_attributes:
            mapped.flaws[ATTRIBUTES_CUT] += span.cut_attributes
        kind = verdict(span)
        if not _has_ids(span, kind):
            _refuse(BAD_ID, mapped)
        elif kind is Verdict.IGNORED:
            mapped.counts[kind] += 1
        elif kind in _ENRICHING:
            sorted_spans[kind].append(span)
        elif not _FIRST_NS <= span.start_ns < _END_NS:
            _refuse(BAD_TIME, mapped)
        else:
            sorted_spans[kind].append(span)
    return sorted_spans


def _add_finished(
    sorted_spans: dict[Verdict, list[Span]], known: Mapping[SpanKey, Span], mapped: Mapped
) -> dict[SpanKey, UUID]:
    """Add the finished requests, what belongs together joined; return their row ids."""
    requests, http = sorted_spans[Verdict.REQUEST], sorted_spans[Verdict.HTTP]
    sent = http_by_request(http, requests, known) if http and requests else {}
    finished: list[Finished] = []
    fence = _Fence(mapped)
    for span in requests:
        with fence:
            record, pattern = final_record(span, mapped.flaws, http=sent.get(key_of(span), ()))
            finished.append(Finished(span=span, record=record, pattern=pattern))
    trailers = sorted_spans[Verdict.TRAILER]
    orphans = mapped.flaws[ORPHAN_TRAILER]
    with fence:
        if trailers:
            finished = with_trailers(finished, trailers, mapped.flaws)
        finished = without_duplicates(finished, known)
    enriching = sum(map(len, sent.values())) + len(trailers)
    enriching -= mapped.flaws[ORPHAN_TRAILER] - orphans
    _count(mapped, ENRICHED, enriching)
    _count(mapped, Verdict.IGNORED, len(http) + len(trailers) - enriching)
    for item in finished:
        _add_final(item, mapped)
    return {key_of(item.span): item.record.id for item in finished}


def _has_ids(span: Span, kind: Verdict) -> bool:
    digits = span.trace_id
    valid_trace = is_hex(digits, length=_TRACE_ID_DIGITS) and digits != _NO_TRACE
    if not valid_trace or parent_of(span.span_id) is None:
        return False
    return kind not in _OF_ANOTHER or parent_of(span.parent_span_id) is not None


def _add_final(item: Finished, mapped: Mapped) -> None:
    record, pattern = item.record, item.pattern
    mapped.batch.requests.append(record)
    if pattern is not None:
        mapped.batch.patterns[pattern.tenant_id, pattern.error_pattern] = pattern
    mapped.counts[DUPLICATE if record.duplicate_of else Verdict.REQUEST] += 1
    if is_unpriced(record) and not record.duplicate_of:
        mapped.flaws[UNPRICED] += 1


def _count(mapped: Mapped, result: str, number: int) -> None:
    if number:
        mapped.counts[result] += number


def _add_pending(span: Span, rows: dict[SpanKey, UUID], mapped: Mapped) -> None:
    """Announce a request, unless its final span came in the same OTLP request."""
    key = (span.trace_id, span.parent_span_id)
    if key not in rows:
        record = pending_record(span, mapped.flaws)
        mapped.batch.requests.append(record)
        rows[key] = record.id
    mapped.counts[Verdict.PENDING] += 1


def _add_step(
    span: Span, rows: dict[SpanKey, UUID], steps_so_far: Counter[SpanKey], mapped: Mapped
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


class _Fence:
    """Refuses one span for a fault of ours instead of losing the others of its request."""

    def __init__(self, mapped: Mapped) -> None:
        self._mapped = mapped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        _log.error("a span could not be mapped and is refused; please report this", exc_info=error)
        _refuse(INTERNAL_FAULT, self._mapped)
        return True
