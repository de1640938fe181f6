"""The two questions about rows that change: what was rated, and what has just been written.

Called by the API inside `engine.tenant_transaction`.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage.engine import tenant_of
from goldseam.storage.models import AIRequestLog
from goldseam.storage.queries import RequestRow

LOOK_BACK: Final = timedelta(minutes=15)
"""Calls that started earlier are no news; it bounds what is read."""


async def rate(
    conn: AsyncConnection,
    row: RequestRow,
    values: Mapping[str, Any],
    *,
    now: datetime,
    over: Mapping[str, Any],
) -> bool:
    """Store `user_feedback` or `confidence_score` of a request.

    Args:
        conn: Transaction.
        row: The request.
        values: Columns to set.
        now: When.
        over: Columns that must still have these values; none overwrites whatever is there.

    Returns:
        Whether it was stored.
    """
    log = AIRequestLog
    unchanged = (getattr(log, name).is_not_distinct_from(value) for name, value in over.items())
    changed = await conn.execute(
        update(log)
        .where(log.tenant_id == row.tenant_id, log.created_at == row.created_at, log.id == row.id)
        .where(*unchanged)
        .values(**values, updated_at=now)
        .returning(log.id)
    )
    return changed.first() is not None


async def written_since(conn: AsyncConnection, since: datetime, *, limit: int) -> list[RequestRow]:
    """Return recent requests that were written after `since`, the first written first."""
    log = AIRequestLog
    query = select(*(getattr(log, field.name) for field in fields(RequestRow))).where(
        log.created_at >= since - LOOK_BACK, log.updated_at > since, log.duplicate_of.is_(None)
    )
    if (tenant := tenant_of(conn)) is not None:
        query = query.where(log.tenant_id == tenant)
    rows = await conn.execute(query.order_by(log.updated_at, log.id).limit(limit))
    return [RequestRow(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
