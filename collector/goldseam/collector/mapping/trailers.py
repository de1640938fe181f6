"""Logfire's stream trailers: the usage of a streamed call, in a span of its own.

The call's span ends when the stream starts. The trailer comes when the stream has ended; without
a common parent it is in another trace, so time tells which call it belongs to. Only trailers of the
same OTLP request are joined.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from goldseam.collector.mapping.content import measure
from goldseam.collector.mapping.cost import priced
from goldseam.collector.mapping.reading import Reading
from goldseam.collector.mapping.relations import Finished, same_instance
from goldseam.collector.mapping.request import token_columns
from goldseam.collector.spans import Span
from goldseam.storage.transitions import INCOMPLETE_STREAM, NO_RESPONSE_EVIDENCE

ORPHAN_TRAILER: Final = "orphan_trailer"

MAX_GAP_NS: Final = 50_000_000
"""Between the end of the call's span and the start of the stream, as its trailer tells it."""

_SCOPE: Final = "logfire"
_MODEL: Final = "gen_ai.request.model"
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000


def with_trailers(
    finished: Sequence[Finished], trailers: Sequence[Span], flaws: Counter[str]
) -> list[Finished]:
    """Return `finished` in its order, each with what its trailer tells.

    Args:
        finished: The requests.
        trailers: What `verdict` calls trailers; one without a request is counted as a flaw.
        flaws: Counts, by kind, what did not fit.
    """
    rows = list(finished)
    waiting = sorted(
        (item.span.end_ns, place) for place, item in enumerate(rows) if _waits_for_trailer(item)
    )
    for trailer in trailers:
        reading = Reading(trailer, flaws)
        place = _request_of(reading, rows, waiting)
        if place is None:
            flaws[ORPHAN_TRAILER] += 1
            continue
        rows[place] = _ended(rows[place], reading)
    return rows


def _waits_for_trailer(item: Finished) -> bool:
    return item.span.scope_name.startswith(_SCOPE) and item.record.tokens_used is None


def _request_of(
    reading: Reading, rows: Sequence[Finished], waiting: Sequence[tuple[int, int]]
) -> int | None:
    """Return the place of the trailer's request: in its trace before others, then the closest."""
    duration_s = reading.number("trailer_duration_s")
    if duration_s is None:
        return None
    began_ns = reading.span.start_ns - int(duration_s * _NS_PER_S)
    near = waiting[
        bisect_left(waiting, (began_ns - MAX_GAP_NS, 0)) : bisect_right(
            waiting, (began_ns + MAX_GAP_NS, 0)
        )
    ]
    return min(
        (
            (rows[place].span.trace_id != reading.span.trace_id, abs(began_ns - end_ns), place)
            for end_ns, place in near
            if _same_stream(reading.span, rows[place])
        ),
        default=(False, 0, None),
    )[2]


def _same_stream(trailer: Span, item: Finished) -> bool:
    return (
        not item.record.is_stream  # else it has its trailer already
        and same_instance(item.span, trailer)
        and item.span.attributes.get(_MODEL) == trailer.attributes.get(_MODEL)
    )


def _ended(item: Finished, reading: Reading) -> Finished:
    """Return the request as it was when its stream had ended."""
    record = item.record
    output = next((m for v in reading.values("output_text") if (m := measure(v))), None)
    told: dict[str, Any] = {
        name: value for name, value in token_columns(reading).items() if value is not None
    }
    if output is not None and record.response_length is None:
        told["response_length"] = output.length
    metadata = dict(record.response_metadata)
    if finish_reasons := reading.words("finish_reasons"):
        metadata["finish_reasons"] = finish_reasons
    if finish_reasons or told:
        metadata.pop(NO_RESPONSE_EVIDENCE, None)
    if record.status == "success" and not metadata.get("finish_reasons"):
        metadata[INCOMPLETE_STREAM] = True
    ended = replace(
        record,
        **told,
        is_stream=True,
        processing_time_ms=max(
            record.processing_time_ms, (reading.span.start_ns - item.span.start_ns) / _NS_PER_MS
        ),
        response_metadata=metadata,
    )
    return replace(item, record=priced(ended))
