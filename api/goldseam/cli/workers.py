"""Several processes on one port: the parent starts them, replaces those that die, and stops them.

`goldseam collector` and `goldseam api` run so with `--workers`. The kernel deals new connections
out among the processes that listen on the port (SO_REUSEPORT). Each collector has its own spool
file and its own writer; nothing that decides a row is in a process's memory.
"""

import contextlib
import logging
import multiprocessing
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from goldseam.cli import logs, serve
from goldseam.cli.worker_metrics import MetricsOfAll, Worker

RESTART_AFTER_S: Final = 1.0
"""A worker that dies at once is not started in a circle."""

STOP_MARGIN_S: Final = 15.0
"""Beyond its drain, what a worker may take to end before it is killed."""

_START_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.2

_spawn: Final = multiprocessing.get_context("spawn")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """What all workers share.

    Attributes:
        name: Of the service.
        build: Makes the application, in each worker's process.
        address: Host and port of HTTP.
        log_format: How the log looks.
        tls: Files for TLS.
        drain_s: What answering all that is in flight may take.
    """

    name: str
    build: Callable[[], Any]
    address: tuple[str, int]
    log_format: logs.LogFormat
    tls: serve.Tls | None = None
    drain_s: float = serve.DRAIN_LIMIT_S


@contextlib.contextmanager
def running(port: Port, count: int, stop: threading.Event) -> Iterator[None]:
    """Run `count` workers until the block ends; then each answers what is in flight.

    Args:
        port: What they share; its ports are held by the caller.
        count: How many.
        stop: Set by the caller when no dead worker is to be replaced any more.

    Raises:
        serve.WorkersFailedError: One did not start.
    """
    with tempfile.TemporaryDirectory(prefix="goldseam-") as folder:
        started = [_start(port, Worker(number, Path(folder))) for number in range(count)]
        try:
            processes = [each.wait(stop) for each in started]
        except serve.WorkersFailedError:
            _stop([each.process for each in started], STOP_MARGIN_S)
            raise
        watcher = threading.Thread(
            target=_replace_dead, args=(port, processes, Path(folder), stop), name="goldseam-watch"
        )
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            _stop(processes, port.drain_s + STOP_MARGIN_S)


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that was started, and where it says that it takes requests."""

    process: SpawnProcess
    ready: "connection.Connection[bool, bool]"

    def wait(self, stop: threading.Event) -> SpawnProcess:
        """Return the process once it takes requests, or is not wanted any more.

        Raises:
            WorkersFailedError: It has ended, or takes too long.
        """
        deadline_s = time.monotonic() + _START_LIMIT_S
        while not connection.wait([self.ready, self.process.sentinel], _POLL_S):
            if stop.is_set():
                return self.process
            if time.monotonic() > deadline_s:
                break
        try:
            is_ready = self.ready.poll() and self.ready.recv()
        except EOFError:
            is_ready = False
        if not is_ready:
            self.process.kill()
            raise serve.WorkersFailedError
        return self.process


def _start(port: Port, worker: Worker) -> _Started:
    ready, told = _spawn.Pipe(duplex=False)
    process = _spawn.Process(
        target=_work, args=(port, worker, told), name=f"goldseam-worker-{worker.number}"
    )
    process.start()
    told.close()
    return _Started(process, ready)


def _replace_dead(
    port: Port, processes: list[SpawnProcess], folder: Path, stop: threading.Event
) -> None:
    while not stop.wait(RESTART_AFTER_S):
        for number, process in enumerate(processes):
            if process.is_alive():
                continue
            _log.error("worker %d ended with %s; another one starts", number, process.exitcode)
            with contextlib.suppress(serve.WorkersFailedError):  # the next round tries again
                processes[number] = _start(port, Worker(number, folder)).wait(stop)


def _stop(processes: list[SpawnProcess], timeout_s: float) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(timeout_s)
        if process.is_alive():
            _log.error("%s did not end in time and is killed", process.name)
            process.kill()


def _work(port: Port, worker: Worker, told: "connection.Connection[bool, bool]") -> None:
    """Be one worker until SIGTERM or the parent's end; Ctrl-C is the parent's business."""
    stop = threading.Event()
    threading.Thread(target=_outlive_nobody, args=(stop,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logs.set_up(port.log_format)
    listener = serve.share(port.address)
    app = MetricsOfAll(port.build(), worker)
    with serve.running([serve.Service(port.name, app, listener, port.tls)]):
        told.send(True)  # noqa: FBT003 - a message
        stop.wait()


def _outlive_nobody(stop: threading.Event) -> None:
    """Stop when the parent is gone: nobody would replace this worker, and the port stays taken."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        stop.set()
