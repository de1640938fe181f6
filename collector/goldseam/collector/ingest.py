"""The one way from an OTLP body to an acknowledgement, whatever transport it came by.

Both receivers call `read`, then `submit`. The way of a body: `decode` → `mapping` → `queue` →
`writer`; and where the database does not take it in time, `keeper` → `spool`. The future that a
sender waits for is done once the rows are committed or the body is fsynced.
"""

import threading
from collections import Counter
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

from goldseam.collector.answers import JSON
from goldseam.collector.decode import decode_protobuf
from goldseam.collector.decode_json import decode_json
from goldseam.collector.keeper import Accepted, Keeper, Submission
from goldseam.collector.mapping import Mapped, map_spans
from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue
from goldseam.collector.refusals import QueueFull, StorageAway
from goldseam.collector.spans import Span
from goldseam.collector.spool import Raw
from goldseam.semconv.attributes import TENANT_ID

INLINE_BYTES: Final = 64 * 1024
"""Smaller bodies are read where they arrive; larger ones in a thread, so that the others' answers
don't wait for them, and one at a time: threads would only take turns at it, with all that they have
read so far in memory."""

LARGE_BYTES: Final = 1024 * 1024
"""Bodies beyond it have a turn of their own, or ordinary ones would wait for seconds."""

_ordinary: Final = threading.Lock()
_large: Final = threading.Lock()

DATABASE_REFUSED: Final = "database_refused"
"""Why a span is rejected that could be mapped, but whose row no table takes."""


class Ingest:
    """The door of the collector's inside; one for all receivers."""

    def __init__(self, *, queue: IngestQueue, keeper: Keeper, metrics: Metrics) -> None:
        self._queue = queue
        self._keeper = keeper
        self._metrics = metrics

    def submit(self, raw: Raw, mapped: Mapped) -> Future[Accepted]:
        """Hand over a body that `read` has mapped.

        Returns:
            A future that is done in time: with what the sender is told, or with a `Refusal`.

        Raises:
            Unavailable: The collector is stopping.
        """
        submission = Submission(raw, mapped)
        submission.accepted.add_done_callback(self._count)
        if not mapped.batch:
            submission.accepted.set_result(Accepted(mapped))
            return submission.accepted
        try:
            stored = self._queue.put(mapped.batch, size_bytes=len(raw.body))
        except (QueueFull, StorageAway) as refusal:
            self._keeper.keep(submission, refusal)
        else:
            self._keeper.watch(submission, stored)
        return submission.accepted

    def _count(self, done: Future[Accepted]) -> None:
        if done.exception() is None:
            count_spans(self._metrics, done.result().mapped)
            count_refused(self._metrics, len(done.result().refused))


def read(raw: Raw) -> Mapped:
    """Decode and map a body.

    Raises:
        DecodeError: It is no OTLP trace request.
        BodyTooLarge: It has more parts than any real one.
    """
    with _turn(len(raw.body)):
        decode = decode_json if raw.media_type == JSON else decode_protobuf
        spans = decode(raw.body)
        if raw.tenant:
            spans = [_owned(span, raw.tenant) for span in spans]
        return map_spans(spans)


def _turn(size_bytes: int) -> AbstractContextManager[object]:
    if size_bytes <= INLINE_BYTES:
        return nullcontext()
    return _ordinary if size_bytes <= LARGE_BYTES else _large


def _owned(span: Span, tenant: str) -> Span:
    """Return a span whose claim to a tenant is replaced by the tenant of its sender's key."""
    return replace(span, attributes={**span.attributes, TENANT_ID: tenant})


def count_spans(metrics: Metrics, mapped: Mapped) -> None:
    """Count what became of the spans of an acknowledged body."""
    for result, spans in mapped.counts.items():
        metrics.spans.labels(result).inc(spans)
    for kind, values in mapped.flaws.items():
        metrics.flaws.labels(kind).inc(values)
    for reason, spans in Counter(mapped.rejected).items():
        metrics.rejected.labels(reason).inc(spans)


def count_refused(metrics: Metrics, rows: int) -> None:
    """Count rows that the database refused for good."""
    if rows:
        metrics.spans.labels("rejected").inc(rows)
        metrics.rejected.labels(DATABASE_REFUSED).inc(rows)
