"""The process of one subject, seen from the measuring side."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from instrumentation_cost.environments import BENCHMARKS, python_of
from instrumentation_cost.subjects import Subject
from instrumentation_cost.workers import callgrind_command


class WorkerFailedError(RuntimeError):
    """A scenario could not be run; the message says which and why."""


class Worker:
    """One subject's process; a context manager that ends it.

    Args:
        subject: What is measured.
        dumps: Where callgrind writes; None runs without callgrind.
    """

    def __init__(self, subject: Subject, *, dumps: Path | None = None) -> None:
        self.subject = subject
        counting = [] if dumps is None else callgrind_command(dumps)
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*counting, str(python_of(subject)), "-m", "recovery_weather.worker", subject.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=BENCHMARKS,
            env={**kept, "PYTHONPATH": str(BENCHMARKS), **subject.variables},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Have one scenario run and return its outcome.

        Raises:
            WorkerFailedError: It failed, or the process ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerFailedError("no pipes")
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "it ended"}
        if failed := answer.get("failed"):
            raise WorkerFailedError(f"{self.subject.name}: {failed}")
        return answer
