"""Writes docs/telemetry.md: every name of Goldseam's own, with what its docstring says.

`python -m goldseam.semconv.reference docs/telemetry.md`, which `make reference` does; a test keeps
the page in step with the code. Nothing else imports this.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Final

from goldseam.semconv import attributes, metrics

_HEAD: Final = """\
# Names in telemetry

Written by `make reference` from the docstrings of `goldseam.semconv`. The names of OpenTelemetry's
conventions (`gen_ai.*`, `error.type`, `http.*`, `server.*`) are described there.

"request" is the span of one call that the application made; "attempt" one request sent to a
provider; "step" one recovery action; "pending" announces a request that has started; "annotation"
says what the application thought of an answer after the request had ended.
"""


def page() -> str:
    """Return the page as Markdown."""
    told = dict(_documented(attributes))
    events = {name: text for name, text in told.items() if text.startswith("event, ")}
    others = {name: text for name, text in told.items() if name not in events}
    parts = (
        _HEAD,
        _table("Attributes", "type, where, meaning", others),
        _table("Events", "where, meaning", events),
        _table("Metrics", "instrument, unit, attributes", dict(_documented(metrics))),
    )
    return "\n".join(parts)


def _documented(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield the value of each name in a module with the docstring that stands below it."""
    body = ast.parse(inspect.getsource(module)).body
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(value=ast.Constant(value=str(name))),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())


def _table(title: str, column: str, rows: dict[str, str]) -> str:
    lines = [f"| `{name}` | {text} |" for name, text in sorted(rows.items())]
    return "\n".join([f"## {title}", "", f"| name | {column} |", "|---|---|", *lines, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
