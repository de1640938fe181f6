"""The short version of each trial of `prove`; the long ones run by hand and take an hour.

The trial of tenants is left out: the tests that it counts run here anyway.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("prove.py")
TRIALS = (
    "kills",
    "applications",
    "outages",
    "away",
    "spool-disk",
    "database-disk",
    "weather",
    "fuzz",
    "bombs",
    "soak",
)


@pytest.mark.parametrize("trial", TRIALS)
def test_every_promise_is_kept_through(trial: str) -> None:
    """Nothing acknowledged is lost or stored twice, nothing is invented, sums equal the rows."""
    command = [sys.executable, str(PROGRAM), "--short", "--only", trial]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
