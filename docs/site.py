"""Copies the tree's pages to build/pages, with the files that they link to, as mkdocs wants them.

`make docs` runs it, then mkdocs. Every page keeps its place, so a link is the same in the
repository and on the site.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "build" / "pages"
FOLDERS: Final = (
    "docs",
    "examples",
    "instrumentation",
    "recovery",
    "collector",
    "storage",
    "api",
    "grafana",
)
_LINK: Final = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def pages() -> list[Path]:
    """Return the pages at the root and in the folders."""
    return [*ROOT.glob("*.md"), *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md"))]


def targets(page: Path) -> Iterator[Path]:
    """Yield the files of this tree that a page links to."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / link).resolve()
        if "://" not in link and target.is_file():
            yield target


def main() -> None:
    """Make build/pages anew."""
    shutil.rmtree(PAGES, ignore_errors=True)
    found = pages()
    for source in {*found, *(target for page in found for target in targets(page))}:
        copy = PAGES / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


if __name__ == "__main__":
    main()
