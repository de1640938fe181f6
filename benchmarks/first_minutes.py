"""Counts what somebody gets who tries Goldseam for the first time: packages, megabytes, seconds.

    python benchmarks/first_minutes.py --write docs/benchmarks.md

Makes an empty virtual environment and an empty home, installs this tree as the README says, starts
`goldseam up`, runs `examples/ask.py` under `goldseam run`, and waits until its call is in the API's
list. Fetches packages from the package registry; the provider is a scripted one on loopback.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import document
import psutil

from goldseam.recovery.testing import ScriptedProvider

ROOT = Path(__file__).resolve().parents[1]
STARTS = 3
EXTRAS = "otlp,server,embedded"
IDLE_S = 10.0
"""Given to finish what starting has begun."""

WAIT_S = 120.0
POLL_S = 0.02
LIMITS = {
    "distributions": 60,
    "installed, MB": 200,
    "healthy, s": 5,
    "first trace in the API, s": 10,
    "idle memory, MB": 250,
}
_OF_THE_ENVIRONMENT = frozenset({"pip", "setuptools", "wheel", "goldseam"})
_INTRODUCTION = """
## The first five minutes

What the README's `pip install '.[otlp,server,embedded]'` brings into an empty environment, and
how long `goldseam up` takes in an empty home: until API and collector say that they are ready,
and until the call of a first program, started then under `goldseam run`, is in the API's list.
Memory is that of all processes, PostgreSQL's included, ten seconds after the call; pages that
processes share count once (PSS). `python benchmarks/first_minutes.py` writes it.
"""
_SMALL = 20
"""Figures below get a decimal."""


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took, in seconds and megabytes."""

    healthy_s: float
    first_trace_s: float
    idle_mb: float
    processes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, start some times, print; return 1 where a limit is missed."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="gs-first-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, PostgreSQL runs as another user
        began_s = time.monotonic()
        site = _install(folder / "venv", options.extras)
        installed_s = time.monotonic() - began_s
        found = {
            "distributions": float(len(_distributions(folder / "venv"))),
            "installed, MB": _size_mb(site),
        }
        _pip(folder / "venv", "install", "--quiet", "openai")  # the first program's own
        starts = [_start(folder, number) for number in range(options.starts)]
        found |= {
            "healthy, s": statistics.median(each.healthy_s for each in starts),
            "first trace in the API, s": statistics.median(each.first_trace_s for each in starts),
            "idle memory, MB": statistics.median(each.idle_mb for each in starts),
        }
    table = _table(found, starts, installed_s, options.extras)
    print(table)
    if options.write is not None:
        document.put(options.write, table, name="first-minutes", introduction=_INTRODUCTION)
    return int(any(found[what] > limit for what, limit in LIMITS.items()))


def _install(venv: Path, extras: str) -> Path:
    """Install this tree as its README says; return the folder where it went."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    _pip(venv, "install", "--quiet", f"{ROOT}[{extras}]")
    return next((venv / "lib").glob("python*/site-packages"))


def _distributions(venv: Path) -> list[str]:
    listed = _pip(venv, "list", "--format=json")
    names = {str(each["name"]).lower() for each in json.loads(listed)}
    return sorted(names - _OF_THE_ENVIRONMENT)


def _pip(venv: Path, *arguments: str) -> str:
    command = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _size_mb(site: Path) -> float:
    """Return what lies there without pip, which every environment has."""
    tools = ("pip", "setuptools", "wheel", "_distutils_hack")
    files = [path for path in site.rglob("*") if path.is_file() and not path.is_symlink()]
    kept = [path for path in files if not path.relative_to(site).parts[0].startswith(tools)]
    return sum(path.stat().st_size for path in kept) / 1e6


def _start(folder: Path, number: int) -> Start:
    home = folder / f"home-{number}"
    home.mkdir()
    home.chmod(0o755)
    ports = [_free_port() for _ in range(3)]
    api, otlp = (f"http://127.0.0.1:{port}" for port in ports[:2])
    began_s = time.monotonic()
    with _up(folder / "venv" / "bin", home, ports) as up:
        _wait(lambda: _ask(f"{api}/readyz") is not None and _ask(f"{otlp}/readyz") is not None)
        healthy_s = time.monotonic() - began_s
        _ask_the_provider(folder / "venv" / "bin", home, otlp)
        _wait(lambda: bool(json.loads(_ask(f"{api}/api/v1/ai/logs/recent") or "[]")))
        first_trace_s = time.monotonic() - began_s
        time.sleep(IDLE_S)
        processes = _family(up.pid, home)
        idle_mb = sum(process.memory_full_info().pss for process in processes) / 1e6
    print(f"start {number + 1}: {healthy_s:.1f} s, {first_trace_s:.1f} s, {idle_mb:.0f} MB")
    return Start(healthy_s, first_trace_s, idle_mb, len(processes))


@contextmanager
def _up(programs: Path, home: Path, ports: Sequence[int]) -> Iterator[subprocess.Popen[bytes]]:
    flags = ("--api-port", "--otlp-http-port", "--otlp-grpc-port")
    wanted = [word for pair in zip(flags, map(str, ports), strict=True) for word in pair]
    process = subprocess.Popen(
        [programs / "goldseam", "up", "--data-dir", home / "data", *wanted],
        env=_environment(home),
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _ask_the_provider(programs: Path, home: Path, otlp: str) -> None:
    program = ROOT / "examples" / "ask.py"
    with ScriptedProvider() as provider:
        subprocess.run(
            [programs / "goldseam", "run", "--endpoint", otlp, "--", programs / "python", program],
            check=True,
            stdout=subprocess.DEVNULL,
            env=_environment(home)
            | {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "none"},
        )


def _environment(home: Path) -> dict[str, str]:
    """Return what a new user's shell has."""
    return {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath)}


def _family(pid: int, home: Path) -> list[psutil.Process]:
    """Return the processes of `goldseam up`; PostgreSQL, which names the folder, is no child."""
    first = [psutil.Process(pid)]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(home) in " ".join(words) and Path(words[0]).name == "postgres":
            first.append(process)
    return [each for process in first for each in (process, *process.children(recursive=True))]


def _wait(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError("it did not get there")
        time.sleep(POLL_S)


def _ask(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode())
    except (OSError, urllib.error.HTTPError):
        return None


def _free_port() -> int:
    import socket  # noqa: PLC0415 - nothing else here needs it

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _table(
    found: dict[str, float], starts: Sequence[Start], installed_s: float, extras: str
) -> str:
    def line(what: str, value: float) -> str:
        limit = LIMITS[what]
        shown = f"{value:.0f}" if value >= _SMALL else f"{value:.1f}"
        return f"| {what} | {shown} | {limit} | {'kept' if value <= limit else 'missed'} |"

    spread = ", ".join(f"{each.healthy_s:.1f}/{each.first_trace_s:.1f}" for each in starts)
    where = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {sys.version.split()[0]}"
    how = f"medians of {len(starts)} starts (healthy/first trace: {spread} s)"
    return "\n".join(
        [
            "; ".join((where, how, f"installing `.[{extras}]` took {installed_s:.0f} s")),
            "",
            "| what | found | limit | verdict |",
            "|---|---|---|---|",
            *(line(what, value) for what, value in found.items()),
        ]
    )


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extras", default=EXTRAS, help=f"what is installed ({EXTRAS})")
    parser.add_argument("--starts", type=int, default=STARTS, help=f"of `goldseam up` ({STARTS})")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
