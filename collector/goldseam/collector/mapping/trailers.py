"""Logfire's stream trailers: the usage of a streamed call, in a span of its own.

The call's span ends when the stream starts. The trailer comes when the stream has ended; without
a common parent it is in another trace, so time tells which call it belongs to. Only trailers of the
same OTLP request are joined.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from goldseam.collector.mapping.content import measure
from goldseam.collector.mapping.reading import Reading
from goldseam.collector.mapping.relations import Finished, same_instance
from goldseam.collector.mapping.request import token_columns
from goldseam.collector.spans import Span
from goldseam.storage.transitions import INCOMPLETE_STREAM, NO_RESPONSE_EVIDENCE

ORPHAN_TRAILER: Final = "orphan_trailer"

MAX_GAP_NS: Final = 50_000_000
"""Between the end of the call's span and the start of the stream, as its trailer tells it."""

_SCOPE: Final = "logfire"
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
    for trailer in trailers:
        reading = Reading(trailer, flaws)
        found = min(
            (
                (trailer.trace_id != item.span.trace_id, gap_ns, place)
                for place, item in enumerate(rows)
                if (gap_ns := _gap_ns(reading, item)) is not None
            ),
            default=None,
        )
        if found is None:
            flaws[ORPHAN_TRAILER] += 1
            continue
        rows[found[2]] = _ended(rows[found[2]], reading)
    return rows


def _gap_ns(reading: Reading, item: Finished) -> float | None:
    """Return how far the trailer is from the request, None if it is another's."""
    duration_s = reading.number("trailer_duration_s")
    span, trailer = item.span, reading.span
    model = "gen_ai.request.model"
    if (
        duration_s is None
        or not span.scope_name.startswith(_SCOPE)
        or item.record.tokens_used is not None
        or item.record.is_stream
        or not same_instance(span, trailer)
        or span.attributes.get(model) != trailer.attributes.get(model)
    ):
        return None
    gap_ns = abs(trailer.start_ns - duration_s * _NS_PER_S - span.end_ns)
    return gap_ns if gap_ns < MAX_GAP_NS else None


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
    return replace(item, record=ended)
