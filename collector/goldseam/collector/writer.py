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
from datetime import datetime
from typing import Final

import psycopg

from goldseam.collector.halving import AWAY_FAULTS, reason_of, write_all_but_bad
from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue, Stored, Waiting
from goldseam.collector.refusals import StorageAway, StorageFault, Unavailable
from goldseam.storage.faults import loggable
from goldseam.storage.records import Batch
from goldseam.storage.writes import write

Connect = Callable[[], psycopg.Connection]
Clock = Callable[[], datetime]

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 2.0
"""A sender repeats within seconds, so the writer looks for the database as often."""

_log = logging.getLogger(__name__)


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
            del group  # or its rows would be held until others come
        self._hang_up()

    def _store(self, group: Sequence[Waiting]) -> None:
        """Write a group and answer its senders.

        Raises:
            Exception: Whatever is no fault of the data; nothing has been answered then.
        """
        refused = write_all_but_bad([item.batch for item in group], self._write)
        for each in refused:
            _log.warning("the database refused a row for good: %s", each.reason)
        for i, item in enumerate(group):
            item.done.set_result(Stored(tuple(r.reason for r in refused if r.owner == i)))

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
        self._away = reason_of(error)
        self._metrics.database_up.set(0)
        _log.warning("rows cannot be written now", exc_info=loggable(error))
        reason = f"the database takes no rows now: {self._away}"
        self._queue.shut(StorageAway(reason))
        kind = StorageAway if isinstance(error, AWAY_FAULTS) else StorageFault
        for item in group:
            item.done.set_exception(kind(reason))
        self._hang_up()

    def _reconnect(self) -> None:
        """Look for the database until it is there or the collector stops."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                self._connection = self._connect()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                self._away = reason_of(error)
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
