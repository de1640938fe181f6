"""CPU and memory of processes on this machine, as the benchmarks count them."""

import contextlib
from pathlib import Path

import psutil


def cpu_s(pid: int) -> float:
    """Return what a process has used, and what those have that it started and that have ended."""
    return sum(psutil.Process(pid).cpu_times()[:4])


def family_cpu_s(pid: int) -> float:
    """Return what a process and all that it started have used, as PostgreSQL with its backends."""
    process = psutil.Process(pid)
    while True:
        family = [process, *process.children(recursive=True)]
        # Whoever ends meanwhile counts at its parent from then on: all are asked again.
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(cpu_s(each.pid) for each in family)


def family_peak_mib(pid: int) -> float:
    """Return the largest resident memory of a process and of all that it started, added up."""
    process = psutil.Process(pid)
    return sum(peak_mib(each.pid) for each in (process, *process.children(recursive=True)))


def peak_mib(pid: int) -> float:
    """Return the largest resident memory that a process has had; Linux only."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
