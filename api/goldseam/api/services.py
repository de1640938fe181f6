"""What the routes share while the API runs: connections, keys, rates, slots.

Opened once by the router's lifespan, for the API of `create_app` as well as for a router that
somebody includes in an application of their own; kept apart from that application's own state.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool
from starlette.requests import Request

from goldseam.api.auth import KeyRing
from goldseam.api.rate import Limiter
from goldseam.api.settings import ApiSettings
from goldseam.api.slots import Slots
from goldseam.storage.engine import async_engine
from goldseam.storage.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes use.

    Attributes:
        engine: Connections in the API's role.
        database_url: For what the API's role may not do.
        keys: Who may come in.
        limiter: How often.
        streams: Places for answers that take long to give.
        deleting: Held while old rows are deleted, which is done once at a time.
    """

    engine: AsyncEngine
    database_url: str
    keys: KeyRing
    limiter: Limiter
    streams: Slots
    deleting: asyncio.Lock

    @property
    def connections_in_use(self) -> int:
        """How many of the pool's connections answer a question now."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0


@asynccontextmanager
async def running(settings: ApiSettings) -> AsyncIterator[Services]:
    """Open what the settings ask for and close it at the end."""
    engine = async_engine(
        settings.database_url,
        Role.API,
        statement_timeout_s=settings.api_statement_timeout_s,
        pool_size=settings.api_pool_size,
        pool_wait_s=settings.api_statement_timeout_s,
    )
    try:
        yield Services(
            engine=engine,
            database_url=settings.database_url,
            keys=KeyRing(engine, is_open=settings.api_open),
            limiter=Limiter(settings.api_rate_limit_per_minute),
            streams=Slots(settings.api_streams_max),
            deleting=asyncio.Lock(),
        )
    finally:
        await engine.dispose()


def services(request: Request) -> Services:
    """Return the services of the application that a request came to."""
    found: Services = request.app.state.goldseam
    return found
