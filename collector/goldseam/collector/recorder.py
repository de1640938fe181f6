"""Writes the rows of an application's own spans, one batch after another, in a thread.

Used by `exporter`. Neither blocks nor fails the application: what waits is bounded, a database that
is away is tried again until it is back or the program ends, and what is lost is counted and warned
of once.
"""

import atexit
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Final

import psycopg

from goldseam.collector.halving import AWAY_FAULTS, reason_of, write_all_but_bad
from goldseam.storage import engine, partitions
from goldseam.storage.errors import StorageError
from goldseam.storage.records import Batch
from goldseam.storage.roles import Role
from goldseam.storage.writes import write

MAX_WAITING: Final = 1_000
"""Batches (of `AIService`: calls) that may wait for the database; beyond it, new ones are lost."""

STATEMENT_TIMEOUT_S: Final = 30.0
"""A write takes milliseconds; one that takes this long is stuck behind a lock."""

CLOSE_TIMEOUT_S: Final = 5.0
"""How long the end of a program may wait for the database."""

LAST_ATTEMPT_S: Final = 2.0
"""What the attempt may take that is under way when that time is over."""

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What became of batches since the start.

    Attributes:
        stored: Rows that are committed; a span that came twice counts twice.
        refused: Rows that the database will never take.
        lost: Spans that found too many waiting, or the program's end.
    """

    stored: int = 0
    refused: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A batch to come: made in the thread, so that mapping costs the application nothing."""

    rows: Callable[[], Batch]
    spans: int
    tried: Future[None] = field(default_factory=Future)


class RowRecorder:
    """Owns the thread and its connection.

    Args:
        url: Database.
        max_waiting: Batches that may wait.
        close_timeout_s: How long `close` goes on trying.

    Attributes:
        is_away: Whether the last attempt to write failed.
        counts: What became of the batches.
    """

    def __init__(
        self,
        url: str,
        *,
        max_waiting: int = MAX_WAITING,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
    ) -> None:
        self.is_away = False
        self.counts = Counts()
        self._url = url
        self._max_waiting = max_waiting
        self._close_timeout_s = close_timeout_s
        self._connection: psycopg.Connection | None = None
        self._warned: set[str] = set()
        self._room = threading.BoundedSemaphore(max_waiting)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Event()
        self._deadline_s = math.inf
        self._thread = threading.Thread(target=self._run, name="goldseam-recorder", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, rows: Callable[[], Batch], *, spans: int) -> "Future[None] | None":
        """Write rows soon; the result comes when they are stored or have been tried once.

        Args:
            rows: Gives them, called in the thread.
            spans: How many spans they are made from.

        Returns:
            None if too many batches wait already; these are lost.
        """
        if self._closing.is_set() or not self._room.acquire(blocking=False):
            self._lose(spans, f"{self._max_waiting} batches wait for the database")
            return None
        job = _Job(rows, spans)
        self._jobs.put(job)
        return job.tried

    def flush(self, timeout_s: float) -> bool:
        """Wait until what waits now is stored or refused; return whether it was in time."""
        mark = _Job(Batch, 0)
        self._jobs.put(mark)
        try:
            mark.tried.result(timeout_s)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Write what waits, for as long as that may take, then hang up."""
        if self._closing.is_set():
            return
        self._deadline_s = time.monotonic() + self._close_timeout_s
        self._closing.set()
        self._jobs.put(None)
        self._thread.join(self._close_timeout_s + LAST_ATTEMPT_S)
        atexit.unregister(self.close)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._store(job)
            except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
                self._hang_up()
                self._lose(job.spans, reason_of(error))
            finally:
                if not job.tried.done():
                    job.tried.set_result(None)
                if job.spans:
                    self._room.release()
        self._hang_up()

    def _store(self, job: _Job) -> None:
        """Write a batch, again and again while the database is away, until the deadline."""
        batch = job.rows()
        if not batch:
            return
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                refused = write_all_but_bad([batch], self._write)
            except AWAY_FAULTS as error:
                self.is_away = True
                self._hang_up()
                self._warn("away", f"they wait for the database: {reason_of(error)}")
                if not job.tried.done():
                    job.tried.set_result(None)
                if time.monotonic() >= self._deadline_s:
                    self._lose(job.spans, reason_of(error))
                    return
                if self._closing.wait(backoff_s):  # from now on not longer than the deadline
                    time.sleep(BACKOFF_FIRST_S)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
            else:
                break
        self.is_away = False
        self.counts.stored += len(batch) - len(refused)
        self.counts.refused += len(refused)
        if refused:
            self._warn("refused", f"the database refuses a row for good: {refused[0].reason}")

    def _write(self, batch: Batch) -> frozenset[int]:
        """Write one transaction; a connection that died while idle costs one silent repetition."""
        if self._connection is not None:
            try:
                return _write(self._connection, batch)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._hang_up()
        self._connection = engine.connect(
            self._url, Role.WRITER, statement_timeout_s=STATEMENT_TIMEOUT_S
        )
        self._ensure_partitions()
        return _write(self._connection, batch)

    def _ensure_partitions(self) -> None:
        """Make today's partition; a collector, if there is one, makes those of later days."""
        today = datetime.now(UTC).date()
        try:
            partitions.ensure(self._url, today, today + timedelta(days=1))
        except (StorageError, psycopg.Error) as error:
            _log.debug("no partitions were created, rows go to the default one: %s", error)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _lose(self, spans: int, reason: str) -> None:
        self.counts.lost += spans
        self._warn("lost", f"and some are lost: {reason}")

    def _warn(self, kind: str, reason: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning(
                "Goldseam: calls are answered but not stored; %s. Nothing more of this kind is "
                "logged for this database.",
                reason,
            )


def _write(connection: psycopg.Connection, batch: Batch) -> frozenset[int]:
    return frozenset(map(id, write(connection, batch, datetime.now(UTC)).gone))
