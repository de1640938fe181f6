"""`/healthz` says that the process answers, `/readyz` that it can answer questions."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
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
