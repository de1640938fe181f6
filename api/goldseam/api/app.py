"""The FastAPI application: routes, errors, and what surrounds them.

`goldseam api`, `goldseam up` and `goldseam demo` serve `create_app`; an application of one's own
includes `ai_logs_router` instead, which brings its connections and its errors along.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from goldseam.api import problems
from goldseam.api.deadline import GRACE_S, Crowd, Deadline
from goldseam.api.guards import LOOPBACK_NAMES, AnswerHeaders, HostGuard
from goldseam.api.metrics import Counted, create_metrics
from goldseam.api.routes import (
    errors,
    exports,
    figures,
    fixes,
    health,
    keys,
    logs,
    recovery,
    retention,
    streams,
    traces,
)
from goldseam.api.schemas.problem import RESPONSES
from goldseam.api.services import running
from goldseam.api.settings import ApiSettings

PREFIX: Final = "/api/v1/ai"


@asynccontextmanager
async def _services(app: FastAPI) -> AsyncIterator[None]:
    """Open connections while the application runs; settings come from it or the environment."""
    settings = getattr(app.state, "goldseam_settings", None) or ApiSettings.from_environment()
    async with running(settings) as app.state.goldseam:
        yield


ai_logs_router = APIRouter(prefix=PREFIX, lifespan=_services, responses=RESPONSES)
for _routes in (figures, fixes, retention, traces, exports, streams, errors, recovery, keys, logs):
    ai_logs_router.include_router(_routes.router)  # logs last: it ends with /logs/{id}


class _Api(FastAPI):
    """Describes itself as it is: a key may be left out where the API may be open."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description; each refusal is written down once."""
        described = super().openapi()
        refusals = described["components"].setdefault("responses", {})
        for operation in _operations(described):
            if "security" in operation and self.state.goldseam_settings.api_open:
                operation["security"] = [{"key": []}, {}]
            for status, answer in operation["responses"].items():
                if problems.MEDIA_TYPE in answer.get("content", ()):
                    refusals[status] = answer
                    operation["responses"][status] = {"$ref": f"#/components/responses/{status}"}
        return described


def _operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in described["paths"].values():
        yield from operations.values()


def create_app(settings: ApiSettings) -> FastAPI:
    """Build the API; while it may be open it answers requests to loopback names only."""
    app = _Api(
        title="Goldseam",
        version=version("goldseam"),
        summary="What AI calls failed, what mended them, and what it cost.",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.goldseam_settings = settings
    app.state.goldseam_metrics = create_metrics()
    app.add_middleware(Deadline, limit_s=settings.api_statement_timeout_s + GRACE_S)
    app.add_middleware(Crowd, limit=settings.api_requests_max)
    if settings.api_cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.api_cors_origins)
    if settings.api_open:
        app.add_middleware(HostGuard, names=LOOPBACK_NAMES)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(Counted, metrics=app.state.goldseam_metrics)
    app.include_router(ai_logs_router)
    app.include_router(health.router)
    problems.install(app)
    return app
