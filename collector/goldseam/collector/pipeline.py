"""The collector's inside, put together: queue, writer, keeper, spool and drain.

`app` makes one and gives its `ingest` to the receivers. It says in which order the threads start
and stop, and what the probes tell of them.
"""

import logging
import time

from goldseam.collector import spool as spools
from goldseam.collector.drain import Drain
from goldseam.collector.ingest import Ingest
from goldseam.collector.keeper import Keeper
from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue
from goldseam.collector.settings import CollectorSettings
from goldseam.collector.spool import Spool, SpoolLimits
from goldseam.collector.writer import Clock, Connect, Writer

_log = logging.getLogger(__name__)


class Pipeline:
    """Everything between the receivers and the database.

    Args:
        settings: Sizes, times, and the folder of the spool.
        connect: Opens a connection that may write.
        metrics: Where all parts count.
        clock: Gives the time that `updated_at` gets.

    Raises:
        SpoolError: The spool cannot be opened.
    """

    def __init__(
        self, settings: CollectorSettings, *, connect: Connect, metrics: Metrics, clock: Clock
    ) -> None:
        self._stop_within_s = settings.drain_timeout_s
        queue = IngestQueue(max_bytes=settings.queue_bytes)
        metrics.queue_bytes.set_function(lambda: queue.held_bytes)
        self._writer = Writer(
            queue,
            connect=connect,
            max_rows=settings.rows_per_transaction,
            metrics=metrics,
            clock=clock,
        )
        self._spool: Spool | None = None
        self._drain: Drain | None = None
        if settings.data_dir is not None:
            limits = SpoolLimits(settings.spool_bytes, settings.spool_max_age_s)
            spool = self._spool = spools.claim(settings.data_dir / "spool", limits)
            _watch(spool, metrics)
            self._drain = Drain(
                spool,
                limits,
                queue=queue,
                commits=lambda: self._writer.commits,
                metrics=metrics,
            )
        self._keeper = Keeper(
            queue, self._spool, ack_timeout_s=settings.ack_timeout_s, metrics=metrics
        )
        self.ingest = Ingest(queue=queue, keeper=self._keeper, metrics=metrics)

    @property
    def away(self) -> str | None:
        """Why the writer can store nothing now, None while it can."""
        return self._writer.away

    @property
    def ended_thread(self) -> str | None:
        """The name of a thread that should run and does not."""
        alive = {"the writing thread": self._writer.alive, "the keeping thread": self._keeper.alive}
        return next((name for name, runs in alive.items() if not runs), None)

    def spool_state(self) -> tuple[str, str | None]:
        """Return what waits in the spool, as words for a probe, and why it takes nothing more."""
        if self._spool is None:
            return "", "there is no spool"
        kept = f"; {self._spool.bodies} bodies wait in the spool" if self._spool.bodies else ""
        refusal = self._spool.failing or self._spool.refusal()
        return kept, None if refusal is None else str(refusal)

    def start(self, grace_s: float) -> None:
        """Start everything, and wait up to `grace_s` for a first connection."""
        self._keeper.start()
        self._writer.start()
        self._writer.wait_tried(grace_s)
        if self._drain is not None:
            self._drain.start()

    def stop(self) -> None:
        """Write what waits or keep it, answer everybody, end the threads, close the spool."""
        deadline_s = time.monotonic() + self._stop_within_s

        def left_s() -> float:
            return max(0.1, deadline_s - time.monotonic())

        if not self._writer.stop(left_s()):
            _log.warning("stopped before everything was written; its senders will repeat it")
        self._keeper.stop(left_s())
        drained = self._drain is None or self._drain.stop(left_s())
        if self._spool is not None and drained:
            self._spool.close()


def _watch(spool: Spool, metrics: Metrics) -> None:
    metrics.spool_bodies.set_function(lambda: spool.bodies)
    metrics.spool_bytes.set_function(lambda: spool.held_bytes)
    metrics.spool_age.set_function(lambda: spool.oldest_age_s)
    metrics.spool_set_aside.set_function(lambda: spool.set_aside_bodies)
