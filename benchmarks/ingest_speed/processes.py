"""CPU and memory of processes, read from /proc; so the server must run on this Linux."""

from os import sysconf
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = sysconf("SC_CLK_TCK")
_STARTED_BY, _USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM = 1, 11, 12, 13, 14
"""Places in `/proc/…/stat` after the name of the program."""


def cpu_s(pid: int) -> float:
    """Return what a process has used, and what those have that it started and that have ended."""
    fields = _fields(pid)
    ticks = sum(int(fields[i]) for i in (_USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM))
    return ticks / _TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """Return what a process and all that it started have used, as PostgreSQL with its backends."""
    return cpu_s(pid) + sum(family_cpu_s(child) for child in _started_by(pid))


def peak_mib(pid: int) -> float:
    """Return the largest resident memory that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _started_by(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int(_fields(int(path.name))[_STARTED_BY]) == pid:
                found.append(int(path.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
