"""What every route needs: who calls, and a connection that sees only what the caller may.

Without keys the API is open on loopback and its caller sees every tenant.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from goldseam.api.parameters import NO_NUL, TEXT_MAX
from goldseam.storage import engine as storage_engine
from goldseam.storage.roles import ALL_TENANTS


async def tenant(
    tenant_id: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=TEXT_MAX,
            pattern=NO_NUL,
            description="Only this tenant's calls; all by default",
        ),
    ] = None,
) -> str:
    """Return the tenant that the answer is about, `*` for all."""
    return tenant_id or ALL_TENANTS


Tenant = Annotated[str, Depends(tenant)]


async def connection(request: Request, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
    """Yield a connection inside a transaction that sees `tenant`."""
    engine: AsyncEngine = request.app.state.engine
    async with storage_engine.tenant_transaction(engine, tenant) as opened:
        yield opened


Connection = Annotated[AsyncConnection, Depends(connection)]
