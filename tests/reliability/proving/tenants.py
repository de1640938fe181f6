"""Runs the tests that keep tenants apart, and counts them."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

from proving.trial import Outcome, Task

_ROOT: Final = Path(__file__).parents[3]
_FILES: Final = (
    "tests/api/test_tenants_api.py",
    "tests/storage/test_isolation.py",
    "tests/storage/test_roles.py",
)
_BAD: Final = frozenset({"failure", "error"})


def run(task: Task) -> Outcome:
    """Each test is one caller that tries many operations on what belongs to another."""
    report = task.folder / "tenants.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_FILES]
    done = subprocess.run(
        [*command, f"--junit-xml={report}"], cwd=_ROOT, capture_output=True, check=False, text=True
    )
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - ours
    wrong = [str(case.get("name")) for case in cases if any(c.tag in _BAD for c in case)]
    if done.returncode and not wrong:
        wrong = [done.stdout.strip().splitlines()[-1]]
    by_file = [
        f"{sum(Path(f).stem in str(case.get('classname')) for case in cases)} in `{f}`"
        for f in _FILES
    ]
    return Outcome(
        tried=f"{len(cases)} tests, each of many cells",
        figures=", ".join(by_file),
        broken=wrong,
    )
