"""Store rows, all but those that the database refuses for good.

Called by `writer` and `recorder`. Which row of a refused transaction is at fault is not told, so
the rows are halved until it stands alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from goldseam.storage.errors import DatabaseUnavailableError, NotMigratedError
from goldseam.storage.records import Batch, RecoveryRecord, RequestRecord

DAY_IS_GONE: Final = "its day was deleted by retention, and is not stored again"

AWAY_FAULTS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    DatabaseUnavailableError,
    NotMigratedError,
)
"""Faults that say nothing about the rows: they pass when the database is back."""

_DATA_FAULTS: Final = (
    psycopg.DataError,
    psycopg.errors.CheckViolation,
    psycopg.errors.NotNullViolation,
    ValueError,
    OverflowError,
)
"""Faults of a row: the database, or the encoder before it, will refuse it every time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record, and which of the batches that are written together it belongs to."""

    owner: int
    record: RequestRecord | RecoveryRecord


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be stored, by the batch that it belongs to."""

    owner: int
    reason: str


def write_all_but_bad(
    batches: Sequence[Batch], write: Callable[[Batch], frozenset[int]]
) -> list[Refused]:
    """Write `batches` as one, or without the rows that the database refuses.

    Args:
        batches: What to write.
        write: Stores a batch in one transaction; returns `id()` of each record that it left out
            because its day was deleted.

    Raises:
        Exception: Whatever `write` raises that is no fault of a row.
    """
    rows = [Row(owner, record) for owner, batch in enumerate(batches) for record in _records(batch)]
    known = Batch(patterns={key: value for b in batches for key, value in b.patterns.items()})
    return _halved(rows, known, write)


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's text, for an answer to a sender."""
    return str(error).partition("\n")[0] or type(error).__name__


def _halved(
    rows: Sequence[Row], known: Batch, write: Callable[[Batch], frozenset[int]]
) -> list[Refused]:
    try:
        gone = write(_batch(rows, known))
    except _DATA_FAULTS as error:
        if len(rows) == 1:
            return [Refused(rows[0].owner, reason_of(error))]
        half = len(rows) // 2
        return [*_halved(rows[:half], known, write), *_halved(rows[half:], known, write)]
    return [Refused(row.owner, DAY_IS_GONE) for row in rows if id(row.record) in gone]


def _records(batch: Batch) -> list[RequestRecord | RecoveryRecord]:
    return [*batch.requests, *batch.recoveries]


def _batch(rows: Sequence[Row], known: Batch) -> Batch:
    """Return the rows as one batch, with the patterns that they mention."""
    requests = [row.record for row in rows if isinstance(row.record, RequestRecord)]
    wanted = {(r.tenant_id, r.error_pattern) for r in requests if r.error_pattern is not None}
    return Batch(
        requests=requests,
        recoveries=[row.record for row in rows if isinstance(row.record, RecoveryRecord)],
        patterns={key: known.patterns[key] for key in wanted if key in known.patterns},
    )
