"""Kills programs with SIGKILL while Goldseam mends their calls; what do the tables say of those?

Two scripted providers refuse a call once or twice and then keep its next attempt waiting, so that
the program dies in a fallback or in a retry. What was exported before must be there; each call that
died must have a row that says so.
"""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import IO, Final

import psycopg
from proving.application import THREADS
from proving.servers import collector, postgres, wait_until
from proving.trial import Outcome, Task, say

from goldseam.recovery.testing import Reply, Request, ScriptedProvider, chat, error, hang
from goldseam.storage.embedded import EmbeddedPostgres

CALLS_BEFORE: Final = 3
PENDING_TIMEOUT_S: Final = 3.0
MAX_LEFT_S: Final = 1.0
"""A program lives for a random part of it once its calls are announced, which they are after half a
second in flight, and its first export is acknowledged."""

_PROGRAM: Final = Path(__file__).with_name("application.py")
_CONFIG: Final = """
[recovery]
mode = "on"
deadline_s = 60.0
fallback = ["backup"]

[providers.openai]
base_url = "{primary}"
api_key_env = "OPENAI_API_KEY"

[providers.backup]
base_url = "{backup}"
models = {{ "gpt-4o-mini" = "llama3.1" }}
"""


class Bad:
    """What both providers answer: a call that gets stuck is refused first, then kept waiting."""

    def __init__(self) -> None:
        self.stuck: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Answer one attempt."""
        name = request.prompt
        if not name.endswith("/stuck"):
            return chat("nine")
        refusals = 1 + sum(name.encode()) % 2
        with self._lock:
            self._attempts[name] += 1
            if self._attempts[name] <= refusals:
                return error(503)
            self.stuck.add(name)
        return hang()


def run(task: Task) -> Outcome:
    """Kill programs one after the other, then wait until their calls are given up."""
    rounds = task.scale.applications
    acknowledged: set[str] = set()
    bad = Bad()
    with (
        postgres(task.folder / "pg") as server,
        collector(server.url, task.folder / "data", pending_timeout_s=PENDING_TIMEOUT_S) as running,
        ScriptedProvider(respond=bad.answer) as primary,
        ScriptedProvider(respond=bad.answer) as backup,
    ):
        config = task.folder / "goldseam.toml"
        config.write_text(_CONFIG.format(primary=primary.base_url, backup=backup.base_url))
        environment = os.environ | {
            "OPENAI_BASE_URL": primary.base_url,
            "OPENAI_API_KEY": "none",
            "GOLDSEAM_CONFIG": str(config),
        }
        for number in range(rounds):
            told = task.folder / f"told-{number}"
            with told.open("w") as file:
                program = _start(number, f"http://127.0.0.1:{running.port}", environment, file)
            try:
                wait_until(partial(_is_underway, number, server, bad, told), "calls under way")
                time.sleep(task.chance.uniform(0.0, MAX_LEFT_S))
            finally:
                program.kill()
                program.wait()
            acknowledged |= set(told.read_text().split())
            if number % 5 == 4:
                say(f"{number + 1} of {rounds} killed")
        waited_s = wait_until(
            lambda: "pending" not in _statuses(server).values(), "calls to be given up"
        )
        return _judge(server, acknowledged, bad.stuck, rounds, waited_s)


def _start(
    number: int, url: str, environment: dict[str, str], told: IO[str]
) -> subprocess.Popen[bytes]:
    """Start a program that writes down what was acknowledged."""
    command = [sys.executable, str(_PROGRAM), str(number), str(CALLS_BEFORE), url]
    return subprocess.Popen(command, env=environment, stdout=told)


def _is_underway(number: int, server: EmbeddedPostgres, bad: Bad, told: Path) -> bool:
    """Tell whether all of a program's last calls are being mended, and have been announced."""
    stuck = {f"{number}/{thread}/stuck" for thread in range(THREADS)}
    return stuck <= bad.stuck and bool(told.read_text()) and stuck <= _statuses(server).keys()


def _statuses(server: EmbeddedPostgres) -> dict[str, str]:
    with psycopg.connect(server.url, options="-c role=goldseam_writer") as connection:
        return dict(connection.execute("SELECT request_id, status FROM ai_request_logs").fetchall())


def _judge(
    server: EmbeddedPostgres,
    acknowledged: set[str],
    stuck: set[str],
    rounds: int,
    waited_s: float,
) -> Outcome:
    found = _statuses(server)
    with psycopg.connect(server.url, options="-c role=goldseam_writer") as connection:
        (rows,) = connection.execute("SELECT count(*) FROM ai_request_logs").fetchone() or (0,)
    answered = {
        f"{number}/{thread}/answered-{each}"
        for number in range(rounds)
        for thread in range(THREADS)
        for each in range(CALLS_BEFORE)
    }
    abandoned = {name for name in stuck if found.get(name) == "abandoned"}
    lost = sum(found.get(name) != "success" for name in acknowledged)
    phantom = len(found.keys() - stuck - answered)
    promises = {
        f"{lost} acknowledged calls are no success in the tables": not lost,
        f"{phantom} rows are of calls that nobody made": not phantom,
        f"{rows - len(found)} rows too many": rows == len(found),
        f"{len(stuck - abandoned)} calls in flight are not shown as abandoned": stuck == abandoned,
        "nothing was acknowledged": bool(acknowledged),
    }
    return Outcome(
        tried=f"{rounds} kills with {THREADS} calls in retry or fallback",
        acknowledged=len(acknowledged),
        lost=lost,
        phantom=phantom,
        duplicate=rows - len(found),
        figures=f"{len(abandoned)} of {len(stuck)} calls in flight shown as abandoned, the last "
        f"{waited_s:.0f} s after the last kill",
        broken=[wrong for wrong, holds in promises.items() if not holds],
    )
