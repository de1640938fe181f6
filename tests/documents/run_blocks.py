"""Run the Python blocks of one page in a process of their own, one after another.

Standard input is a JSON list of `[file name, line, text]`. The blocks share their names, as they do
for a reader who types them in order; `await` may stand at the top. A block that mentions `session`
without making one gets a SQLAlchemy session of the database that the environment names.
"""

import ast
import asyncio
import json
import os
import sys
from typing import Any


def main() -> None:
    """Run all; a traceback names the page and its line."""
    names: dict[str, Any] = {"__name__": "__page__"}
    with asyncio.Runner() as runner:
        for page, line, text in json.load(sys.stdin):
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
