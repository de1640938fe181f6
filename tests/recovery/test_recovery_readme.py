"""The program in the README runs as printed."""

import re
import tomllib
from pathlib import Path

import pytest

from goldseam.recovery.config import parse_config

README = Path(__file__).parents[2] / "recovery" / "README.md"


def block(language: str) -> str:
    """Return the only code block in `language`."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_shortest_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what its last comment says."""
    exec(compile(block("python"), str(README), "exec"), {})  # noqa: S102 - our own text

    assert capsys.readouterr().out == "Nine\n"


def test_settings_are_valid() -> None:
    """Every option of the example is known."""
    config = parse_config(tomllib.loads(block("toml")), source="README")

    assert config.policy.fallback == ("ollama",)
    assert config.providers["spare"].timeout_s == 30.0
