"""The thread that sees to it that no sender waits too long.

Called by `ingest`. What the database does not take in time goes to the spool and is answered. One
transaction of the spool, and so one fsync, carries all bodies that wait for it. Without a spool
the senders are refused instead, and repeat.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial

from goldseam.collector.mapping import Mapped
from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue, Stored
from goldseam.collector.refusals import SpoolFull, StorageAway, StorageSlow, Unavailable
from goldseam.collector.spool import Raw, Spool

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a sender is told once its body is committed or fsynced.

    Attributes:
        mapped: What the body amounts to.
        refused: One message for each row that the database refused for good.
    """

    mapped: Mapped
    refused: tuple[str, ...] = ()


def _running() -> Future[Accepted]:
    """Return a future that a sender who hangs up does not cancel: others may hold it."""
    future: Future[Accepted] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(slots=True, eq=False)
class Submission:
    """One body on its way, and the answer that its sender waits for.

    Attributes:
        taken: Whether somebody is about to answer it; others then keep off.
        refusal: What its sender is told if there is no spool.
    """

    raw: Raw
    mapped: Mapped
    accepted: Future[Accepted] = field(default_factory=_running)
    taken: bool = False
    due_s: float = 0.0
    refusal: Unavailable | None = None


class Keeper:
    """Owns the thread.

    Args:
        queue: Told to refuse what comes while the database is slow.
        spool: Where bodies are kept, None if there is none.
        ack_timeout_s: How long a body may wait for its commit.
        metrics: Where kept bodies are counted.
    """

    def __init__(
        self, queue: IngestQueue, spool: Spool | None, *, ack_timeout_s: float, metrics: Metrics
    ) -> None:
        self._queue = queue
        self._spool = spool
        self._ack_timeout_s = ack_timeout_s
        self._metrics = metrics
        self._changed = threading.Condition()
        self._watched: deque[tuple[Submission, Future[Stored]]] = deque()
        self._to_keep: list[Submission] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="goldseam-keeper", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Keep and answer what was handed over, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def watch(self, submission: Submission, stored: Future[Stored]) -> None:
        """Answer once `stored` is done, and keep the body if that takes too long."""
        submission.due_s = time.monotonic() + self._ack_timeout_s
        with self._changed:
            if not self._watched:
                self._changed.notify()
            self._watched.append((submission, stored))
        # The submission does not know the future: a circle of the two would outlive the answer.
        stored.add_done_callback(partial(self._settle, submission))

    def keep(self, submission: Submission, refusal: Unavailable) -> None:
        """Keep a body that the database does not take; `refusal` says why not."""
        submission.refusal = refusal
        with self._changed:
            if submission.taken:
                return
            submission.taken = True
            self._to_keep.append(submission)
            self._changed.notify()

    def _settle(self, submission: Submission, stored: Future[Stored]) -> None:
        try:
            answer = Accepted(submission.mapped, stored.result().refused)
        except CancelledError:
            return  # this thread has given it up and keeps the body
        except StorageAway as refusal:
            self.keep(submission, refusal)
            return
        except Exception as error:  # noqa: BLE001 - a refusal is the sender's answer
            if self._take(submission):
                submission.accepted.set_exception(error)
            return
        if self._take(submission):
            submission.accepted.set_result(answer)

    def _take(self, submission: Submission) -> bool:
        with self._changed:
            if submission.taken:
                return False
            submission.taken = True
            self._forget_taken()
            return True

    def _run(self) -> None:
        while self._round():
            pass

    def _round(self) -> bool:
        """Wait for something to keep and keep it; return False at the end."""
        with self._changed:
            if not self._to_keep and not self._closed:
                self._changed.wait(self._next_due_in_s())
            overdue = self._overdue()
            group, self._to_keep = [*self._to_keep, *(late for late, _ in overdue)], []
            if self._closed and not group:
                return False
        if overdue:
            self._queue.stall(_slow(self._ack_timeout_s))
        for _, stored in overdue:
            stored.cancel()
        self._answer(group)
        return True

    def _next_due_in_s(self) -> float | None:
        self._forget_taken()
        return max(0.0, self._watched[0][0].due_s - time.monotonic()) if self._watched else None

    def _forget_taken(self) -> None:
        while self._watched and self._watched[0][0].taken:
            self._watched.popleft()

    def _overdue(self) -> list[tuple[Submission, Future[Stored]]]:
        """Take what has waited too long for its commit."""
        now_s = time.monotonic()
        overdue = []
        while self._watched and self._watched[0][0].due_s <= now_s:
            submission, stored = self._watched.popleft()
            if not submission.taken:
                submission.taken = True
                submission.refusal = _slow(self._ack_timeout_s)
                overdue.append((submission, stored))
        return overdue

    def _answer(self, group: Sequence[Submission]) -> None:
        """Keep all bodies of a group in one transaction; if that fails, as many as will fit."""
        if not group:
            return
        if self._spool is None:
            for submission in group:
                submission.accepted.set_exception(submission.refusal)
            return
        try:
            self._spool.append([submission.raw for submission in group])
        except SpoolFull as full:
            self._refuse_or_split(group, full)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("the spool failed; please report this")
            self._refuse_or_split(group, SpoolFull(f"the spool fails: {error}"))
        else:
            self._metrics.spooled.inc(len(group))
            for submission in group:
                submission.accepted.set_result(Accepted(submission.mapped))

    def _refuse_or_split(self, group: Sequence[Submission], full: SpoolFull) -> None:
        if len(group) == 1:
            group[0].accepted.set_exception(full)
            return
        half = len(group) // 2
        self._answer(group[:half])
        self._answer(group[half:])


def _slow(ack_timeout_s: float) -> StorageSlow:
    return StorageSlow(f"the database needed longer than {ack_timeout_s} s: send again")
