"""The committed copy of the API's description, and what a change would take away from its users.

    python -m goldseam.api.description docs/openapi.json

writes the copy anew; where paths, parameters or fields would be gone it says so and writes nothing,
unless `--remove` is given.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from goldseam.api.app import create_app
from goldseam.api.settings import ApiSettings

_NOWHERE: Final = "postgresql://nobody@127.0.0.1:1/none"


def described() -> dict[str, Any]:
    """Return the OpenAPI description of a server that asks for keys."""
    return create_app(ApiSettings(database_url=_NOWHERE, api_open=False)).openapi()


def removed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the operations, parameters, fields and values of `before` that `after` lacks."""
    left = set(_names(after))
    return [name for name in _names(before) if name not in left]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the copy; return 1 where that would remove something."""
    parser = argparse.ArgumentParser(prog="python -m goldseam.api.description", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--remove", action="store_true", help="write it all the same")
    options = parser.parse_args(arguments)
    now = described()
    if options.path.exists() and not options.remove:
        gone = removed(json.loads(options.path.read_text(encoding="utf-8")), now)
        if gone:
            sys.stderr.write("Users would lose:\n" + "".join(f"  {name}\n" for name in gone))
            return 1
    options.path.write_text(text(now), encoding="utf-8")
    return 0


def text(description: Mapping[str, Any]) -> str:
    """Return a description as it is committed."""
    return json.dumps(description, indent=1, ensure_ascii=False) + "\n"


def _names(description: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            yield name
            yield from (f"{name} ? {each['name']}" for each in operation.get("parameters", ()))
            yield from (f"{name} answers {status}" for status in operation["responses"])
    for schema, body in description["components"]["schemas"].items():
        for field, about in body.get("properties", {}).items():
            yield f"{schema}.{field}"
            yield from (f"{schema}.{field} = {value}" for value in about.get("enum", ()))


if __name__ == "__main__":
    raise SystemExit(main())
