"""What the README shows works."""

import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "storage" / "README.md"


def test_the_shortest_program_runs(short_folder: Path) -> None:
    """It stores a call once, although it delivers it twice, and lists it."""
    program = README.read_text().split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=short_folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    first, second, listed = done.stdout.splitlines()
    assert "requests_new=1" in first
    assert "requests_new=0" in second
    assert listed.endswith(" success ollama")
