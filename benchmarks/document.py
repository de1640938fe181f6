"""Puts tables into `docs/benchmarks.md`: each program writes its own section and no other.

Called by the `report` of each program, and by nothing else.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_HEADING: Final = """# Benchmarks

Every table is written by the program named above it; none is edited by hand.
"""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(path: Path, tables: str, *, name: str, introduction: str) -> None:
    """Replace a section's tables; add section and document where they are missing.

    Args:
        path: The document.
        tables: Markdown.
        name: Of the section, in the two markers around its tables.
        introduction: Heading and words above the tables, used where the section is missing.

    Raises:
        ValueError: The document has only one of the markers.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    document = path.read_text(encoding="utf-8") if path.exists() else _HEADING
    if begin not in document and end not in document:
        document = f"{document.rstrip()}\n\n{introduction.strip()}\n\n{begin}\n{end}\n"
    before, begun, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{path} has one of the lines {begin} and {end}; add the other, in order")
    path.write_text(f"{before}{begin}\n\n{tables.strip()}\n\n{end}{after}", encoding="utf-8")
