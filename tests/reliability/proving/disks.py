"""Fills the disk under the spool, and the one under PostgreSQL, while four writers write.

The disks are small tmpfs; where nobody may mount one, the trial says so and tries nothing.
"""

import errno
import http.client
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc  # type: ignore[import-untyped] # ships no types
import psutil
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # ships no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # as above
from proving.judging import judge
from proving.sending import Answer, Writers, body_of, over_http, post
from proving.servers import (
    Collector,
    ask,
    collector,
    forget,
    is_drained,
    postgres,
    postmaster,
    wait_until,
)
from proving.trial import Outcome, Task, say

SPOOL_DISK_MIB: Final = 20
MORE_MIB: Final = 4
PADDING_BYTES: Final = 65_536
"""Of each probe, so that a disk is full soon."""
DATABASE_DISK_MIB: Final = 256
LEFT_KIB: Final = 256

_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class MountNotPermittedError(Exception):
    """This process may not mount anything."""


@contextmanager
def small_disk(folder: Path, *, mib: int) -> Iterator[Path]:
    """Mount a tmpfs.

    Raises:
        MountNotPermittedError: That is not allowed here.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False, text=True)
    except FileNotFoundError as error:
        raise MountNotPermittedError(str(error)) from error
    if done.returncode:
        raise MountNotPermittedError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def run_spool(task: Task) -> Outcome:
    """Take the database away until the spool's disk is full, make room, fill it, bring it back."""
    try:
        with small_disk(task.folder / "data", mib=SPOOL_DISK_MIB) as data:
            return _fill_spool(task, data)
    except MountNotPermittedError as error:
        return _skipped(error)


def run_database(task: Task) -> Outcome:
    """Fill the disk of PostgreSQL while it writes, then make room on it."""
    try:
        with small_disk(task.folder / "pg", mib=DATABASE_DISK_MIB) as data:
            return _fill_database(task, data)
    except MountNotPermittedError as error:
        return _skipped(error)


def _skipped(error: Exception) -> Outcome:
    return Outcome(tried="nothing", skipped=f"a tmpfs cannot be mounted here ({error})")


def _fill_spool(task: Task, data: Path) -> Outcome:
    broken = []
    with postgres(task.folder / "pg") as server, collector(server.url, data) as running:
        writers = Writers(over_http(running.port))
        with writers.running():
            server.stop()
            probe = Probe(running, writers)
            filled_s = wait_until(probe.is_refused, "a refusal")
            broken += _what_a_full_spool_says(running, probe)
            say(f"full after {filled_s:.1f} s")
            _resize(data, mib=SPOOL_DISK_MIB + MORE_MIB)
            wait_until(lambda: not probe.is_refused(), "room")
            wait_until(probe.is_refused, "a second refusal")
            bodies = int(running.metric("goldseam_collector_spool_bodies"))
            server.start()
            drained_s = wait_until(lambda: is_drained(running.port), "an empty spool")
            writers.finish()
            wait_until(lambda: is_drained(running.port), "an empty spool")
        figures = (
            f"{bodies:,} bodies were on the disk when it was full for the second time; with the "
            f"disk still full, all were stored {drained_s:.1f} s after the database's start"
        )
        tried = f"{SPOOL_DISK_MIB} MiB tmpfs filled, enlarged, filled; 4 writers"
        return judge(server.url, writers, tried=tried, figures=figures, broken=broken)


