"""Writes docs/reference.md: every command with its options, and every setting of the server side.

`python -m goldseam.cli.reference docs/reference.md`, which `make reference` does; a test keeps the
page in step with the code. Nothing else imports this.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
from pydantic_settings import BaseSettings

from goldseam.api import ApiSettings
from goldseam.cli import run
from goldseam.cli.app import app
from goldseam.collector import CollectorSettings

_HEAD: Final = """\
# Commands and settings

Written by `make reference` from the code. An option that has a variable can be set by either; the
option stands above it. Settings without an option are for every way of serving that part.
"""

_TAIL: Final = """\
Applications have settings of their own: the tables in
[instrumentation/README.md](../instrumentation/README.md) and, for the file that `GOLDSEAM_CONFIG`
names, [recovery/README.md](../recovery/README.md). The standard `OTEL_*` variables are respected.
"""


def page() -> str:
    """Return the page as Markdown."""
    commands = [_command(words, found) for words, found in _commands(typer.main.get_command(app))]
    settings = (
        _settings("Settings of the collector", CollectorSettings),
        _settings("Settings of the API", ApiSettings),
    )
    return "\n".join((_HEAD, "## Commands", "", *commands, *settings, _TAIL))


def _commands(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    """Yield each command's words, and the command."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from _commands(found, *before, name)
        else:
            yield " ".join((*before, name)), found


def _command(words: str, found: Any) -> str:
    rows = _run_options() if words == "run" else [_option(each) for each in found.params]
    head = [f"### goldseam {words}", "", found.help.strip(), ""]
    if not rows:
        return "\n".join(head)
    return "\n".join(
        [*head, "| option | variable | default | meaning |", "|---|---|---|---|", *rows, ""]
    )


def _option(option: Any) -> str:
    name = option.opts[0] if option.param_type_name == "option" else option.name.upper()
    variable = f"`{option.envvar}`" if option.envvar else ""
    if option.required:
        default = "required"
    else:
        default = "" if option.default in (None, False) else f"`{option.default}`"
    return f"| `{name}` | {variable} | {default} | {_cell(option.help or '')} |"


def _run_options() -> list[str]:
    """`goldseam run` reads its options by itself, so that it needs no server side."""
    actions = run._parser()._actions  # noqa: SLF001 - argparse has no other way to list them
    return [
        f"| `{each.option_strings[0]}` | | | {_cell(each.help or '')} |"
        for each in actions
        if each.option_strings and each.dest != "help"
    ]


def _settings(title: str, settings: type[BaseSettings]) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    rows = [
        f"| `{prefix}{name}`".upper()
        + f" | {'required' if field.is_required() else f'`{field.default}`'}"
        + f" | {_cell(field.description or '')} |"
        for name, field in settings.model_fields.items()
    ]
    return "\n".join(
        [f"## {title}", "", "| variable | default | meaning |", "|---|---|---|", *rows, ""]
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
