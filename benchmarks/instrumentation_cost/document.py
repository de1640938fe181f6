"""Puts tables into `docs/benchmarks.md`: each program writes its own section and no other.

Called by the `report` of each program, and by nothing else.
"""

from pathlib import Path
from typing import Final

_HEADING: Final = """# Benchmarks

Every table is written by the program named above it; none is edited by hand.
"""


def put(path: Path, text: str, *, section: str, begin: str, end: str) -> None:
    """Replace what stands between two markers; add document and section where they are missing.

    Args:
        path: The document.
        text: The tables.
        section: Heading and words of the section, with both markers.
        begin: The marker in front of the tables.
        end: The marker behind them.

    Raises:
        ValueError: The document has only one of the markers.
    """
    document = path.read_text(encoding="utf-8") if path.exists() else _HEADING
    if begin not in document and end not in document:
        document = f"{document.rstrip()}\n\n{section.strip()}\n"
    before, begun, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{path} has one of the lines {begin} and {end}; add the other, in order")
    path.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")
