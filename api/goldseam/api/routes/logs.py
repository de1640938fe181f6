"""`/api/v1/ai/logs`: recent calls, the slowest, one call with its recovery.

Fixed paths stand before `/{id}`. Lists are bare arrays; the next page is in the `Link` header.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.api import conditional
from goldseam.api.deps import CallerOf, Connection, needs
from goldseam.api.filters import FilterOf
from goldseam.api.parameters import Id, WindowOf
from goldseam.api.problems import NotFound, ProblemRoute
from goldseam.api.schemas.feedback import Feedback
from goldseam.api.schemas.rows import (
    LogDetail,
    LogEntry,
    RecoveryStep,
    SlowLogEntry,
    TimeSplit,
)
from goldseam.storage import audit, changes, queries
from goldseam.storage.keys import Scope
from goldseam.storage.rollup_tables import SLOWEST_KEPT

router = APIRouter(prefix="/logs", tags=["logs"], route_class=ProblemRoute)

_PAGE_MAX: Final = 1000
"""A larger page is better served by an export."""

_MS_MAX: Final = 1e9
_ID_MEANS: Final = "Row id, or the caller's own id"
_LOGS: Final = "/api/v1/ai/logs"

_CURSOR: Final = "^[0-9a-f]{45}$"
"""Microseconds since 1970 in 13 hex digits, which last until 2112, and a row's id."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@router.get("/recent", dependencies=[needs(Scope.LOGS_READ)], summary="Recent calls, newest first")
async def recent(
    request: Request,
    response: Response,
    connection: Connection,
    selection: FilterOf,
    *,
    limit: Annotated[int, Query(ge=1, le=_PAGE_MAX, description="Rows a page")] = 50,
    cursor: Annotated[str | None, Query(pattern=_CURSOR, description="From `Link`")] = None,
) -> list[LogEntry]:
    """List calls; without `since` those of the last 30 days.

    By provider, model, error code, user or recovery they are those of the last 24 hours.
    """
    if cursor:
        selection = replace(selection, cursor=_decode_cursor(cursor))
    rows = await queries.recent(connection, selection, limit=limit)
    if len(rows) == limit:
        page = request.url.include_query_params(cursor=_encode_cursor(rows[-1]))
        response.headers["Link"] = f'<{page}>; rel="next"'
    return [LogEntry.model_validate(row) for row in rows]


@router.get("/requests/slow", dependencies=[needs(Scope.LOGS_READ)], summary="Slowest calls")
async def slow(
    connection: Connection,
    window: WindowOf,
    *,
    limit: Annotated[int, Query(ge=1, le=SLOWEST_KEPT, description="Calls at most")] = 10,
    min_ms: Annotated[
        float, Query(ge=0, le=_MS_MAX, description="Only calls that took this long, ms")
    ] = 0.0,
) -> list[SlowLogEntry]:
    """List the answered calls that took longest, and say where their time went."""
    found = await queries.slowest(
        connection, since=window.since, until=window.until, limit=limit, min_ms=min_ms
    )
    return [_slow_entry(row) for row in found]


@router.get(
    "/{id}",
    summary="One call with its recovery steps",
    dependencies=[needs(Scope.LOGS_READ)],
    response_model=LogDetail,
)
async def one(
    request: Request,
    connection: Connection,
    row_id: Annotated[Id, Path(alias="id", description=_ID_MEANS)],
) -> Response:
    """Show a call; a `request_id` that several calls share gives the newest."""
    row = await _find(connection, row_id)
    steps = await queries.recovery_steps(connection, row.id, tenant_id=row.tenant_id)
    detail = LogDetail(
        **LogEntry.model_validate(row).model_dump(),
        recovery=[RecoveryStep.model_validate(step) for step in steps],
        links={
            "self": f"{_LOGS}/{row.id}",
            "trace": f"{_LOGS}/trace/{row.trace_id}",
            "feedback": f"{_LOGS}/{row.id}/feedback",
        },
    )
    return conditional.answer(request, detail, revised=_rating(row))


@router.patch("/{id}/feedback", summary="Rate an answer", dependencies=[needs(Scope.INGEST_WRITE)])
async def feedback(
    response: Response,
    connection: Connection,
    caller: CallerOf,
    row_id: Annotated[Id, Path(alias="id", description=_ID_MEANS)],
    body: Feedback,
    *,
    if_match: conditional.IfMatch = None,
) -> LogEntry:
    """Store what an answer was worth; fields left out stay, null takes a rating back."""
    now = datetime.now(UTC)
    row = await _find(connection, row_id)
    conditional.check(if_match, _rating(row))
    values = body.model_dump(exclude_unset=True)
    if values:
        if not await changes.rate(
            connection, row, values, now=now, over=_rating(row) if if_match else {}
        ):
            raise conditional.PreconditionFailed
        await audit.record(
            connection,
            tenant=row.tenant_id,
            actor=caller.actor,
            action="logs.feedback",
            target=str(row.id),
            now=now,
            details={"fields": sorted(values)},
        )
        row = replace(row, **values, updated_at=now)
    entry = LogEntry.model_validate(row)
    response.headers["ETag"] = conditional.tag(entry, revised=_rating(row))
    return entry


async def _find(connection: AsyncConnection, text: str) -> queries.RequestRow:
    row = await queries.request_by_request_id(connection, text)
    if row is None:
        raise NotFound("call with this id")
    return row


def _rating(row: queries.RequestRow) -> dict[str, Any]:
    """Return what people change of a call."""
    return {"user_feedback": row.user_feedback, "confidence_score": row.confidence_score}


def _slow_entry(row: queries.RequestRow) -> SlowLogEntry:
    recovery_ms, wait_ms = row.recovery_time_ms or 0.0, row.recovery_wait_ms or 0.0
    split = TimeSplit(
        provider_ms=max(0.0, row.processing_time_ms - recovery_ms),
        wait_ms=wait_ms,
        recovery_ms=max(0.0, recovery_ms - wait_ms),
    )
    return SlowLogEntry(**LogEntry.model_validate(row).model_dump(), time_split=split)


def _encode_cursor(row: queries.RequestRow) -> str:
    return f"{(row.created_at - _EPOCH) // _MICROSECOND:013x}{row.id.hex}"


def _decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    return _EPOCH + int(cursor[:13], 16) * _MICROSECOND, UUID(cursor[13:])
