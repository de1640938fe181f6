"""Judges the command lines of the documentation: `goldseam`, `make`, `curl`, `pip`, files.

What is cheap is run: `goldseam db` and `goldseam keys` on the test's database, `curl` as a request
to a running API or collector. Of other `goldseam` commands name, options and arguments are parsed
by the command's own parser. A program of somebody else must be one of `OTHERS`.
"""

import json
import os
import re
import shlex
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

import typer
from typer.testing import CliRunner

from goldseam.cli import run as run_command
from goldseam.cli.app import app
from goldseam.cli.stack import Stack

from .pages import ROOT

OTHERS: Final = frozenset(
    {"alembic", "cd", "celery", "crontab", "docker", "git", "gunicorn", "helm", "kubectl"}
    | {"createdb", "opentelemetry-instrument", "pg_dump", "pg_dumpall", "pg_restore", "psql"}
    | {"python", "uvicorn"}
)
"""Programs that are not ours; paths among their words must exist if they begin with our folders."""

PLACEHOLDER: Final = "…"
"""A command that has it is parsed and not run."""

_ASSIGNMENT: Final = re.compile(r"[A-Z_]+=")
_FOLDERS: Final = ("examples/", "docker/", "grafana/", "storage/", "docs/", "benchmarks/", "tests/")


def lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a block; `|` and `&&` part them."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(re.sub(r"> \S+", "", line).strip(), comments=True)
        command: list[str] = []
        for word in [*words, "|"]:
            if word in {"|", "&&"}:
                if command:
                    yield command
                command = []
            else:
                command.append(word)


class Shell:
    """What a block of commands is judged against.

    Attributes:
        values: Values of the variables that commands may use, such as `TRACE_ID`.
    """

    def __init__(self, stack: Stack | None, values: dict[str, str]) -> None:
        self._stack = stack
        self.values = values

    def judge(self, words: list[str]) -> None:
        """Raise AssertionError unless the command would do what the page says."""
        while words and _ASSIGNMENT.match(words[0]):
            words = words[1:]
        match words:
            case [] | ["export", *_]:
                return
            case ["goldseam", *rest]:
                self._goldseam(rest)
            case ["make", *rest]:
                _make(rest)
            case ["curl", *rest]:
                self._curl([self._filled(word) for word in rest])
            case ["pip", "install", *rest]:
                _pip(rest)
            case [program, *rest]:
                assert program in OTHERS, f"{program}: who has it?"
                _paths_exist(rest)

    def _goldseam(self, words: list[str]) -> None:
        if words[:1] == ["run"]:
            options = run_command._parser().parse_args(words[1:])
            assert options.command[:1] == ["--"], "a program follows --"
            self.judge(options.command[1:])
        elif words[:1] in (["db"], ["keys"]) and PLACEHOLDER not in " ".join(words):
            done = CliRunner().invoke(app, [self._filled(word) for word in words])
            assert done.exit_code == 0, f"goldseam {' '.join(words)}: {done.output}"
        else:
            _parse(words)

    def _curl(self, words: list[str]) -> None:
        method, data, headers, url = "GET", None, {}, ""
        rest = iter(words)
        for word in rest:
            match word:
                case "-X":
                    method = next(rest)
                case "-H":
                    name, _, value = next(rest).partition(": ")
                    headers[name] = value
                case "-d" | "--data" | "--json":
                    data, method = next(rest), method if method != "GET" else "POST"
                case "-N" | "-s" | "-f" | "-fsS" | "-i" | "--get":
                    pass
                case "-o":
                    next(rest)
                case _:
                    url = word
        self._ask(method, url, data, headers)

    def _ask(self, method: str, url: str, data: str | None, headers: dict[str, str]) -> None:
        assert self._stack is not None
        to = {"localhost:8000": self._stack.api_url, "localhost:4318": self._stack.otlp_url}
        parts = urllib.parse.urlsplit(url)
        base = to[parts.netloc]
        chosen = {"Authorization": f"Bearer {self.values['GOLDSEAM_API_KEY']}"} | headers
        if data is not None:
            json.loads(data)
            chosen = {"Content-Type": "application/json"} | chosen
        request = urllib.request.Request(
            f"{base}{url.partition(parts.netloc)[2]}", (data or "").encode() or None, chosen
        )
        request.method = method
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                if "event-stream" not in answer.headers["Content-Type"]:
                    answer.read()
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{method} {url}: {refused.read().decode()}") from None

    def _filled(self, word: str) -> str:
        return re.sub(r"\$(\w+)", lambda name: self.values[name[1]], word)


def _parse(words: list[str]) -> None:
    """Parse a command by its own parser; nothing of it runs."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest[:1], "a command is missing"
        assert rest[0] in command.commands, f"goldseam {rest[0]}: no such command"
        command = command.commands[rest.pop(0)]
    command.make_context("goldseam", rest)


def _make(words: list[str]) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        assert "=" in word or re.search(rf"^{re.escape(word)}:", text, re.MULTILINE), word


def _pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"(?:goldseam|\.)\[([\w,]+)\]", " ".join(words))
    assert {extra for each in named for extra in each.split(",")} <= set(extras)


def _paths_exist(words: list[str]) -> None:
    for word in words:
        if word.startswith(_FOLDERS):
            assert (ROOT / word).exists(), word


def environment(**values: str) -> dict[str, str]:
    """Return this process's environment without settings of Goldseam and OpenTelemetry."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GOLDSEAM_", "OTEL_"))
    }
    return kept | values
