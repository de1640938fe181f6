"""How often each tenant met each error pattern, kept in step with the rows.

`writes` and `rewrites` run statements that tell what they did to the rows (`moved`), and count it
in the same transaction (`count`). The rows of `ai_error_analysis` are locked in key order.
"""

import hashlib
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from goldseam.storage import write_statements as statements
from goldseam.storage.records import PatternRecord


@dataclass(frozen=True, slots=True)
class PatternChange:
    """What rows that moved mean for one pattern of one tenant."""

    tenant_id: str
    error_pattern: str
    occurrences: int
    recovered: int
    first_seen: datetime | None
    last_occurred: datetime | None


def pattern_id(tenant_id: str, error_pattern: str) -> str:
    """Return the key of an error pattern: 16 hex digits, the same everywhere."""
    return hashlib.sha256(f"{tenant_id}/{error_pattern}".encode()).hexdigest()[:16]


def moved(
    cursor: Cursor[Any], statement: str, parameters: dict[str, Any]
) -> tuple[int, list[PatternChange]]:
    """Run `statement`; return how many rows it wrote and what that means for the patterns."""
    rows_written, changes = 0, []
    for tenant_id, pattern, rows, *counters in cursor.execute(statement, parameters):
        rows_written += rows
        if pattern is not None:
            changes.append(PatternChange(tenant_id, pattern, *counters))
    return rows_written, changes


def count(
    cursor: Cursor[Any],
    changes: list[PatternChange],
    patterns: dict[tuple[str, str], PatternRecord],
    now: datetime,
) -> int:
    """Move the counters by `changes`; return how many patterns the tenants had never had.

    Args:
        cursor: Inside the transaction that moved the rows.
        changes: As `moved` returns them.
        patterns: What is to be stored of a pattern that is new.
        now: Time of writing.
    """
    if not changes:
        return 0
    summed = _summed(changes)
    patterns_new = _insert(cursor, summed, patterns, now)
    columns = zip(*(astuple(change) for change in summed), strict=True)
    names = ("tenant_id", "error_pattern", "occurrences", "recovered", "first_seen")
    parameters = dict(zip((*names, "last_occurred"), map(list, columns), strict=True))
    cursor.execute(statements.LOCK_PATTERNS, parameters)
    cursor.execute(statements.UPDATE_PATTERNS, {**parameters, "now": now})
    return patterns_new


def _summed(changes: list[PatternChange]) -> list[PatternChange]:
    """Return one change per pattern."""
    grouped: dict[tuple[str, str], list[PatternChange]] = {}
    for change in changes:
        grouped.setdefault((change.tenant_id, change.error_pattern), []).append(change)
    return [
        PatternChange(
            *key,
            occurrences=sum(change.occurrences for change in group),
            recovered=sum(change.recovered for change in group),
            first_seen=min((c.first_seen for c in group if c.first_seen), default=None),
            last_occurred=max((c.last_occurred for c in group if c.last_occurred), default=None),
        )
        for key, group in grouped.items()
    ]


def _insert(
    cursor: Cursor[Any],
    changes: list[PatternChange],
    patterns: dict[tuple[str, str], PatternRecord],
    now: datetime,
) -> int:
    # A pattern that the batch does not mention was counted, and so stored, by an earlier one.
    seen = [c for c in changes if c.first_seen and (c.tenant_id, c.error_pattern) in patterns]
    records = [patterns[change.tenant_id, change.error_pattern] for change in seen]
    parameters = {
        "tenant_id": [change.tenant_id for change in seen],
        "pattern_id": [pattern_id(change.tenant_id, change.error_pattern) for change in seen],
        "error_pattern": [change.error_pattern for change in seen],
        "error_code": [record.error_code for record in records],
        "error_message_pattern": [record.error_message_pattern for record in records],
        "provider": [record.provider for record in records],
        "normaliser_version": [record.normaliser_version for record in records],
        "first_seen": [change.first_seen for change in seen],
        "last_occurred": [change.last_occurred for change in seen],
        "probable_cause": [record.probable_cause for record in records],
        "suggested_action": [record.suggested_action for record in records],
        "now": now,
    }
    return cursor.execute(statements.INSERT_PATTERNS, parameters).rowcount
