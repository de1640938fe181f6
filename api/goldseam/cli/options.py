"""Options that the commands which ask the API share, and how they print."""

import json
import os
import sys
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from goldseam.cli.client import LogApi
from goldseam.cli.defaults import API_PORT, HOST

DEFAULT_URL: Final = f"http://{HOST}:{API_PORT}"

_PIPE_WIDTH: Final = 160
"""Columns where nobody looks at a screen: cut ids would be of no use to a program."""

Url = Annotated[str, typer.Option("--url", envvar="GOLDSEAM_API_URL", help="Address of the API.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="GOLDSEAM_API_KEY", help="API key.", show_default=False),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", help="Only this tenant's; for admins.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as JSON.")]
Hours = Annotated[int, typer.Option("--hours", min=1, help="Window that ends now, hours.")]


def api(url: str, key: str | None) -> LogApi:
    """Return a client of the API."""
    return LogApi(url.rstrip("/"), key or None)


def printer() -> Console:
    """Return where answers go: standard output, wide where it is no terminal."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_PIPE_WIDTH if piped else None, highlight=False)


def print_json(body: Any) -> None:
    """Print an answer for programs."""
    sys.stdout.write(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
