"""Where the past ends: rows that started before a tenant's horizon are gone for good.

`retention` moves the horizon before it drops anything; `writes` asks for it in each transaction and
refuses what lies behind it. So a span that comes again after its day was dropped is not counted
again, by whichever writer, and however long ago its sender had first sent it.
"""

from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import Cursor

from goldseam.storage.locks import AdvisoryLock
from goldseam.storage.records import Batch, RecoveryRecord, RequestRecord
from goldseam.storage.roles import ALL_TENANTS

# Two statements in one message: the second must not look before the first has its lock.
_LOOK: Final = f"""
    SELECT pg_advisory_xact_lock_shared({AdvisoryLock.HORIZON:d});
    SELECT tenant_id, before FROM goldseam_horizon
"""  # noqa: S608 - our own number

_ADVANCE: Final = """
    INSERT INTO goldseam_horizon AS h (tenant_id, before) VALUES (%(tenant)s, %(before)s)
    ON CONFLICT (tenant_id) DO UPDATE SET before = greatest(h.before, excluded.before)
"""


def advance(conn: psycopg.Connection, before: datetime, *, tenant: str = ALL_TENANTS) -> None:
    """Let nothing be stored any more that started before `before`, in the open transaction.

    Waits for the transactions that write now; those that begin later see the new horizon.

    Args:
        conn: Connection in role `goldseam_owner`, inside a transaction.
        before: It never moves back.
        tenant: Whose rows; by default everybody's.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (AdvisoryLock.HORIZON.value,))
    conn.execute(_ADVANCE, {"tenant": tenant, "before": before})


def split(
    cursor: Cursor[Any], batch: Batch
) -> tuple[Batch, tuple[RequestRecord | RecoveryRecord, ...]]:
    """Return what of `batch` may be stored in the open transaction, and what lies behind."""
    cursor.execute(_LOOK, prepare=False)
    cursor.nextset()
    known: dict[str, datetime] = dict(cursor.fetchall())
    if not known:
        return batch, ()
    everybodys = known.get(ALL_TENANTS)

    def is_gone(record: RequestRecord | RecoveryRecord) -> bool:
        ends = (everybodys, known.get(record.tenant_id))
        return any(end is not None and record.created_at < end for end in ends)

    records: list[RequestRecord | RecoveryRecord] = [*batch.requests, *batch.recoveries]
    gone = tuple(filter(is_gone, records))
    if not gone:
        return batch, ()
    kept = Batch(
        requests=[record for record in batch.requests if not is_gone(record)],
        recoveries=[record for record in batch.recoveries if not is_gone(record)],
        patterns=batch.patterns,
    )
    return kept, gone
