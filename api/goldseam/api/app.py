"""The FastAPI application: routes, errors, and one engine from start to stop.

`goldseam api`, `goldseam up` and `goldseam demo` serve it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from goldseam.api import problems
from goldseam.api.auth import KeyRing
from goldseam.api.deadline import GRACE_S, Deadline
from goldseam.api.guards import AnswerHeaders, HostGuard
from goldseam.api.rate import Limiter
from goldseam.api.routes import (
    errors,
    exports,
    figures,
    fixes,
    health,
    logs,
    recovery,
    retention,
    streams,
    traces,
)
from goldseam.api.settings import ApiSettings
from goldseam.storage import engine as storage_engine
from goldseam.storage.roles import Role

PREFIX: Final = "/api/v1/ai"

_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]", "testserver")
"""Without keys, a page elsewhere must not reach us by pointing its own name at loopback."""

ai_logs_router = APIRouter(prefix=PREFIX)
for _routes in (figures, fixes, retention, traces, exports, streams, errors, recovery, logs):
    ai_logs_router.include_router(_routes.router)  # logs last: it ends with /logs/{id}


def create_app(settings: ApiSettings) -> FastAPI:
    """Build the API; while it may be open it answers requests to loopback names only."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = storage_engine.async_engine(
            settings.database_url,
            Role.API,
            statement_timeout_s=settings.api_statement_timeout_s,
            pool_size=settings.api_pool_size,
        )
        app.state.database_url = settings.database_url
        app.state.key_ring = KeyRing(app.state.engine, is_open=settings.api_open)
        app.state.limiter = Limiter(settings.api_rate_limit_per_minute)
        yield
        await app.state.engine.dispose()

    app = FastAPI(
        title="Goldseam",
        version=version("goldseam"),
        summary="What AI calls failed, what mended them, and what it cost.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(Deadline, limit_s=settings.api_statement_timeout_s + GRACE_S)
    if settings.api_cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.api_cors_origins)
    if settings.api_open:
        app.add_middleware(HostGuard, names=_LOOPBACK_NAMES)
    app.add_middleware(AnswerHeaders)
    app.include_router(ai_logs_router)
    app.include_router(health.router)
    problems.install(app)
    return app
