"""What the pages say of names and settings is what the code has."""

import ast
import inspect
import re
from pathlib import Path
from typing import Final

from goldseam.instrumentation import instrument
from goldseam.semconv import attributes, metrics
from goldseam.semconv.reference import page

ROOT: Final = Path(__file__).parents[2]
INSTRUMENTATION: Final = ROOT / "instrumentation"

ELSEWHERE: Final = frozenset({"GOLDSEAM_API_KEY"})
"""Settings that the instrumentation only mentions; they belong to other components."""


def _settings() -> list[list[str]]:
    """Return the rows of the table of settings in the instrumentation's README."""
    text = (INSTRUMENTATION / "README.md").read_text(encoding="utf-8")
    table = text.partition("\n## Settings\n")[2].partition("\n## ")[0]
    return [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| ")][1:]


def _mentioned() -> set[str]:
    """Return the environment variables that stand as texts in the instrumentation's code."""
    texts = (
        node.value
        for path in (INSTRUMENTATION / "goldseam").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if re.fullmatch(r"(GOLDSEAM|OTEL)_[A-Z_]+", text)}


def test_every_name_is_described() -> None:
    """A name without a docstring would be missing on the page."""
    names = {
        value
        for module in (attributes, metrics)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }

    assert {name for name in names if f"| `{name}` |" not in page()} == set()


def test_every_argument_of_instrument_is_in_the_readme() -> None:
    """The table of settings has each keyword, and none that is gone."""
    named = {word for row in _settings() for word in re.findall(r"`(\w+)[`=]", row[0])}

    assert named == set(inspect.signature(instrument).parameters)


def test_every_environment_variable_is_in_the_readme() -> None:
    """What the instrumentation reads from the environment stands in its table of settings."""
    told = {word for row in _settings() for word in re.findall(r"`([A-Z_]+)`", row[1])}

    assert _mentioned() - ELSEWHERE - told == set()
