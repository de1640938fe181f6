"""The one thread that writes: takes what waits, commits it, then answers the senders.

Group commit without a timer: while one transaction commits, the next group collects itself.
Nothing is answered before its COMMIT. A fault of the database hands everything back at once, for
the spool, and the writer looks for a connection in the background; a fault of the data refuses the
rows that carry it and stores the rest. Whether a commit got through when the connection broke
cannot be known; the body is given again, and a row stored twice changes nothing.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg

from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue, Stored, Waiting
from goldseam.collector.refusals import StorageAway, StorageFault, Unavailable
from goldseam.storage.errors import DatabaseUnavailableError, NotMigratedError
from goldseam.storage.records import Batch, RecoveryRecord, RequestRecord
from goldseam.storage.writes import write

Connect = Callable[[], psycopg.Connection]
Clock = Callable[[], datetime]

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 2.0
"""A sender repeats within seconds, so the writer looks for the database as often."""

DAY_IS_GONE: Final = "its day was deleted by retention, and is not stored again"

_DATA_FAULTS: Final = (
    psycopg.DataError,
    psycopg.errors.CheckViolation,
    psycopg.errors.NotNullViolation,
    ValueError,
    OverflowError,
)
"""Faults of a row: the database, or the encoder before it, will refuse it every time."""

_AWAY_FAULTS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    DatabaseUnavailableError,
    NotMigratedError,
)
"""Faults that say nothing about the rows: they pass when the database is back."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Row:
    """One record, its pattern, and which waiting batch it belongs to."""

    owner: int
    record: RequestRecord | RecoveryRecord


class Writer:
    """Owns the writing thread and its connection.

    Args:
        queue: Where the batches wait; shut by the writer while the database is away.
        connect: Opens a connection that may write.
        max_rows: Rows of one transaction, at most.
        metrics: Where durations and states are recorded.
        clock: Gives the time that `updated_at` gets.
    """

    def __init__(
        self, queue: IngestQueue, *, connect: Connect, max_rows: int, metrics: Metrics, clock: Clock
    ) -> None:
        self._queue = queue
        self._connect = connect
        self._max_rows = max_rows
        self._metrics = metrics
        self._clock = clock
        self._connection: psycopg.Connection | None = None
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._commits = 0
        self._away: str | None = "the collector has just started"
        self._thread = threading.Thread(target=self._run, name="goldseam-writer", daemon=True)

    @property
    def away(self) -> str | None:
        """Why nothing can be written now, None while it can."""
        return self._away

    @property
    def commits(self) -> int:
        """Transactions that were committed since the start."""
        return self._commits

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; batches are refused until it has a connection."""
        self._queue.shut(StorageAway("the collector is still connecting to the database"))
        self._thread.start()

    def wait_tried(self, timeout_s: float) -> None:
        """Wait until the first attempt to connect has ended, well or not."""
        self._tried.wait(timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Write what waits, refuse what comes, end the thread.

        Returns:
            Whether the thread ended in time; if not, what it held stays unanswered and is sent
            again by its senders.
        """
        self._stopping.set()
        self._queue.close(Unavailable("the collector is stopping: send again"))
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._reconnect()
        while group := self._queue.take(self._max_rows):
            try:
                self._store(group)
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                self._lose_connection(error, group)
                self._reconnect()
        self._hang_up()

    def _store(self, group: Sequence[Waiting]) -> None:
        """Write a group and answer its senders.

        Raises:
            Exception: Whatever is no fault of the data; nothing has been answered then.
        """
        rows = [_Row(i, record) for i, item in enumerate(group) for record in _records(item.batch)]
        patterns = {key: value for item in group for key, value in item.batch.patterns.items()}
        refused = self._write_all_but_bad(rows, Batch(patterns=patterns))
        for i, item in enumerate(group):
            item.done.set_result(Stored(tuple(why for owner, why in refused if owner == i)))

    def _write_all_but_bad(self, rows: Sequence[_Row], known: Batch) -> list[tuple[int, str]]:
        """Write `rows`, halving them around those that the database refuses.

        Returns:
            Owner and reason of each refused row.
        """
        try:
            gone = self._write(_batch(rows, known))
        except _DATA_FAULTS as error:
            if len(rows) == 1:
                _log.warning("the database refused a row for good: %s", _reason(error))
                return [(rows[0].owner, _reason(error))]
            half = len(rows) // 2
            return [
                *self._write_all_but_bad(rows[:half], known),
                *self._write_all_but_bad(rows[half:], known),
            ]
        return [(row.owner, DAY_IS_GONE) for row in rows if id(row.record) in gone]

    def _write(self, batch: Batch) -> frozenset[int]:
        """Write one transaction; a connection that died while idle costs one silent repetition.

        Returns:
            `id()` of each record whose day was deleted.
        """
        try:
            return self._write_once(batch)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._hang_up()
            self._connection = self._connect()
            return self._write_once(batch)

    def _write_once(self, batch: Batch) -> frozenset[int]:
        if self._connection is None:
            self._connection = self._connect()
        with self._metrics.write_duration.time():
            result = write(self._connection, batch, self._clock())
        self._commits += 1
        self._metrics.rows.labels("ai_request_logs").inc(len(batch.requests))
        self._metrics.rows.labels("ai_error_recovery").inc(len(batch.recoveries))
        return frozenset(map(id, result.gone))

    def _lose_connection(self, error: Exception, group: Sequence[Waiting]) -> None:
        self._away = _reason(error)
        self._metrics.database_up.set(0)
        _log.warning("rows cannot be written, senders get 503: %s", self._away, exc_info=error)
        kind = StorageAway if isinstance(error, _AWAY_FAULTS) else StorageFault
        refusal = kind(f"the database takes no rows now: {self._away}")
        self._queue.shut(refusal)
        for item in group:
            item.done.set_exception(refusal)
        self._hang_up()

    def _reconnect(self) -> None:
        """Look for the database until it is there or the collector stops."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                self._connection = self._connect()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                self._away = _reason(error)
                self._queue.shut(StorageAway(f"the database is away: {self._away}"))
                _log.warning("no connection, next try in %.1f s: %s", backoff_s, self._away)
            else:
                self._away = None
                self._metrics.database_up.set(1)
                self._queue.open()
            self._tried.set()
            if self._away is None or self._stopping.wait(backoff_s):
                return
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _records(batch: Batch) -> list[RequestRecord | RecoveryRecord]:
    return [*batch.requests, *batch.recoveries]


def _batch(rows: Sequence[_Row], known: Batch) -> Batch:
    """Return the rows as one batch, with the patterns that they mention."""
    requests = [row.record for row in rows if isinstance(row.record, RequestRecord)]
    wanted = {(r.tenant_id, r.error_pattern) for r in requests if r.error_pattern is not None}
    return Batch(
        requests=requests,
        recoveries=[row.record for row in rows if isinstance(row.record, RecoveryRecord)],
        patterns={key: known.patterns[key] for key in wanted if key in known.patterns},
    )


def _reason(error: BaseException) -> str:
    """Return the first line of an error's text, for an answer to a sender."""
    return str(error).partition("\n")[0] or type(error).__name__
