"""Workers that share a port tell the metrics of all, whichever of them is asked.

`workers` puts `MetricsOfAll` around the application of each. It has a socket in a common folder on
which it says its own answer to `/metrics` to whoever connects; the one that Prometheus reached asks
all of them and tells them apart by the label `worker`. The application knows nothing of it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

LABEL: Final = "worker"
ASK_TIMEOUT_S: Final = 2.0
"""A worker that does not answer is left out; Prometheus waits 10 s."""

_PATH: Final = "/metrics"
_OPENMETRICS: Final = b"application/openmetrics-text"
_NOTHING: Final = "# EOF\n"


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes that share a port.

    Attributes:
        number: From 0; a process that replaces another has its number.
        folder: Where the sockets of all are; short, a socket's path may have 100 characters.
    """

    number: int
    folder: Path


class MetricsOfAll:
    """A worker's application, whose `/metrics` tells those of all workers."""

    def __init__(self, app: Starlette, worker: Worker) -> None:
        self._app = app
        self._worker = worker
        self.state = app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; while the application runs, say its metrics to other workers."""
        if scope["type"] == "lifespan":
            async with self._telling():
                await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == _PATH:
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with all metrics for a body."""
        start, body = await _answered(self._app, scope, receive)
        if start["status"] == HTTPStatus.OK:
            encode, content_type = choose_encoder(Headers(scope=scope).get("accept", ""))
            body = encode(await _gathered(self._worker.folder))
            headers = MutableHeaders(scope=start)
            headers.update({"content-type": content_type, "content-length": str(len(body))})
        await send(start)
        await send({"type": "http.response.body", "body": body})

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        path = self._worker.folder / str(self._worker.number)
        path.unlink(missing_ok=True)  # a killed worker of this number left it
        server = await asyncio.start_unix_server(self._tell, path)
        try:
            yield
        finally:
            server.close()

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start, body = await _answered(self._app, _own_question(), _no_body)
        writer.write(body if start["status"] == HTTPStatus.OK else _NOTHING.encode())
        writer.close()
        await writer.wait_closed()


async def _answered(app: Starlette, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Return how an application's answer starts, and its whole body."""
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, keep)
    return sent[0], b"".join(message.get("body", b"") for message in sent[1:])


def _own_question() -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": _PATH,
        "raw_path": _PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"accept", _OPENMETRICS)],
        "client": None,
        "server": None,
    }


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _gathered(folder: Path) -> CollectorRegistry:
    """Return the metrics of all workers that answer, each under its number."""
    paths = sorted(folder.iterdir())  # noqa: ASYNC240 - a handful of names in memory
    told = {path.name: await _ask(path) for path in paths}
    registry = CollectorRegistry()
    registry.register(_Told(_labelled(told)))
    return registry


async def _ask(path: Path) -> str:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            text = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return _NOTHING
    return text.decode()


def _labelled(told: dict[str, str]) -> list[Metric]:
    families: dict[str, Metric] = {}
    for number, text in told.items():
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call] # its own
            joined = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                joined.samples.append(sample._replace(labels=sample.labels | {LABEL: number}))
    return list(families.values())


class _Told(Collector):
    """Metrics that were gathered already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Give them to an exposition."""
        return self._families
