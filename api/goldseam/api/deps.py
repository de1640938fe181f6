"""What every route needs: who calls, and a connection that sees only what the caller may.

Without keys the API is open on loopback and its caller sees every tenant.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from goldseam.storage import engine as storage_engine
from goldseam.storage.roles import ALL_TENANTS


async def connection(request: Request) -> AsyncIterator[AsyncConnection]:
    """Yield a connection inside a transaction whose tenant is the caller's."""
    engine: AsyncEngine = request.app.state.engine
    async with storage_engine.tenant_transaction(engine, ALL_TENANTS) as opened:
        yield opened


Connection = Annotated[AsyncConnection, Depends(connection)]
