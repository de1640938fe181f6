"""The short run of `tests/reliability/leaks.py`, whose long run has 10,000 calls."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "reliability" / "leaks.py"


def test_nothing_is_left_open() -> None:
    """Mixed calls, cancelled, abandoned and failed, leave no span, no task and no fault."""
    done = subprocess.run(
        [sys.executable, PROGRAM, "--calls", "200", "--no-memory"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 started" not in done.stdout
    assert "cancelled" in done.stdout
