"""CPU of a process of the database, read from /proc; so the server must run on this Linux."""

from os import sysconf
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Return the seconds that a process has worked, in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")
