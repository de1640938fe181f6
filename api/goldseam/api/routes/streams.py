"""`/api/v1/ai/logs/stream`: calls as they are written, as server-sent events.

The table is asked every second; writers commit a little after the time they write down, so each
question reaches back some seconds and what was sent already is left out. A client that comes back
with `Last-Event-ID` goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError

from goldseam.api.deps import StreamSlot, Tenant, needs
from goldseam.api.parameters import moment
from goldseam.api.problems import ProblemRoute
from goldseam.api.schemas.rows import LogEntry
from goldseam.api.services import services
from goldseam.storage import changes, engine
from goldseam.storage.errors import StorageError
from goldseam.storage.keys import Scope
from goldseam.storage.queries import RequestRow

router = APIRouter(prefix="/logs", tags=["logs"], route_class=ProblemRoute)

POLL_S: Final = 1.0
OVERLAP: Final = timedelta(seconds=5)
"""Longer than a group of spans takes from its time stamp to its commit."""

HEARTBEAT_POLLS: Final = 15
"""Proxies close what is silent for half a minute."""

_ROWS: Final = 500


@router.get(
    "/stream",
    summary="Calls as they are written",
    dependencies=[needs(Scope.LOGS_READ), StreamSlot],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request,
    tenant: Tenant,
    *,
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="Id of the last event that came through")
    ] = None,
) -> StreamingResponse:
    """Send an event `log` for each call that is written from now on, or since the last event."""
    since = _since(last_event_id)
    follower = _Follower(request, tenant, since)
    await follower.poll()  # a database that is away is a 503, not an empty stream
    return StreamingResponse(
        follower.events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


class _Follower:
    """Asks again and again what is new."""

    def __init__(self, request: Request, tenant: str, since: datetime) -> None:
        self._request = request
        self._tenant = tenant
        self._start = since
        self._latest = since
        self._sent: dict[tuple[str, str], datetime] = {}
        self._waiting: list[RequestRow] = []

    async def poll(self) -> None:
        """Read what was written since the last time."""
        since = max(self._start, self._latest - OVERLAP)
        async with engine.tenant_transaction(
            services(self._request).engine, self._tenant
        ) as connection:
            rows = await changes.written_since(connection, since, limit=_ROWS + len(self._sent))
        for row in rows:
            key = row.tenant_id, str(row.id)
            if self._sent.get(key) != row.updated_at:
                self._sent[key] = row.updated_at
                self._waiting.append(row)
        if rows:
            self._latest = rows[-1].updated_at
        floor = self._latest - OVERLAP
        self._sent = {key: moment for key, moment in self._sent.items() if moment >= floor}

    async def events(self) -> AsyncIterator[str]:
        """Yield what is to be sent until the client or the server goes away."""
        yield ": calls as they are written\n\n"
        quiet = 0
        while not getattr(self._request.app.state, "is_stopping", False):
            if self._waiting:  # in one piece: a client that left is noticed between pieces
                yield "".join(map(_event, self._waiting))
            quiet = 0 if self._waiting else quiet + 1
            self._waiting = []
            if quiet and quiet % HEARTBEAT_POLLS == 0:
                yield ": still here\n\n"
            await asyncio.sleep(POLL_S)
            try:
                await self.poll()
            except (SQLAlchemyError, StorageError):
                yield "retry: 5000\n: the database does not answer; come back\n\n"
                return


def _event(row: RequestRow) -> str:
    body = LogEntry.model_validate(row).model_dump_json()
    return f"id: {row.updated_at.astimezone(UTC).isoformat()}\nevent: log\ndata: {body}\n\n"


def _since(last_event_id: str | None) -> datetime:
    """Return where to go on; an id that is none of ours means from now on."""
    now = datetime.now(UTC)
    try:
        given = moment(datetime.fromisoformat(last_event_id)) if last_event_id else now
    except ValueError:
        return now
    return max(min(given, now), now - changes.LOOK_BACK)
