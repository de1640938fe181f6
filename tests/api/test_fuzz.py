"""A few generated requests to every operation; `make fuzz` sends hundreds."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "reliability" / "api_fuzz.py"


@pytest.mark.parametrize(
    ("credentials", "means"), [("tenant", "with all its scopes"), ("nobody", "none, where")]
)
def test_answers_are_as_described(database: str, credentials: str, means: str) -> None:
    """With a key and without one, every answer is one that the description allows."""
    arguments = [
        "--database-url",
        database,
        "--credentials",
        credentials,
        "--examples",
        "3",
        "--brief",
    ]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1].split("|")
    assert means in last[1]
    assert int(last[3].replace(",", "")) > 20
    assert int(last[4]) == 0
