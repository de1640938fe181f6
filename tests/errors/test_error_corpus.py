"""Real error messages fall into groups by cause and fix, each provider's on its own.

Every folder under `corpus` is measured in the same way; each of its files is one provider, each
line one message. A pair of messages of one file is found if both have the same key, expected if
both stand in the same group, right if both hold. Precision is the part of the found that is right,
recall the part of the expected that is right.
"""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from goldseam.errors import (
    ErrorCode,
    Evidence,
    classify,
    error_pattern,
    fingerprint,
    redact,
)
from goldseam.recovery.situation import RETRYABLE

CORPUS: Final = Path(__file__).parent / "corpus"
FOLDERS: Final = sorted(path for path in CORPUS.iterdir() if path.is_dir())

MIN_PRECISION: Final = 0.99
MIN_RECALL: Final = 0.90

MIN_ACCURACY: Final = 0.98
"""Of codes, for the messages that the rules were written with."""

HOPELESS: Final = frozenset(
    {
        ErrorCode.AUTH,
        ErrorCode.CONTENT_FILTER,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.PERMISSION,
        ErrorCode.QUOTA_EXCEEDED,
    }
)
"""Nobody gets an answer to these by asking again."""

KEYS: Final = ("group", "code", "status", "message", "source", "origin")
by_folder = pytest.mark.parametrize("folder", FOLDERS, ids=[path.name for path in FOLDERS])


@dataclass(frozen=True, slots=True)
class Message:
    """One line of a corpus.

    Attributes:
        provider: Name of its file.
        group: Cause and fix.
        code: What it should be classified as.
        status: HTTP status, None where none was received.
        text: As an application sees it.
    """

    provider: str
    group: str
    code: str
    status: int | None
    text: str

    @property
    def key(self) -> str:
        """Return what the fingerprint says, over the redacted text as on both sides."""
        return fingerprint(redact(self.text)).key

    @property
    def classified(self) -> ErrorCode:
        """Return the code that status and text give."""
        return classify(Evidence(http_status=self.status, message=redact(self.text))).code

    @property
    def pattern(self) -> str:
        """Return what the server files the message under."""
        found = fingerprint(redact(self.text))
        return error_pattern(self.classified, self.provider, found)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Counts of pairs; those of several providers add up."""

    found: int = 0
    expected: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """Return the part of the found pairs that is right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Return the part of the expected pairs that was found."""
        return self.right / self.expected if self.expected else 1.0

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(
            self.found + other.found, self.expected + other.expected, self.right + other.right
        )

    def __str__(self) -> str:
        return f"precision {self.precision:.4f} recall {self.recall:.4f}"


def messages_of(path: Path) -> list[Message]:
    """Return the messages of one provider's file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [
        Message(path.stem, row["group"], row["code"], row["status"], row["message"]) for row in rows
    ]


def pairs(messages: list[Message], name: Callable[[Message], Hashable]) -> Pairs:
    """Count the pairs that `name` finds among `messages`."""
    names = [(name(message), message.group) for message in messages]
    return Pairs(
        found=_pairs(found for found, _ in names),
        expected=_pairs(group for _, group in names),
        right=_pairs(names),
    )


def _pairs(values: Iterable[Hashable]) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(values).values())


def measured(
    folder: Path,
    name: Callable[[Message], Hashable],
    what: str,
    report: Callable[[str, object], None],
) -> Pairs:
    """Return the pairs of all providers of `folder`; print and record them with each one's."""
    total = Pairs()
    for path in sorted(folder.glob("*.jsonl")):
        found = pairs(messages_of(path), name)
        print(f"{folder.name} {what} {path.stem}: {found}")  # noqa: T201 - the report is the point
        report(f"{what}.{path.stem}", str(found))
        total += found
    print(f"{folder.name} {what} all: {total}")  # noqa: T201 - as above
    report(f"{what}.all", str(total))
    return total


@by_folder
def test_corpus_is_well_formed(folder: Path) -> None:
    """Every line has the six fields, a known code, a text, and its provider's file's groups."""
    lines = [
        (path.stem, json.loads(line))
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]

    assert lines, "no *.jsonl in this folder"
    for provider, row in lines:
        assert tuple(sorted(row)) == tuple(sorted(KEYS)), row
        assert row["group"].startswith(f"{provider}-"), row
        assert row["code"] in ErrorCode.__members__, row
        assert row["status"] is None or 100 <= row["status"] <= 599, row
        assert row["message"].strip(), row
        assert row["origin"] in {"read", "varied"}, row


@by_folder
def test_group_has_one_code(folder: Path) -> None:
    """One cause and one fix have one code."""
    codes = {
        (path.stem, message.group, message.code)
        for path in folder.glob("*.jsonl")
        for message in messages_of(path)
    }

    assert [key for key, count in Counter(row[:2] for row in codes).items() if count > 1] == []


@by_folder
def test_keys_group_by_cause_and_fix(
    folder: Path, record_property: Callable[[str, object], None]
) -> None:
    """Two messages of one provider share a key if and only if one cause and one fix explain both.

    This holds for as many pairs as the floors say.
    """
    found = measured(folder, lambda message: message.key, "key", record_property)

    assert found.precision >= MIN_PRECISION
    assert found.recall >= MIN_RECALL


@by_folder
def test_patterns_group_by_cause_and_fix(
    folder: Path, record_property: Callable[[str, object], None]
) -> None:
    """The same holds for the stored pattern, whose code comes from status and text."""
    found = measured(folder, lambda message: message.pattern, "pattern", record_property)

    assert found.precision >= MIN_PRECISION
    assert found.recall >= MIN_RECALL


@by_folder
def test_messages_are_classified(
    folder: Path, record_property: Callable[[str, object], None]
) -> None:
    """Status and text give the code that a reader would give.

    None that is final is taken for one worth repeating.
    """
    right = total = 0
    for path in sorted(folder.glob("*.jsonl")):
        messages = messages_of(path)
        told = [(message.classified, message.code, message.text) for message in messages]
        hits = sum(code == wanted for code, wanted, _ in told)
        assert [row for row in told if row[0] in RETRYABLE and row[1] in HOPELESS] == []
        print(f"{folder.name} code {path.stem}: {hits / len(messages):.4f}")  # noqa: T201 - report
        record_property(f"code.{path.stem}", hits / len(messages))
        right, total = right + hits, total + len(messages)
    print(f"{folder.name} code all: {right / total:.4f}")  # noqa: T201 - report
    record_property("code.all", right / total)

    assert right / total >= MIN_ACCURACY
