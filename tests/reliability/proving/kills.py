"""Kills collectors with SIGKILL at random moments while four writers write."""

import time

from proving.judging import judge
from proving.sending import Writers, over_http
from proving.servers import collector, free_port, is_drained, postgres, wait_until
from proving.trial import Outcome, Task, say


def run(task: Task) -> Outcome:
    """Kill one after the other on the same port and data folder; the last one stores the rest."""
    rounds, port, data = task.scale.kills, free_port(), task.folder / "data"
    with postgres(task.folder / "pg") as server:
        writers = Writers(over_http(port))
        with writers.running():
            for number in range(1, rounds + 1):
                with collector(server.url, data, port=port) as running:
                    time.sleep(task.chance.uniform(0.0, 0.8))
                    running.process.kill()
                if number % 20 == 0:
                    say(f"{number} of {rounds} killed")
            with collector(server.url, data, port=port):
                writers.finish()
                wait_until(lambda: is_drained(port), "an empty spool")
        return judge(server.url, writers, tried=f"{rounds} kills, 4 writers")
