"""Runs a trial in a process and a folder of its own, and clears up whatever it left behind."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from proving.trial import Outcome, Scale, Task, Trial


@dataclass(frozen=True, slots=True)
class Ran:
    """A trial that was run."""

    trial: Trial
    outcome: Outcome
    took_s: float

    @property
    def is_kept(self) -> bool:
        """Whether no promise was broken."""
        return not self.outcome.broken

    @property
    def verdict(self) -> str:
        """In one line."""
        if self.outcome.skipped:
            return f"not tried: {self.outcome.skipped}"
        return "kept" if self.is_kept else f"BROKEN: {'; '.join(self.outcome.broken)}"


def run(trial: Trial, scale: Scale, *, seed: int) -> Ran:
    """Run a trial; whatever becomes of it, this returns and nothing of it is left."""
    began_s = time.monotonic()
    with _folder() as folder:
        task = Task(scale, folder, Random(f"{seed}/{trial.name}"))  # noqa: S311 - no secret
        outcome = _in_process(trial, task)
    return Ran(trial, outcome, time.monotonic() - began_s)


def _in_process(trial: Trial, task: Task) -> Outcome:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_and_tell, args=(trial, task, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(trial.limit_s):
            return Outcome(tried="", broken=[f"not over after {trial.limit_s:.0f} s"])
        outcome: Outcome = ours.recv()
    except EOFError:
        return Outcome(tried="", broken=["its process died"])
    else:
        return outcome
    finally:
        with suppress(ProcessLookupError):  # it leads a group: with it ends what it has started
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()


def _run_and_tell(trial: Trial, task: Task, to: Connection) -> None:
    os.setpgid(0, 0)
    try:
        outcome = trial.run(task)
    except Exception as error:  # noqa: BLE001 - a trial that fails is a verdict
        traceback.print_exc()
        outcome = Outcome(tried="", broken=[f"{type(error).__name__}: {error}"])
    to.send(outcome)


@contextmanager
def _folder() -> Iterator[Path]:
    """Give an empty folder; afterwards no server runs in it, nothing is mounted, it is gone."""
    folder = Path(tempfile.mkdtemp(prefix="goldseam-"))
    folder.chmod(0o755)  # as root, PostgreSQL runs as another user
    try:
        yield folder
    finally:
        for pid_file in folder.glob("**/postmaster.pid"):
            with suppress(OSError, ValueError, IndexError):
                os.kill(int(pid_file.read_text(encoding="ascii").split()[0]), signal.SIGQUIT)
        mounts = Path("/proc/mounts")
        for line in mounts.read_text(encoding="utf-8").splitlines() if mounts.exists() else ():
            if (place := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(folder, ignore_errors=True)
