"""Finished spans of this process become rows, by the collector's own mapping and without a network.

`goldseam.instrumentation.service` records its calls here, and `PostgresSpanExporter` takes what a
tracer provider exports; nothing else of the collector runs in an application. Rows are written in
a thread, over a connection and in transactions of their own, so that neither a commit nor a
rollback of the application touches them; `recorder` is that thread.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from goldseam.collector.decode import finite
from goldseam.collector.mapping import map_spans
from goldseam.collector.recorder import CLOSE_TIMEOUT_S, Counts, RowRecorder
from goldseam.collector.spans import Event, Span, Value, clean
from goldseam.storage.errors import StorageError
from goldseam.storage.records import Batch

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_WAITING_EXPORTS: Final = 32
"""Batches of a span processor, 512 spans each, that may wait for the database."""

_OTLP_KIND_OFFSET: Final = 1
"""OTLP counts kinds from 1, 0 is unspecified; the SDK counts them from 0."""

_NOTHING: Final[Mapping[str, Value]] = {}

_log = logging.getLogger(__name__)


def url_of(db: object) -> str:
    """Return the address of the database behind `db`.

    Args:
        db: A SQLAlchemy session, connection or engine, synchronous or not, or a URL.

    Raises:
        TypeError: It is nothing of the kind.
        StorageError: It is no PostgreSQL.
    """
    if not isinstance(db, str | URL):
        bind = db.get_bind() if hasattr(db, "get_bind") else db
        db = getattr(getattr(bind, "engine", bind), "url", None)
    if not isinstance(db, str | URL):
        raise TypeError(
            "db= takes a SQLAlchemy session, connection or engine, or a PostgreSQL URL."
        )
    try:
        url = make_url(db)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        raise StorageError(
            "db= must lead to PostgreSQL, as postgresql://user:password@host:5432/database."
        )
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def rows_of(spans: Sequence[ReadableSpan | Span], further: Mapping[str, Value] = _NOTHING) -> Batch:
    """Return the rows of finished spans.

    Args:
        spans: The spans of one call, or of many: an SDK's, or plain ones.
        further: Attributes that were learnt after an SDK's spans had ended.
    """
    mapped = map_spans([s if isinstance(s, Span) else _plain(s, further) for s in spans])
    if mapped.rejected:
        _log.warning("spans were refused and have no rows: %s", ", ".join(set(mapped.rejected)))
    return mapped.batch


class Recorder(RowRecorder):
    """Writes the rows of finished spans."""

    def record(
        self, spans: Sequence[ReadableSpan | Span], further: Mapping[str, Value] = _NOTHING
    ) -> "Future[None] | None":
        """Write the rows of `spans` soon; arguments as of `rows_of`.

        Returns:
            As `put`.
        """
        kept = list(spans)
        return self.put(lambda: rows_of(kept, further), spans=len(kept))


class PostgresSpanExporter(SpanExporter):
    """Gives the spans of a tracer provider to the database, without a collector in between.

    Neither blocks nor fails the application: spans wait in a bounded queue for one thread that
    writes them, again and again while the database is away. What finds the queue full or the
    program at its end is lost, counted, and warned of once. Where nothing must be lost, send spans
    to a collector instead, which has a spool.

    Args:
        db: As of `url_of`; the tables must be there (`goldseam db upgrade`).
        close_timeout_s: How long `shutdown` goes on trying while the database is away.
    """

    def __init__(self, db: object, *, close_timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        self._url = url_of(db)
        self._close_timeout_s = close_timeout_s
        self._recorder = self._new_recorder()
        self._pid = os.getpid()
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Queue spans; fails only if too many wait already, or after `shutdown`."""
        if self._closed:
            return SpanExportResult.FAILURE
        if self._pid != os.getpid():  # a forked child has neither the thread nor the connection
            self._recorder = self._new_recorder()
            self._pid = os.getpid()
        queued = self._recorder.record(spans)
        return SpanExportResult.FAILURE if queued is None else SpanExportResult.SUCCESS

    @property
    def counts(self) -> Counts:
        """What became of the spans exported so far."""
        return self._recorder.counts

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until all spans exported so far are stored or refused."""
        return self._closed or self._recorder.flush(timeout_millis / 1_000)

    def shutdown(self) -> None:
        """Write what waits, then hang up."""
        if not self._closed and self._pid == os.getpid():
            self._recorder.close()
        self._closed = True

    def _new_recorder(self) -> Recorder:
        return Recorder(
            self._url, max_waiting=MAX_WAITING_EXPORTS, close_timeout_s=self._close_timeout_s
        )


_recorders: Final[dict[tuple[int, str], Recorder]] = {}
_lock: Final = threading.Lock()


def recorder_of(db: object) -> Recorder:
    """Return what writes to the database behind `db`; as `url_of`."""
    key = os.getpid(), url_of(db)  # a forked child has neither the thread nor the connection
    with _lock:
        return _recorders.get(key) or _recorders.setdefault(key, Recorder(key[1]))


def close_recorders() -> None:
    """Write what waits and hang up everywhere."""
    with _lock:
        closing = [_recorders.pop(key) for key in list(_recorders) if key[0] == os.getpid()]
    for recorder in closing:
        recorder.close()


def _plain(span: ReadableSpan, further: Mapping[str, Value]) -> Span:
    """Return an SDK's span as decoding would have given it."""
    context, scope = span.get_span_context(), span.instrumentation_scope
    return Span(
        trace_id=f"{context.trace_id:032x}" if context else "",
        span_id=f"{context.span_id:016x}" if context else "",
        parent_span_id=f"{span.parent.span_id:016x}" if span.parent else "",
        name=clean(span.name),
        kind=span.kind.value + _OTLP_KIND_OFFSET,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        attributes={**_values(span.attributes), **further},
        events=tuple(
            Event(name=clean(e.name), time_ns=e.timestamp, attributes=_values(e.attributes))
            for e in span.events
        ),
        status_code=span.status.status_code.value,
        status_message=clean(span.status.description or ""),
        scope_name=clean(scope.name) if scope else "",
        scope_version=clean(scope.version or "") if scope else "",
        resource=_values(span.resource.attributes),
        dropped_attributes=span.dropped_attributes,
    )


def _values(attributes: Mapping[str, Any] | None) -> dict[str, Value]:
    return {clean(name): _value(value) for name, value in (attributes or {}).items()}


def _value(value: Any) -> Value:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Sequence):
        return [_value(each) for each in value]
    return value if isinstance(value, bool | int) else None
