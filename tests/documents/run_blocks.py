"""Runs the Python blocks of pages, each page in a process forked from this one.

Each line of standard input is a JSON object with `blocks` (lists of file name, line, text), `env`
and `folder`; each line of output is one with the page's exit `code` and its output `out` and `err`.
The blocks of a page share their names, as they do for a reader who types them in order; `await` may
stand at the top. Blocks that mention `session` without making one get a SQLAlchemy session of
the database that the environment names. What many pages import is imported once, before forking.
"""

import ast
import asyncio
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import fastapi.testclient  # noqa: F401 - see above
import openai  # noqa: F401 - as above

import goldseam.collector.exporter
import goldseam.instrumentation.service  # noqa: F401 - as above


def main() -> None:
    """Answer each line until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                _run_and_exit(order)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        print(json.dumps({"code": code, "out": texts[0], "err": texts[1]}), flush=True)  # noqa: T201 - the answer


def _run_and_exit(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(Path(order["folder"]))
    code = 0
    try:
        _run(order["blocks"])
    except BaseException:  # noqa: BLE001 - whatever it was, the page is wrong
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(blocks: list[tuple[str, int, str]]) -> None:
    names: dict[str, Any] = {"__name__": "__page__"}
    with asyncio.Runner() as runner:
        for page, line, text in blocks:
            if "session" in text and "session =" not in text:
                names.setdefault("session", _session())
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile("\n" * line + text, page, "exec", flags=flags, dont_inherit=True)
            started = eval(code, names)  # noqa: S307 - our own text
            if asyncio.iscoroutine(started):
                runner.run(started)


def _session() -> object:
    from sqlalchemy import create_engine  # noqa: PLC0415 - only where it is used
    from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

    url = os.environ["GOLDSEAM_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
    return Session(create_engine(url))


if __name__ == "__main__":
    main()
