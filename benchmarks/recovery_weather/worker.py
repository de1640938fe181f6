"""The process of one subject: reads one scenario from stdin, makes its calls, writes the outcome.

Started by `workers` as `python -m recovery_weather.worker NAME`, with JSON lines on both pipes.
"""

import asyncio
import contextlib
import json
import logging
import sys
import time
from typing import Any

from recovery_weather.clients import CLIENTS, Ask, Setup, settle
from recovery_weather.turns import counted, turns

IN_FLIGHT = 10

LONGEST_CALL_S = 3.0
"""By when the last of the calls is given up."""


async def run(name: str, order: dict[str, Any]) -> dict[str, Any]:
    """Make the calls of a scenario; return durations, outcomes and the CPU time of a call."""
    setup = _setup(order)
    ask = CLIENTS[name](setup)
    try:
        for warm_up in order["warm_up"]:
            await _one(ask, warm_up)
        before = setup.recorded() if setup.recorded else 0
        started_s, cpu_s = time.perf_counter(), time.process_time()
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def gated(case: int) -> dict[str, Any]:
            async with gate:
                return await _one(ask, case)

        outcomes = await asyncio.gather(*(gated(case) for case in order["cases"]))
        cpu_s = time.process_time() - cpu_s
        elapsed_s = time.perf_counter() - started_s
        await settle()
        recorded = setup.recorded() - before if setup.recorded else None
    finally:
        for close in setup.closing:
            close()
    return {
        "outcomes": outcomes,
        "cpu_s": cpu_s,
        "elapsed_s": elapsed_s,
        "recorded": recorded,
    }


async def cancel(name: str, order: dict[str, Any]) -> dict[str, Any]:
    """Start calls and give each up after another time; return how many tasks are left then."""
    setup = _setup(order)
    ask, count = CLIENTS[name](setup), order["cancel"]
    calls = [asyncio.create_task(_one(ask, case)) for case in range(count)]
    for call in calls:
        await asyncio.sleep(LONGEST_CALL_S / count)
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await settle()
    left = len(asyncio.all_tasks()) - 1
    for close in setup.closing:
        close()
    return {"tasks": left}


def _setup(order: dict[str, Any]) -> Setup:
    is_stream = order.get("is_stream", False)
    return Setup(order["primary"], order["fallback"], order["deadline_s"], is_stream=is_stream)


async def _one(ask: Ask, case: int) -> dict[str, Any]:
    started_s = time.perf_counter()
    error = ""
    try:
        answer = await ask(case)
    except Exception as fault:  # noqa: BLE001 - a library may raise anything
        answer, error = "", type(fault).__name__
    taken_s = time.perf_counter() - started_s
    return {"ok": answer == "ok", "error": error, "taken_s": taken_s}


_TASKS = {"rounds": turns, "counted": counted, "cancel": cancel}
"""What to do instead of `run`, by what the order holds."""


def main() -> None:
    """Serve orders until stdin ends."""
    logging.disable(logging.CRITICAL)
    answers = sys.stdout
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                order = json.loads(line)
                task = next((_TASKS[each] for each in _TASKS if each in order), run)
                answer = asyncio.run(task(sys.argv[1], order))
            except Exception as fault:  # noqa: BLE001 - told to the other side
                answer = {"failed": f"{type(fault).__name__}: {fault}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
