"""Give up on an answer that does not come, and on a request that would only wait for others.

The database ends a slow statement by itself; `Deadline` is for a database that is frozen or
unreachable and ends nothing, `Crowd` keeps what waits meanwhile from piling up.
"""

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldseam.api import problems

GRACE_S: Final = 3.0
"""Beyond the statement's own limit: time for a connection and for the answer itself."""


_ALWAYS: Final = "/healthz"


class Crowd:
    """ASGI middleware that answers 503 at once while `limit` requests are in progress.

    `/healthz` is let through: a busy process is alive.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if there is room."""
        if scope["type"] != "http" or scope["path"] == _ALWAYS:
            await self._app(scope, receive, send)
            return
        if self._inside >= self._limit:
            refusal = problems.response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._limit} requests are in progress, and no more at a time; try again.",
                headers={"Retry-After": "1"},
            )
            await refusal(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1


class Deadline:
    """ASGI middleware that answers 503 when a response has not started within `limit_s`.

    Deleting takes as long as it takes.
    """

    def __init__(self, app: ASGIApp, *, limit_s: float) -> None:
        self._app = app
        self._limit_s = limit_s
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch the time until its response starts."""
        if scope["type"] != "http" or scope["method"] == "DELETE":
            await self._app(scope, receive, send)
            return
        started = asyncio.get_running_loop().create_future()

        async def watched(message: Message) -> None:
            if started.cancelled():
                return  # another answer has been given
            if not started.done():
                started.set_result(None)
            await send(message)

        task = asyncio.create_task(self._run(scope, receive, watched))
        try:
            await asyncio.wait(
                {task, started}, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED
            )
            if task.done() or started.done():
                await task
                return
        except asyncio.CancelledError:
            self._leave(task)
            raise
        started.cancel()
        self._leave(task)
        await problems.database_away()(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _leave(self, task: asyncio.Task[None]) -> None:
        """Cancel a request without waiting: a driver takes seconds to let go of a dead server."""
        task.cancel()
        self._late.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # seen; nobody waits for it any more
