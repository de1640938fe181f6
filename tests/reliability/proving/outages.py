"""Takes PostgreSQL away while four writers write: killed, stopped at once, or for minutes."""

import os
import signal
import time
from typing import TYPE_CHECKING, Final

from proving.judging import judge
from proving.sending import Writers, over_http
from proving.servers import (
    collector,
    is_drained,
    postgres,
    postmaster,
    stop_at_once,
    wait_until,
)
from proving.trial import Outcome, Task, say

from goldseam.storage.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEADY_SPANS_PER_S: Final = 300.0
"""What an application of some hundred calls a second sends."""


def run(task: Task) -> Outcome:
    """Kill the server, stop it at once, kill the session that writes; in turn, again and again."""
    ways: Sequence[Callable[[EmbeddedPostgres], None]] = (_kill, stop_at_once, _kill_session)
    rounds = task.scale.outages
    with (
        postgres(task.folder / "pg") as server,
        collector(server.url, task.folder / "data") as running,
    ):
        writers = Writers(over_http(running.port))
        with writers.running():
            for number in range(rounds):
                ways[number % len(ways)](server)
                time.sleep(task.chance.uniform(0.0, 1.0))
                server.start()
                time.sleep(task.chance.uniform(0.0, 1.0))
                if number % 10 == 9:
                    say(f"{number + 1} of {rounds} outages")
            writers.finish()
            wait_until(lambda: is_drained(running.port), "an empty spool")
        tried = f"{rounds} times: killed, stopped at once, writing session killed; 4 writers"
        return judge(server.url, writers, tried=tried)


def run_away(task: Task) -> Outcome:
    """Leave the database stopped for minutes of steady load, then start it."""
    away_s = task.scale.away_s
    broken = []
    with (
        postgres(task.folder / "pg") as server,
        collector(server.url, task.folder / "data") as running,
    ):
        writers = Writers(over_http(running.port), STEADY_SPANS_PER_S)
        with writers.running():
            server.stop()
            time.sleep(away_s)
            most = int(running.metric("goldseam_collector_spool_bodies"))
            held_mib = running.metric("goldseam_collector_spool_bytes") / 2**20
            if not most:
                broken.append("nothing was kept in the spool")
            server.start()
            drained_s = wait_until(lambda: is_drained(running.port), "an empty spool")
        wait_until(lambda: is_drained(running.port), "an empty spool")
        figures = (
            f"{most:,} bodies in the spool ({held_mib:.1f} MiB), "
            f"stored {drained_s:.1f} s after the database's start"
        )
        tried = f"away {away_s:.0f} s, {STEADY_SPANS_PER_S:.0f} spans/s"
        return judge(server.url, writers, tried=tried, figures=figures, broken=broken)


def _kill(server: EmbeddedPostgres) -> None:
    stop_at_once(server, signal.SIGKILL)


def _kill_session(server: EmbeddedPostgres) -> None:
    """Kill the process behind a session of the collector; the server then ends all others."""
    sessions = [
        child
        for child in postmaster(server).children()
        if any("goldseam goldseam" in word for word in child.cmdline())
    ]
    if sessions:
        os.kill(sessions[0].pid, signal.SIGKILL)
