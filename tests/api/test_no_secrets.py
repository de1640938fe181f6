"""No log holds what was asked or stored: `no_secrets` listens in a process of its own.

In this one, other tests have turned loggers up, down and away.
"""

import subprocess
import sys
from pathlib import Path


def test_nothing_is_told() -> None:
    """Nothing secret is logged, whatever the API, the collector or a command is asked."""
    listening = Path(__file__).with_name("no_secrets.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", str(listening)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
