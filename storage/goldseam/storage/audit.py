"""Write down what people and keys changed; rows are never updated or deleted.

Called by the API inside `engine.tenant_transaction`, in the transaction of the change itself, so
that there is no change without its row. Details hold counts and values, no content.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage.server_tables import AUDIT


async def record(
    conn: AsyncConnection,
    *,
    tenant: str,
    actor: str,
    action: str,
    now: datetime,
    target: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a row.

    Args:
        conn: Transaction that sees `tenant`.
        tenant: Whose data was touched; `*` for all.
        actor: Key id, or `command line`, or `loopback` where no keys are asked for.
        action: What was done, as in `logs.delete`.
        now: When.
        target: What it was done to.
        details: Counts, and values before and after.
    """
    await conn.execute(
        insert(AUDIT).values(
            tenant_id=tenant,
            created_at=now,
            id=uuid.uuid4(),
            actor=actor,
            action=action,
            target=target,
            details=dict(details or {}),
        )
    )