def _fill_database(task: Task, disk: Path) -> Outcome:
    broken = []
    with postgres(disk) as server, collector(server.url, task.folder / "data") as running:
        writers = Writers(over_http(running.port))
        with writers.running():
            wait_until(lambda: len(writers.acknowledged) > 0, "the first acknowledgement")
            ballast = _fill(disk)
            filled_s = wait_until(
                lambda: running.metric("goldseam_collector_spooled_total") > 0, "the spool's use"
            )
            time.sleep(task.chance.uniform(1.0, 3.0))
            said = ask(running.port, "/readyz")
            runs = _runs(postmaster(server)) if _pid_file(disk).exists() else False
            say(f"full after {filled_s:.1f} s, PostgreSQL {'runs' if runs else 'ended'}: {said}")
            if not said.startswith("ready"):
                broken.append(f"/readyz: {said}")
            ballast.unlink()
            if not (_pid_file(disk).exists() and _runs(postmaster(server))):
                forget(server)
                server.start()
            writers.finish()
            stored_s = wait_until(lambda: is_drained(running.port), "an empty spool")
        figures = (
            f"PostgreSQL {'ran on' if runs else 'ended'}; the spool took over, all stored "
            f"{stored_s:.1f} s after there was room"
        )
        tried = f"{DATABASE_DISK_MIB} MiB tmpfs filled under load; 4 writers"
        return judge(server.url, writers, tried=tried, figures=figures, broken=broken)


class Probe:
    """Sends bodies one by one, to see what is answered now; its spans count with the writers'."""

    def __init__(self, running: Collector, writers: Writers) -> None:
        self._running = running
        self._writers = writers
        self._number = 0

    def is_refused(self) -> bool:
        """Tell whether a body is refused for now."""
        return self.answer().status == http.client.SERVICE_UNAVAILABLE

    def answer(self) -> Answer:
        """Return what HTTP answers."""
        name, body = self._next()
        answer = post(self._running.port, body)
        if answer.status == http.client.OK:
            self._writers.acknowledged.add(name)
        return answer

    def refusal(self) -> Answer:
        """Return the first refusal: a small body may still find room on a full disk."""
        while (answer := self.answer()).status == http.client.OK:
            pass
        return answer

    def refusal_over_grpc(self) -> grpc.RpcError:
        """Return the first refusal over gRPC."""
        with grpc.insecure_channel(f"127.0.0.1:{self._running.grpc_port}") as channel:
            while True:
                name, body = self._next()
                try:
                    channel.unary_unary(_EXPORT)(body, timeout=20)
                except grpc.RpcError as error:
                    return error
                self._writers.acknowledged.add(name)

    def _next(self) -> tuple[str, bytes]:
        self._number += 1
        name = f"probe/{self._number}"
        self._writers.sent.add(f"{name}/0")
        return f"{name}/0", body_of(name, spans=1, padding_bytes=PADDING_BYTES)


def _what_a_full_spool_says(running: Collector, probe: Probe) -> list[str]:
    """Return what is wrong with the answers, probes and metrics of a collector with a full disk."""
    answer, error = probe.refusal(), probe.refusal_over_grpc()
    ready = ask(running.port, "/readyz")
    promises = {
        f"HTTP answers {answer.status}": answer.status == http.client.SERVICE_UNAVAILABLE,
        "503 has no Retry-After": answer.headers.get("retry-after") == "1",
        "503 does not say what to do": b"make room" in answer.body,
        f"gRPC answers {error.code()}": error.code() is grpc.StatusCode.UNAVAILABLE,
        "gRPC's refusal has no RetryInfo": _has_retry_info(error),
        f"/readyz does not tell: {ready}": "make room" in ready,
        "/healthz fails": ask(running.port, "/healthz").startswith("ok"),
        "metrics do not tell that the database is away": (
            running.metric("goldseam_collector_database_up") == 0
        ),
        "metrics show no waiting bodies": running.metric("goldseam_collector_spool_bodies") > 0,
    }
    return [wrong for wrong, holds in promises.items() if not holds]


def _has_retry_info(error: grpc.RpcError) -> bool:
    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    return any(detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details)


def _resize(folder: Path, *, mib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={mib}m", str(folder)], check=True)


def _fill(disk: Path) -> Path:
    """Leave next to nothing on a disk; return the file that takes the room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            file.write(bytes(psutil.disk_usage(str(disk)).free - LEFT_KIB * 1024))
        except OSError as error:  # others write at the same time
            if error.errno != errno.ENOSPC:
                raise
    return ballast


def _pid_file(disk: Path) -> Path:
    return disk / "postgres" / "postmaster.pid"


def _runs(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
