"""A few generated requests to every operation; `make fuzz` sends hundreds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "reliability" / "api_fuzz.py"


@pytest.mark.parametrize("who", ["tenant", "nobody"])
def test_answers_are_as_described(database: str, who: str) -> None:
    """With a key and without one, every answer is one that the description allows."""
    arguments = ["--database-url", database, "--who", who, "--examples", "3", "--brief"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"(\d+) generated, \1 passed", done.stdout)
