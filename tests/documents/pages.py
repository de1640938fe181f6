"""The pages of the documentation, and the code blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_BLOCK: Final = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

_COMPONENTS: Final = ("instrumentation", "recovery", "collector", "storage", "api", "grafana")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: Path of its page, from the root of the tree.
        language: What follows the fence; empty for a diagram.
        line: Line of its fence, from 1.
        text: What stands between the fences.
    """

    page: str
    language: str
    line: int
    text: str

    @property
    def first_line(self) -> str:
        """What it begins with: names the block where its line number would move."""
        return self.text.strip().partition("\n")[0]


def paths() -> list[Path]:
    """Return every page: at the root, in `docs`, of the examples and of the components."""
    found = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")]
    found += sorted((ROOT / "docs").rglob("*.md"))
    found += [ROOT / name / "README.md" for name in (*_COMPONENTS, "examples")]
    return [path for path in found if path.exists()]


def blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    page, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        indent, language, body = found.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines(keepends=True)]
        yield Block(page, language, text.count("\n", 0, found.start()) + 1, "".join(lines))


def by_page(*languages: str) -> dict[str, list[Block]]:
    """Return the blocks in `languages`, page by page; pages without one are left out."""
    every = {path: list(blocks(path)) for path in paths()}
    chosen = {
        path.relative_to(ROOT).as_posix(): [each for each in found if each.language in languages]
        for path, found in every.items()
    }
    return {page: found for page, found in chosen.items() if found}
