"""Calls in flight are rows: `pending` while the provider works, and after a crash."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from dirty_equals import IsPartialDict

from goldseam.cli import stack
from goldseam.cli.client import LogApi
from goldseam.recovery import testing
from goldseam.recovery.testing import Reply, Request, ScriptedProvider

PROGRAM = Path(__file__).parents[2] / "examples" / "ask.py"
BIN = Path(sys.executable).parent

DEADLINE_S = 30
POLL_S = 0.02


def start(running: stack.Stack, provider: ScriptedProvider) -> subprocess.Popen[str]:
    """Start the program under `goldseam run`."""
    environment = os.environ | {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "test"}
    return subprocess.Popen(
        [BIN / "goldseam", "run", "--endpoint", running.otlp_url, "--", sys.executable, PROGRAM],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_row(running: stack.Stack) -> dict[str, Any]:
    """Wait until the tables hold a row, and return it."""
    api, pause = LogApi(running.api_url), threading.Event()
    for _ in range(int(DEADLINE_S / POLL_S)):
        rows: list[dict[str, Any]] = api.get("/logs/recent")
        if rows:
            return rows[0]
        pause.wait(POLL_S)
    raise AssertionError("no row within the deadline")


def test_a_call_in_flight_is_a_pending_row_that_succeeds(running: stack.Stack) -> None:
    """The row is `pending` while the provider works, and the same row is `success` after."""
    in_flight: list[dict[str, Any]] = []

    def answer(_: Request) -> Reply:
        in_flight.append(first_row(running))
        return testing.chat("nine")

    with (
        ScriptedProvider(respond=answer) as provider,
        start(running, provider) as process,
    ):
        assert process.communicate(timeout=60)[0].strip() == "nine"

    (before,) = in_flight
    (after,) = LogApi(running.api_url).get("/logs/recent")
    assert before == IsPartialDict(
        status="pending", model_requested="gpt-4o-mini", service_name="ask", tokens_used=None
    )
    assert after == IsPartialDict(status="success", id=before["id"], trace_id=before["trace_id"])
    told = LogApi(running.api_url).get("/logs/statistics")
    assert (told["total_requests"], told["pending_count"]) == (1, 0)


@pytest.mark.skipif(os.name == "nt", reason="there is no signal that cannot be caught")
def test_a_killed_program_leaves_its_call_pending(running: stack.Stack) -> None:
    """A program killed in mid-call leaves the one trace of it that there can be."""
    with ScriptedProvider(default=testing.hang()) as provider, start(running, provider) as process:
        before = first_row(running)
        process.kill()
        process.wait(timeout=30)

    (row,) = LogApi(running.api_url).get("/logs/recent")
    assert row == IsPartialDict(status="pending", id=before["id"])
    told = LogApi(running.api_url).get("/logs/statistics")
    assert (told["total_requests"], told["pending_count"]) == (0, 1)
