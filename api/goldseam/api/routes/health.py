"""`/healthz` says that the process answers, `/readyz` that it can; `/metrics` how it does."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from goldseam.api import problems
from goldseam.api.schemas.health import Health
from goldseam.api.services import services

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process answers")
async def healthz() -> Health:
    """Answer without looking at anything."""
    return Health(status="ok")


@router.get("/readyz", summary="The database answers", response_model=Health)
async def readyz(request: Request) -> Health | JSONResponse:
    """Ask the database for nothing."""
    try:
        async with services(request).engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return problems.response(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer. Check that it runs and that --database-url is right.",
            headers={"Retry-After": "1"},
        )
    return Health(status="ok")


@router.get("/metrics", summary="How the API itself does", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Print counters for Prometheus; they name routes, never tenants or keys."""
    found, here = request.app.state.goldseam_metrics, services(request)
    found.streams.set(here.streams.taken)
    found.connections.set(here.connections_in_use)
    body, content_type = found.printed(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})
