"""The tree keeps its own promises: docstrings, READMEs, and no address of a registry."""

import ast
import re
from pathlib import Path

import pytest

from goldseam.cli import reference
from goldseam.semconv.reference import page

ROOT = Path(__file__).parents[2]
PACKAGES = ("instrumentation", "recovery", "collector", "storage", "api", "grafana")
MODULES = sorted(
    path
    for component in PACKAGES
    for path in (ROOT / component / "goldseam").rglob("*.py")
    if "versions" not in path.parts
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_opens_with_a_docstring(path: Path) -> None:
    """Every module says what lives there."""
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("component", PACKAGES)
def test_component_readme_has_its_five_parts(component: str) -> None:
    """A paragraph, a diagram, the shortest program, settings, what happens when things go wrong."""
    text = (ROOT / component / "README.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "How it fits together",
        "The shortest program",
        "Settings",
        "When things go wrong",
    ]


def test_constraints_pin_versions_and_name_no_index() -> None:
    """The constraints file holds pins only."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line) for line in pins)


def test_page_of_names_is_written_from_the_code() -> None:
    """After a change of `goldseam.semconv`: `make reference`."""
    assert (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8") == page()


def test_page_of_commands_and_settings_is_written_from_the_code() -> None:
    """After a change of a command or a setting: `make reference`."""
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == reference.page()
