"""The thread that gives the spool's bodies to the database, in the order in which they came.

Started by `app`. Bodies go through the same queue as fresh ones, a few at a time, so that fresh
ones find room beside them, and leave the spool when their rows are committed. A body that is given
twice, because a process died in between, changes nothing.

A body that can never be stored blocks nobody: one that cannot be read is set aside at once, one at
which the database fails is passed over, and set aside when it has failed several times while
others were stored.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from goldseam.collector import spool as spools
from goldseam.collector.ingest import count_refused, read
from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue, Stored
from goldseam.collector.refusals import StorageFault, Unavailable
from goldseam.collector.spool import Kept, Spool, SpoolLimits
from goldseam.storage.records import Batch

GROUP_BYTES: Final = 4 * 1024 * 1024
"""Inflated bodies that are with the database at a time."""

RETRY_S: Final = 0.5
"""How often a filled spool looks whether the database is back."""

REOPEN_S: Final = 10.0
"""After rows that failed the writer connects anew; it takes longer only if the database is away."""

ORPHANS_PERIOD_S: Final = 10.0
"""How often the spools of processes that have died are looked for."""

MAX_FAULTS: Final = 3
"""How often the database may fail at a body alone before it is set aside."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Faults:
    """How often the database failed at a body, and how many commits there had been at first."""

    count: int
    commits_before: int


class Drain:
    """Owns the thread.

    Args:
        spool: This process's own spool.
        limits: Under which the spools of dead processes are opened.
        queue: Where bodies go.
        commits: Gives the number of transactions that the writer has committed.
        metrics: Where stored bodies are counted.
    """

    def __init__(
        self,
        spool: Spool,
        limits: SpoolLimits,
        *,
        queue: IngestQueue,
        commits: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._spool = spool
        self._limits = limits
        self._queue = queue
        self._commits = commits
        self._metrics = metrics
        self._faults: dict[tuple[str, int], Faults] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="goldseam-drain", daemon=True)

    def start(self) -> None:
        """Start the thread; what an earlier process left is given first."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Give no further body, wait for those that are on their way.

        Returns:
            Whether the thread ended in time.
        """
        self._stopping.set()
        self._spool.filled.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except Exception:  # noqa: BLE001 - the thread must outlive any fault
                _log.exception("the spool could not be emptied, next try soon")
            if self._spool.bodies:
                self._stopping.wait(RETRY_S)
            else:
                self._spool.filled.wait(ORPHANS_PERIOD_S)
                self._spool.filled.clear()

    def _round(self) -> None:
        """Empty the own spool, then those that have lost their owner."""
        if not self._queue.takes:
            return
        if self._empty(self._spool):
            for orphan in spools.orphans(self._spool.path.parent, self._limits):
                if not self._empty(orphan):
                    return

    def _empty(self, spool: Spool) -> bool:
        """Give every body of a spool once; return whether the database took what it was given."""
        last = 0
        while group := spool.oldest(after=last, limit_bytes=GROUP_BYTES):
            if self._stopping.is_set() or not self._give(spool, group):
                return False
            last = group[-1].id
        return True

    def _give(self, spool: Spool, group: Sequence[Kept]) -> bool:
        """Give bodies to the queue and wait; return False if the database takes none now."""
        done: list[int] = []
        failed: list[Kept] = []
        refused: list[Kept] = []
        for kept, stored in list(self._put(spool, group)):
            try:
                count_refused(self._metrics, len(stored.result().refused))
                done.append(kept.id)
            except StorageFault:
                failed.append(kept)
            except Unavailable:
                refused.append(kept)
        self._forget(spool, done)
        if not failed:
            return not refused
        if len(group) == 1:
            self._blame(spool, group[0])
            return True
        return all(self._give_alone(spool, kept) for kept in (*failed, *refused))

    def _give_alone(self, spool: Spool, kept: Kept) -> bool:
        """Give one body of a group that failed, as soon as the queue is open after the last."""
        return self._queue.wait_until_it_takes(REOPEN_S) and self._give(spool, [kept])

    def _put(self, spool: Spool, group: Sequence[Kept]) -> Iterator[tuple[Kept, Future[Stored]]]:
        for kept in group:
            try:
                raw = kept.unpack()
                mapped = read(raw)
            except Exception as error:  # noqa: BLE001 - whatever it is, it will be so next time
                self._set_aside(spool, kept, f"cannot be read: {error}")
                continue
            yield kept, self._queued(mapped.batch, len(raw.body))

    def _queued(self, batch: Batch, size_bytes: int) -> Future[Stored]:
        stored: Future[Stored] = Future()
        try:
            return self._queue.put(batch, size_bytes=size_bytes)
        except Unavailable as refusal:
            stored.set_exception(refusal)
        return stored

    def _forget(self, spool: Spool, ids: Sequence[int]) -> None:
        if not ids:
            return
        spool.remove(ids)
        self._metrics.drained.inc(len(ids))
        for id_ in ids:
            self._faults.pop((spool.path.name, id_), None)

    def _blame(self, spool: Spool, kept: Kept) -> None:
        """Count a fault against a body; others that were stored meanwhile prove that it is it."""
        key = (spool.path.name, kept.id)
        before = self._faults.get(key, Faults(0, self._commits()))
        faults = self._faults[key] = Faults(before.count + 1, before.commits_before)
        if faults.count >= MAX_FAULTS and self._commits() > faults.commits_before:
            self._set_aside(spool, kept, "the database failed at it several times")
            del self._faults[key]

    def _set_aside(self, spool: Spool, kept: Kept, reason: str) -> None:
        spool.set_aside(kept.id, reason)
        _log.error(
            "a kept body can never be stored and is set aside in %s, id %d: %s",
            spool.path,
            kept.id,
            reason,
        )
