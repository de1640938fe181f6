"""Keep the roll-ups equal to the rows.

`writes` calls `apply` and `apply_steps` inside the transaction that moved the rows, so sums and
rows are committed together; `rebuild` makes a day's sums anew from its rows. Both may run at any
time beside any number of writers: one of them at a time holds the lock of the sums, to the end of
its transaction.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import Cursor

from goldseam.storage import rollup_statements as statements
from goldseam.storage import step_statements
from goldseam.storage.errors import RollupError

_MOVED_EXIST: Final = "SELECT to_regclass('pg_temp.goldseam_moved_steps') IS NOT NULL"


def prepare(cursor: Cursor[Any]) -> None:
    """Make the temporary tables that note what moves, unless the session has them."""
    row = cursor.execute(_MOVED_EXIST).fetchone()
    if row is None or not row[0]:
        cursor.execute(statements.CREATE_MOVED)
        cursor.execute(step_statements.CREATE_MOVED_STEPS)


def lock(cursor: Cursor[Any]) -> None:
    """Wait until nobody else moves a sum; it lasts to the end of the transaction."""
    cursor.execute(statements.LOCK)


def apply(cursor: Cursor[Any]) -> None:
    """Add the requests that moved to their roll-ups; once per transaction, as its last act."""
    lock(cursor)
    scope = _scope(cursor, statements.SCOPE)
    if scope is None:
        return
    cursor.execute(statements.ADMIT_NAMES, scope.hours)
    form = scope.one_hour, _is_true(cursor, statements.HAS_FULL_NAMES, scope)
    cursor.execute(statements.ADD_STATS[form])
    cursor.execute(statements.ADD_ERRORS[form])
    _list_slowest(cursor, scope)


def apply_steps(cursor: Cursor[Any]) -> None:
    """Add the recovery steps that moved to their roll-ups; `apply` and this, in any order."""
    lock(cursor)
    scope = _scope(cursor, step_statements.STEP_SCOPE)
    if scope is None:
        return
    cursor.execute(step_statements.ADMIT_STEP_NAMES, scope.hours)
    form = scope.one_hour, _is_true(cursor, step_statements.HAS_FULL_STEP_NAMES, scope)
    cursor.execute(step_statements.ADD_STEPS[form])


def rebuild(conn: psycopg.Connection, day: date) -> int:
    """Make the sums of one UTC day anew from its rows; commit.

    Args:
        conn: Connection in role `goldseam_owner`, outside a transaction.
        day: A day whose rows are still there.

    Returns:
        How many requests were counted, duplicates included.

    Raises:
        RollupError: The day has no rows any more; its sums stay as they are.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    bounds = {"start": start, "end": start + timedelta(days=1), "day": day}
    with conn.transaction(), conn.cursor() as cursor:
        prepare(cursor)
        lock(cursor)
        rows = cursor.execute(statements.MOVE_DAY, bounds).rowcount
        if not rows:
            raise RollupError(
                f"{day} has no rows, so its sums cannot be made anew; choose a day that "
                "retention has not dropped."
            )
        for statement in statements.FORGET_DAY:
            cursor.execute(statement, bounds)
        apply(cursor)
        # Without a step the day had none, or its steps are gone and their sums are all there is.
        if cursor.execute(step_statements.MOVE_STEPS, bounds).rowcount:
            for statement in step_statements.FORGET_STEPS:
                cursor.execute(statement, bounds)
            apply_steps(cursor)
    return rows


def days_with_rows(conn: psycopg.Connection) -> list[date]:
    """Return the UTC days that have rows, oldest first; `rebuild` works for these."""
    with conn.transaction():
        rows = conn.execute(statements.DAYS_WITH_ROWS)
        return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which hours moved, the last one included, and whether rows did that were stored before."""

    first: datetime
    last: datetime
    stored_too: bool

    @property
    def one_hour(self) -> bool:
        return self.first == self.last

    @property
    def hours(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last}


def _scope(cursor: Cursor[Any], statement: str) -> _Scope | None:
    """Return what moved; None if nothing did."""
    row = cursor.execute(statement).fetchone()
    return _Scope(*row) if row and row[0] else None


def _is_true(cursor: Cursor[Any], question: str, scope: _Scope) -> bool:
    row = cursor.execute(question, scope.hours).fetchone()
    return bool(row and row[0])


def _list_slowest(cursor: Cursor[Any], scope: _Scope) -> None:
    near = scope.hours
    for everybody in (False, True) if scope.stored_too else ():
        gone = set(cursor.execute(statements.FORGET_SLOW[everybody], near))
        if gone:
            places = {("", bucket) for _, bucket in gone} if everybody else gone
            cursor.execute(statements.RELIST_SLOW[everybody], near | _columns(places))
    grown = list(cursor.execute(statements.LIST_SLOW, near))
    for everybody, name in ((False, "each"), (True, "all")):
        places = {(tenant, bucket) for list_, tenant, bucket in grown if list_ == name}
        if places:
            cursor.execute(statements.TRIM_SLOW[everybody], near | _columns(places))


def _columns(places: set[Any]) -> dict[str, list[Any]]:
    return {
        "tenants": [tenant for tenant, _ in places],
        "buckets": [bucket for _, bucket in places],
    }
