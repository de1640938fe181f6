"""Finished spans of this process become rows, by the collector's own mapping and without a network.

`goldseam.instrumentation.service` records its calls here, and `PostgresSpanExporter` takes what a
tracer provider exports; nothing else of the collector runs in an application. Rows are written in
a thread, over a connection and in transactions of their own, so that neither a commit nor a
rollback of the application touches them. A database that is away costs a warning, never an answer.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from goldseam.collector.decode import finite
from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import Event, Span, Value, clean
from goldseam.storage import engine, partitions
from goldseam.storage.errors import StorageError
from goldseam.storage.records import Batch
from goldseam.storage.roles import Role
from goldseam.storage.writes import write

MAX_WAITING: Final = 1_000
"""Batches (of `AIService`: calls) whose rows may wait for a slow database; beyond it, rows are
lost with a warning."""

MAX_WAITING_EXPORTS: Final = 32
"""Batches of a span processor, 512 spans each, that may wait likewise."""

STATEMENT_TIMEOUT_S: Final = 30.0
"""A write takes milliseconds; one that takes this long is stuck behind a lock."""

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


class Recorder:
    """Writes the rows of one database, one batch after another, in a thread.

    Attributes:
        is_away: Whether the last write failed.
    """

    def __init__(self, url: str, *, max_waiting: int = MAX_WAITING) -> None:
        self.is_away = False
        self._url = url
        self._connection: psycopg.Connection | None = None
        self._has_warned = False
        self._max_waiting = max_waiting
        self._room = threading.BoundedSemaphore(max_waiting)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="goldseam-recorder")

    def record(
        self, spans: Sequence[ReadableSpan | Span], further: Mapping[str, Value] = _NOTHING
    ) -> "Future[None] | None":
        """Write the rows of `spans` soon; the result comes when that is done or has failed.

        Args:
            spans: As of `rows_of`.
            further: As of `rows_of`.

        Returns:
            None if too many batches wait already; these rows are lost.
        """
        if not self._room.acquire(blocking=False):
            self._warn(f"{self._max_waiting} batches wait for the database")
            return None
        done = self._thread.submit(self._record, list(spans), further)
        done.add_done_callback(lambda _: self._room.release())
        return done

    def flush(self, timeout_s: float) -> bool:
        """Wait until what waits now is written or has failed; return whether it was in time."""
        mark = self._thread.submit(lambda: None)
        try:
            mark.result(timeout_s)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Write what waits, then hang up."""
        self._thread.submit(self._hang_up)
        self._thread.shutdown()

    def _record(self, spans: list[ReadableSpan | Span], further: Mapping[str, Value]) -> None:
        try:
            self._write(rows_of(spans, further))
        except Exception as error:  # noqa: BLE001 - the application has its answer, and keeps it
            self.is_away = True
            self._hang_up()
            self._warn(str(error).partition("\n")[0] or type(error).__name__)
        else:
            self.is_away = False

    def _write(self, batch: Batch) -> None:
        """Write one transaction; a connection that died while idle costs one silent repetition."""
        if self._connection is not None:
            try:
                write(self._connection, batch, _now())
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._hang_up()
            else:
                return
        self._connection = engine.connect(
            self._url, Role.WRITER, statement_timeout_s=STATEMENT_TIMEOUT_S
        )
        self._ensure_partitions()
        write(self._connection, batch, _now())

    def _ensure_partitions(self) -> None:
        """Make today's partition; a collector, if there is one, makes those of later days."""
        today = _now().date()
        try:
            partitions.ensure(self._url, today, today + timedelta(days=1))
        except (StorageError, psycopg.Error) as error:
            _log.debug("no partitions were created, rows go to the default one: %s", error)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "Goldseam: calls are answered but not stored (%s). No further failure of this "
                "database is logged.",
                reason,
            )


class PostgresSpanExporter(SpanExporter):
    """Gives the spans of a tracer provider to the database, without a collector in between.

    Neither blocks nor fails the application: spans wait in a bounded queue for one thread that
    writes them, and a database that is away costs its rows and one warning. Where they must not be
    lost, send them to a collector instead, which has a spool.

    Args:
        db: As of `url_of`; the tables must be there (`goldseam db upgrade`).
    """

    def __init__(self, db: object) -> None:
        self._url = url_of(db)
        self._recorder = Recorder(self._url, max_waiting=MAX_WAITING_EXPORTS)
        self._pid = os.getpid()
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Queue spans; fails only if too many wait already, or after `shutdown`."""
        if self._closed:
            return SpanExportResult.FAILURE
        if self._pid != os.getpid():  # a forked child has neither the thread nor the connection
            self._recorder = Recorder(self._url, max_waiting=MAX_WAITING_EXPORTS)
            self._pid = os.getpid()
        queued = self._recorder.record(spans)
        return SpanExportResult.FAILURE if queued is None else SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until all spans exported so far are written or have failed."""
        return self._closed or self._recorder.flush(timeout_millis / 1_000)

    def shutdown(self) -> None:
        """Write what waits, then hang up."""
        if not self._closed and self._pid == os.getpid():
            self._recorder.close()
        self._closed = True


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


def _now() -> datetime:
    return datetime.now(UTC)
