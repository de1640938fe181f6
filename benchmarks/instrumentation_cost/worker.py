"""Measures one subject, in its own environment, as told line by line.

Started by `workers.Worker` as `python -m instrumentation_cost.worker <subject>`, under callgrind or
not. Each line on stdin is a JSON command, each line on stdout its JSON answer. No measurement is
taken while the cyclic garbage collector may run.
"""

import gc
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

WARM_UP_CALLS: Final = 16
"""Python specialises code after some runs; before that a call costs more."""

_refused: list[str] = []


class Session:
    """What one process can be asked. Starts bare; `switch_on` makes it the subject."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._around: Any = None
        self._warm: set[tuple[str, bool]] = set()
        self._is_on = False
        self._callgrind: Any = None

    def prepare(self) -> dict[str, Any]:
        """Import the client and the SDK, and make the clients."""
        import openai  # noqa: F401, PLC0415 - part of what is measured

        from instrumentation_cost import scenarios, telemetry  # noqa: PLC0415 - as above

        self._scenarios = scenarios
        self._telemetry = telemetry.make_telemetry()
        self._clients = scenarios.make_clients()
        return {}

    def switch_on(self) -> dict[str, Any]:
        """Switch the subject on and make new clients."""
        from instrumentation_cost import activation  # noqa: PLC0415 - loads what it measures

        try:
            self._around = activation.switch_on(self._name, self._telemetry)
        except activation.UnsupportedError as error:
            return {"unsupported": str(error)}
        self._clients = self._scenarios.make_clients()
        self._is_on = True
        return {}

    def footprint(self, *, is_on: bool) -> dict[str, Any]:
        """Return what this process is after one chat, with the subject switched on or bare."""
        before_s = time.process_time()
        if is_on:
            self.switch_on()
        switched_on_s = time.process_time() - before_s
        self._run("chat", 1)
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return {
            "switched_on_s": switched_on_s,
            "rss_bytes": resident * _PAGE_BYTES,
            "names": sorted(sys.modules),
        }

    def check(self, scenario: str) -> dict[str, Any]:
        """Make three calls and return what they left, to show that the subject is at work."""
        self._telemetry.flush()
        before = self._telemetry.exporter.count
        calls = max(3, self._scenario(scenario).concurrent)
        self._run(scenario, calls)
        self._telemetry.flush()
        last = self._telemetry.exporter.last
        return {
            "calls": calls,
            "spans": self._telemetry.exporter.count - before,
            "attributes": dict(last.attributes or {}) if last is not None else {},
            "span": last.name if last is not None else None,
            "metrics": self._telemetry.metric_points(),
            "refused": _refused,
        }

    def instructions(self, scenario: str, label: str, calls: int) -> dict[str, Any]:
        """Count the instructions of some calls; callgrind writes them to a dump."""
        if self._callgrind is None:
            from instrumentation_cost.callgrind import Callgrind  # noqa: PLC0415 - x86-64 only

            self._callgrind = Callgrind()
        self._warm_up(scenario, WARM_UP_CALLS)
        gc.collect()
        self._callgrind.start()
        self._run(scenario, calls)
        self._telemetry.flush()
        self._callgrind.stop(label)
        return {}

    def cpu(self, scenario: str, calls: int) -> dict[str, Any]:
        """Return the CPU seconds of some calls, all threads counted."""
        self._warm_up(scenario, WARM_UP_CALLS)
        started_s = time.process_time()
        self._run(scenario, calls)
        self._telemetry.flush()
        return {"cpu_s": (time.process_time() - started_s) / calls}

    def python_calls(self, scenario: str) -> dict[str, Any]:
        """Return the number of Python functions that one call enters, or one batch of calls."""
        self._warm_up(scenario, WARM_UP_CALLS)
        calls = self._scenario(scenario).concurrent
        counts = [self._count(lambda: self._run(scenario, calls)) for _ in range(3)]
        return {"calls": min(counts)}

    def dump_profile(self, scenario: str, path: str, calls: int) -> dict[str, Any]:
        """Write a cProfile of some calls."""
        import cProfile  # noqa: PLC0415 - seldom wanted

        self._warm_up(scenario, WARM_UP_CALLS)
        profile = cProfile.Profile()
        profile.runcall(self._run, scenario, calls)
        profile.dump_stats(Path(path))
        return {}

    def _warm_up(self, scenario: str, calls: int) -> None:
        self._telemetry.sample(keep=self._scenario(scenario).sampled)
        if (scenario, self._is_on) not in self._warm:
            self._warm.add((scenario, self._is_on))
            self._run(scenario, max(calls, 2 * self._scenario(scenario).concurrent))
            gc.collect()
        self._telemetry.flush()

    def _run(self, scenario: str, calls: int) -> None:
        chosen = self._scenario(scenario)
        self._telemetry.sample(keep=chosen.sampled)
        self._scenarios.run(chosen, self._clients, calls, self._around)

    def _scenario(self, name: str) -> Any:
        return self._scenarios.named(name)

    @staticmethod
    def _count(action: Callable[[], None]) -> int:
        entered = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal entered
            entered += event == "call"

        sys.setprofile(count)
        try:
            action()
        finally:
            sys.setprofile(None)
        return entered


def _refuse_network() -> None:
    """Make every attempt to leave the process fail, and remember it."""

    def refuse(_socket: socket.socket, address: Any) -> None:
        _refused.append(str(address))
        raise OSError(f"a benchmark may not connect to {address}")

    def refuse_lookup(host: Any, *_arguments: Any, **_options: Any) -> Any:
        _refused.append(str(host))
        raise OSError(f"a benchmark may not look up {host}")

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment] # that is the point
    socket.getaddrinfo = refuse_lookup


def main() -> None:
    """Answer commands until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print goes to stderr
    _refuse_network()
    gc.disable()
    session = Session(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(session, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001 - the orchestrating process decides
            answer = {"failed": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer, default=str) + "\n")
    os._exit(0)  # libraries' exit handlers would try to export


if __name__ == "__main__":
    main()
