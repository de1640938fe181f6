"""What waits for the database, bounded in bytes.

Receivers put, the writer takes. Backpressure is one exception: `QueueFull`, or whatever the queue
was shut with while the database is away; both hand the body to the spool, and to its sender where
there is none. Nothing ever waits for room.
"""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from goldseam.collector.refusals import QueueFull, Unavailable
from goldseam.storage.records import Batch


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows of one batch are committed, but for those that the database refused for good.

    Attributes:
        refused: One message for each row that was refused.
    """

    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """One batch on its way, and the promise that its sender waits for."""

    batch: Batch
    size_bytes: int
    done: Future[Stored] = field(default_factory=Future)


class IngestQueue:
    """A queue of batches that holds at most `max_bytes`, those being written included."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._waiting: deque[Waiting] = deque()
        self._changed = Condition()
        self._shut_with: Unavailable | None = None
        self._stalled_with: Unavailable | None = None
        self._writing = False
        self._closed = False

    @property
    def held_bytes(self) -> int:
        """Bytes of all batches whose sender has no answer yet."""
        return self._held_bytes

    @property
    def takes(self) -> bool:
        """Whether a batch that came now would find the database at work."""
        return self._shut_with is None and self._stalled_with is None

    def wait_until_it_takes(self, timeout_s: float) -> bool:
        """Wait until `takes` holds or the queue is closed; return whether it takes."""
        with self._changed:
            self._changed.wait_for(lambda: self.takes or self._closed, timeout_s)
            return self.takes

    def put(self, batch: Batch, *, size_bytes: int) -> Future[Stored]:
        """Queue a batch at once or not at all.

        Args:
            batch: The rows.
            size_bytes: What the batch counts for, the size of the body that it came in.

        Returns:
            A future that is done when the rows are committed.

        Raises:
            QueueFull: The bytes held are at their limit.
            Unavailable: The queue is shut, because the database is away or the collector stops.
        """
        with self._changed:
            refusal = self._shut_with or self._stalled_with
            if refusal is not None:
                raise refusal.with_traceback(None)
            if self._held_bytes and self._held_bytes + size_bytes > self._max_bytes:
                raise QueueFull(f"{self._held_bytes} bytes wait for the database: send again later")
            item = Waiting(batch, size_bytes)
            self._held_bytes += size_bytes
            self._waiting.append(item)
            self._changed.notify_all()
        item.done.add_done_callback(lambda _: self._release(size_bytes))
        return item.done

    def take(self, max_rows: int) -> list[Waiting]:
        """Wait until something is there, then return what waits, up to `max_rows` rows.

        A batch is never split, so a single larger one is returned alone. Returns an empty list
        when the queue is closed and empty.
        """
        with self._changed:
            self._writing = False
            self._stalled_with = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            group = self._pop(max_rows)
            self._writing = bool(group)
            return group

    def shut(self, refusal: Unavailable) -> None:
        """Refuse whatever waits and whatever comes, until `open`."""
        with self._changed:
            self._shut_with = refusal
            refused, self._waiting = self._waiting, deque()
        _refuse(refused, refusal)

    def stall(self, refusal: Unavailable) -> None:
        """Refuse whatever waits and whatever comes, until the writer is back for more.

        Does nothing if the writer is at no group, because then it is already back.
        """
        with self._changed:
            if not self._writing:
                return
            self._stalled_with = refusal
            refused, self._waiting = self._waiting, deque()
        _refuse(refused, refusal)

    def open(self) -> None:
        """Take batches again; a closed queue stays closed."""
        with self._changed:
            if not self._closed:
                self._shut_with = None
                self._changed.notify_all()

    def close(self, refusal: Unavailable) -> None:
        """Refuse what comes from now on; what waits is still taken."""
        with self._changed:
            self._closed = True
            self._shut_with = refusal
            self._changed.notify_all()

    def _pop(self, max_rows: int) -> list[Waiting]:
        group: list[Waiting] = []
        rows = 0
        while self._waiting and (not group or rows + len(self._waiting[0].batch) <= max_rows):
            item = self._waiting.popleft()
            if item.done.set_running_or_notify_cancel():
                group.append(item)
                rows += len(item.batch)
        return group

    def _release(self, size_bytes: int) -> None:
        with self._changed:
            self._held_bytes -= size_bytes


def _refuse(items: Iterable[Waiting], refusal: Unavailable) -> None:
    for item in items:
        if item.done.set_running_or_notify_cancel():
            item.done.set_exception(refusal)
