"""A process that measures one subject, seen from the orchestrating side."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from instrumentation_cost.environments import BENCHMARKS, python_of
from instrumentation_cost.subjects import Subject


class WorkerFailedError(RuntimeError):
    """A measurement could not be taken; the message says which and why."""


class Worker:
    """One subject's process; a context manager that ends it.

    Args:
        subject: What is measured.
        dumps: Where callgrind writes; None runs without callgrind.
        log: Where its stderr goes.
    """

    def __init__(self, subject: Subject, log: Path, *, dumps: Path | None = None) -> None:
        self.subject = subject
        self._log = log
        command = []
        if dumps is not None:
            command += callgrind_command(dumps)
        command += [str(python_of(subject)), "-m", "instrumentation_cost.worker", subject.name]
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=BENCHMARKS,
                env=_environment(subject),
            )
        self.ask("prepare")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.end()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give one command and return its answer.

        Raises:
            WorkerFailedError: The command failed or the process ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerFailedError("no pipes")
        stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        stdin.flush()
        line = stdout.readline()
        answer: dict[str, Any] = (
            json.loads(line) if line else {"failed": f"it ended; see {self._log}"}
        )
        if failed := answer.get("failed"):
            raise WorkerFailedError(f"{self.subject.name}: {do} {arguments}: {failed}")
        return answer

    def end(self) -> None:
        """Let the process end and wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def callgrind_command(dumps: Path) -> list[str]:
    """Return what stands before a command whose instructions are counted."""
    return [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--smc-check=all-non-file",
        f"--callgrind-out-file={dumps}/callgrind.out.%p",
    ]


def _environment(subject: Subject) -> dict[str, str]:
    """Return the variables of a worker: nothing of the caller's telemetry settings."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return {
        **kept,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(BENCHMARKS),
        "PYTHONDONTWRITEBYTECODE": "",
        **subject.variables,
    }
