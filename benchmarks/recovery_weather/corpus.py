"""How well kinds of errors are told: the corpora of real messages that the tests hold, scored.

Pure but for reading `tests/errors/corpus`. The rules were written with `development`;
the others were gathered when they were frozen, scored once and then opened.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from instrumentation_cost.environments import REPOSITORY

from goldseam.errors import ErrorCode, Evidence, classify, redact
from goldseam.recovery.situation import RETRYABLE

CORPUS: Final = REPOSITORY / "tests" / "errors" / "corpus"

FINAL: Final = frozenset(
    {
        ErrorCode.AUTH,
        ErrorCode.QUOTA_EXCEEDED,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.CONTENT_FILTER,
    }
)
"""Nobody gets an answer to these by asking again."""


@dataclass(frozen=True, slots=True)
class Score:
    """One corpus.

    Attributes:
        name: Its folder.
        right: Share of the messages with the right code.
        repeated: Messages of a final kind that were taken for one worth repeating.
    """

    name: str
    right: float
    repeated: int


def scores() -> list[Score]:
    """Return the score of each corpus."""
    found = []
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        read = [
            (row["code"], _told(row))
            for path in sorted(folder.glob("*.jsonl"))
            for row in _rows(path.read_text(encoding="utf-8"))
        ]
        right = sum(told == code for code, told in read) / len(read)
        repeated = sum(code in FINAL and told in RETRYABLE for code, told in read)
        found.append(Score(folder.name, right, repeated))
    return found


def _told(row: dict[str, Any]) -> ErrorCode:
    return classify(Evidence(http_status=row["status"], message=redact(row["message"]))).code


def _rows(text: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in text.splitlines() if line)
