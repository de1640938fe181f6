"""`/api/v1/ai/logs/export`: any number of calls as CSV or JSON lines, a page in memory at a time.

Pages follow each other by key, each in its own short transaction, so an export of a month holds up
nothing. In CSV, a text that a spreadsheet would take for a formula starts with an apostrophe.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.api.deps import StreamSlot, Tenant, needs
from goldseam.api.filters import FilterOf
from goldseam.api.problems import ProblemRoute
from goldseam.api.schemas.rows import LogEntry
from goldseam.api.services import services
from goldseam.storage import engine as storage_engine
from goldseam.storage import queries
from goldseam.storage.keys import Scope

router = APIRouter(prefix="/logs", tags=["logs"], route_class=ProblemRoute)

PAGE_ROWS: Final = 1_000

_ROWS_MAX: Final = 100_000_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS: Final = tuple(LogEntry.model_fields)
_MEDIA_TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

Format = Literal["csv", "jsonl"]


@router.get(
    "/export",
    summary="Calls as CSV or JSON lines",
    dependencies=[needs(Scope.LOGS_READ), StreamSlot],
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {} for kind in _MEDIA_TYPES.values()}}},
)
async def export(
    request: Request,
    tenant: Tenant,
    selection: FilterOf,
    *,
    format: Annotated[Format, Query(description="csv or jsonl")] = "csv",  # noqa: A002 - the parameter's name
    limit: Annotated[int, Query(ge=1, le=_ROWS_MAX, description="Rows at most")] = _ROWS_MAX,
) -> StreamingResponse:
    """Stream calls, newest first; without `since` those of the last 30 days.

    By provider, model, error code, user or recovery they are those of the last 24 hours.
    """
    pages = _pages(services(request).engine, tenant, selection, limit)
    first = await anext(pages)  # a database that is away is a 503, not half a file
    write = _csv if format == "csv" else _json_lines
    name = f"goldseam-logs.{format}"
    return StreamingResponse(
        _written(write, first, pages, header=format == "csv"),
        media_type=_MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _pages(
    engine: AsyncEngine, tenant: str, selection: queries.RecentFilter, limit: int
) -> AsyncIterator[list[LogEntry]]:
    """Yield pages, at least one; the last may be empty."""
    left = limit
    while True:
        size = min(left, PAGE_ROWS)
        async with storage_engine.tenant_transaction(engine, tenant) as connection:
            rows = await queries.recent(connection, selection, limit=size)
        yield [LogEntry.model_validate(row) for row in rows]
        left -= len(rows)
        if len(rows) < size or not left:
            return
        selection = replace(selection, cursor=(rows[-1].created_at, rows[-1].id))


async def _written(
    write: Callable[[Iterable[LogEntry]], str],
    first: list[LogEntry],
    rest: AsyncIterator[list[LogEntry]],
    *,
    header: bool,
) -> AsyncIterator[str]:
    if header:
        yield ",".join(_COLUMNS) + "\r\n"
    yield write(first)
    async for page in rest:
        yield write(page)


def _csv(page: Iterable[LogEntry]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(
        [_cell(value) for value in entry.model_dump(mode="json").values()] for entry in page
    )
    return buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return _text(value) if isinstance(value, dict) else value


def _text(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json_lines(page: Iterable[LogEntry]) -> str:
    return "".join(f"{entry.model_dump_json()}\n" for entry in page)
