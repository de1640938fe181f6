"""`/api/v1/ai/logs`: recent calls, the slowest, one call with its recovery.

Fixed paths stand before `/{id}`. Lists are bare arrays; the next page is in the `Link` header.
"""

import base64
import binascii
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.api.deps import Connection, needs
from goldseam.api.parameters import TEXT_MAX, Id, Since, Text, Until, WindowOf, moment
from goldseam.api.problems import NotFound, Problem
from goldseam.api.schemas.rows import (
    LogDetail,
    LogEntry,
    RecoveryStep,
    SlowLogEntry,
    TimeSplit,
)
from goldseam.storage import queries
from goldseam.storage.keys import Scope
from goldseam.storage.rollup_tables import SLOWEST_KEPT

router = APIRouter(prefix="/logs", tags=["logs"])

_PAGE_MAX: Final = 1000
"""A larger page is better served by an export."""

_MS_MAX: Final = 1e9

Status = Literal["pending", "success", "error", "cancelled", "abandoned"]


@router.get("/recent", dependencies=[needs(Scope.LOGS_READ)], summary="Recent calls, newest first")
async def recent(
    request: Request,
    response: Response,
    connection: Connection,
    *,
    limit: Annotated[int, Query(ge=1, le=_PAGE_MAX, description="Rows a page")] = 50,
    module: Text = None,
    status: Annotated[Status | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=TEXT_MAX, description="From `Link`")] = None,
    provider: Text = None,
    model: Text = None,
    error_code: Text = None,
    trace_id: Text = None,
    user_id: Text = None,
    since: Since = None,
    until: Until = None,
    recovered: Annotated[bool | None, Query(description="Mended calls only, or without")] = None,
) -> list[LogEntry]:
    """List calls; without `since` those of the last 30 days."""
    selection = queries.RecentFilter(
        module=module,
        status=status,
        provider=provider,
        model=model,
        error_code=error_code,
        trace_id=trace_id,
        user_id=user_id,
        since=since,
        until=until,
        recovered=recovered,
        cursor=_decode_cursor(cursor) if cursor else None,
    )
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
    "/{id}", dependencies=[needs(Scope.LOGS_READ)], summary="One call with its recovery steps"
)
async def one(
    connection: Connection,
    row_id: Annotated[Id, Path(alias="id", description="Row id, or the caller's own id")],
) -> LogDetail:
    """Show a call; a `request_id` that several calls share gives the newest."""
    row = await _find(connection, row_id)
    if row is None:
        raise NotFound("call with this id")
    steps = await queries.recovery_steps(connection, row.id)
    entry = LogEntry.model_validate(row).model_dump()
    return LogDetail(
        **entry,
        recovery=[RecoveryStep.model_validate(step) for step in steps],
        links={"self": f"/api/v1/ai/logs/{row.id}", "trace": _trace_link(row)},
    )


async def _find(connection: AsyncConnection, text: str) -> Any | None:
    try:
        row = await queries.request_by_id(connection, UUID(text))
    except ValueError:
        row = None
    return row or await queries.request_by_request_id(connection, text)


def _slow_entry(row: queries.RequestRow) -> SlowLogEntry:
    recovery_ms, wait_ms = row.recovery_time_ms or 0.0, row.recovery_wait_ms or 0.0
    split = TimeSplit(
        provider_ms=max(0.0, row.processing_time_ms - recovery_ms),
        wait_ms=wait_ms,
        recovery_ms=max(0.0, recovery_ms - wait_ms),
    )
    return SlowLogEntry(**LogEntry.model_validate(row).model_dump(), time_split=split)


def _trace_link(row: Any) -> str:
    return f"/api/v1/ai/logs/recent?trace_id={row.trace_id}"


def _encode_cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()} {row.id}".encode()).decode()


def _decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        created_at, row_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return moment(datetime.fromisoformat(created_at)), UUID(row_id)
    except (ValueError, binascii.Error) as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "`cursor` is not one of ours: take it from the `Link` header of the page before.",
            invalid_parameters=[{"name": "cursor", "in": "query", "reason": "not a cursor"}],
        ) from error
