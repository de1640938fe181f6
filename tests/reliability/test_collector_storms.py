"""The short version of `collector_storms`: what the long one shows in hours, in a minute."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("collector_storms.py")


@pytest.mark.parametrize(
    "storm",
    [
        ("kills", "--rounds", "2"),
        ("outages", "--rounds", "1"),
        ("fuzz", "--protobuf", "600", "--json", "300", "--gzip", "100"),
    ],
    ids=lambda storm: storm[0],
)
def test_every_promise_is_kept_through(storm: tuple[str, ...]) -> None:
    """Nothing acknowledged is lost or stored twice, counters equal rows, answers stay in bounds."""
    command = [sys.executable, str(PROGRAM), *storm]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
