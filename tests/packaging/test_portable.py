"""The application side uses nothing that only some systems have."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
FILES: Final = sorted(
    path
    for component in ("instrumentation", "recovery")
    for path in (REPOSITORY / component / "goldseam").rglob("*.py")
)

POSIX_ONLY: Final = frozenset(
    {"crypt", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "readline", "resource",
     "spwd", "syslog", "termios", "tty"}
)  # fmt: skip
"""Modules that Python has on POSIX systems only."""

WINDOWS_ONLY: Final = frozenset({"_winapi", "msilib", "msvcrt", "nt", "winreg", "winsound"})

POSIX_ONLY_OF_OS: Final = frozenset(
    {"fork", "forkpty", "getegid", "geteuid", "getgid", "getuid", "killpg", "mkfifo", "pipe2",
     "posix_spawn", "register_at_fork", "sched_getaffinity", "setsid", "sysconf", "uname", "wait"}
)  # fmt: skip
"""Functions of `os` that are missing on Windows."""


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def _taken_from_os(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os":
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_system_is_needed(path: Path) -> None:
    """No module or function that only POSIX systems or only Windows have."""
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert (POSIX_ONLY | WINDOWS_ONLY).isdisjoint(_imported(tree))
    assert POSIX_ONLY_OF_OS.isdisjoint(set(_taken_from_os(tree)) - set(_asked_for(tree)))


def _asked_for(tree: ast.AST) -> Iterator[object]:
    """Yield the names that a module asks `hasattr(os, …)` for."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="hasattr"), args=[ast.Name(id="os"), ast.Constant(value=name)]
            ):
                yield name
