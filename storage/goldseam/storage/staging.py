"""The session's temporary tables, and how records come into them.

`writes` and `rewrites` put records here and then speak of all of them in one statement. What is
staged is gone with the transaction.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final

import psycopg
from psycopg import Cursor

from goldseam.storage import rollups
from goldseam.storage import write_statements as statements
from goldseam.storage.records import RecoveryRecord, RequestRecord

_request_values: Final = attrgetter(*statements.REQUEST_COLUMNS)
_recovery_values: Final = attrgetter(*statements.RECOVERY_COLUMNS)


def ensure(cursor: Cursor[Any]) -> None:
    """Make the tables, unless the session has them."""
    # Asked each time: a pool or a rolled back transaction may have taken the tables away.
    row = cursor.execute(statements.STAGING_EXISTS).fetchone()
    if row is None or not row[0]:
        for statement in statements.CREATE_STAGING:
            cursor.execute(statement)
    rollups.prepare(cursor)


def requests(cursor: Cursor[Any], records: Iterable[RequestRecord]) -> None:
    """Stage requests.

    Raises:
        psycopg.DataError: A value does not fit its column's type.
    """
    values = map(_request_values, records)
    _copy(cursor, statements.COPY_REQUESTS, statements.REQUEST_TYPES, values)


def recoveries(cursor: Cursor[Any], records: Iterable[RecoveryRecord]) -> None:
    """Stage recovery steps; raises as `requests` does."""
    recovery_rows(cursor, map(_recovery_values, records))


def recovery_rows(cursor: Cursor[Any], rows: Iterable[tuple[Any, ...]]) -> None:
    """Stage recovery steps that were read from their table, in the order of its columns."""
    _copy(cursor, statements.COPY_RECOVERIES, statements.RECOVERY_TYPES, rows)


def _copy(
    cursor: Cursor[Any], statement: str, types: list[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            try:
                copy.write_row(row)
            except psycopg.Error:
                raise
            except Exception as error:  # each type's encoder fails in a way of its own
                raise psycopg.DataError(f"A value does not fit its column: {error}") from error
