"""OTLP over HTTP: bodies in, an answer once they are safe.

`app` mounts `routes`. The way of a body: `inflate` → `ingest`, and back as one of `answers`. 200
means stored (or nothing to store); everything else is a `Refusal`, written in the encoding that
the sender used.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from goldseam.collector import answers
from goldseam.collector.admission import Admission
from goldseam.collector.answers import JSON, PROTOBUF
from goldseam.collector.budget import Budget, Lease
from goldseam.collector.inflate import body_reader
from goldseam.collector.ingest import INLINE_BYTES, Ingest, read
from goldseam.collector.metrics import Metrics
from goldseam.collector.refusals import (
    Refusal,
    TooSlow,
    Unavailable,
    UnsupportedMedia,
)
from goldseam.collector.settings import CollectorSettings
from goldseam.collector.spool import Raw

DRAIN_FACTOR: Final = 4
"""How many times the limit is read and thrown away after a refusal, so that the sender reads the
answer instead of finding its connection broken."""

_log = logging.getLogger(__name__)

_Endpoint = Callable[[Request], Awaitable[Response]]


class OtlpHttp:
    """The OTLP/HTTP endpoints over one queue."""

    def __init__(
        self,
        settings: CollectorSettings,
        *,
        admission: Admission,
        ingest: Ingest,
        budget: Budget,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._ingest = ingest
        self._budget = budget
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Return the three OTLP endpoints."""
        return [
            Route("/v1/traces", self._traces, methods=["POST"]),
            Route("/v1/metrics", self._ignore("metrics"), methods=["POST"]),
            Route("/v1/logs", self._ignore("logs"), methods=["POST"]),
        ]

    async def _traces(self, request: Request) -> Response:
        media_type = _media_type(request)
        try:
            response = await self._export(request, media_type)
        except Refusal as refusal:
            response = answers.refused(refusal, media_type)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody reads it
        except Exception:  # noqa: BLE001 - a sender drops what gets a 500
            _log.exception("an OTLP request failed inside the collector; please report this")
            fault = Unavailable("internal fault, see the collector's log")
            response = answers.refused(fault, media_type)
        self._metrics.requests.labels("http", str(response.status_code)).inc()
        return response

    async def _export(self, request: Request, media_type: str) -> Response:
        """Store the spans of a request.

        Raises:
            Refusal: Nothing of it is known to be stored.
        """
        with self._budget.lease() as lease:
            tenant, body = await self._read(request, media_type, lease)
            raw = Raw(body, media_type, tenant)
            if len(raw.body) <= INLINE_BYTES:
                mapped = read(raw)
            else:
                mapped = await run_in_threadpool(read, raw)
            accepted = await asyncio.wrap_future(self._ingest.submit(raw, mapped))
        return answers.stored(accepted, media_type)

    async def _read(self, request: Request, media_type: str, lease: Lease) -> tuple[str, bytes]:
        """Return the sender's tenant and the inflated body."""
        limit_bytes = self._settings.max_body_bytes
        async with self._in_time(), aclosing(request.stream()) as chunks:
            try:
                tenant = await self._admission.tenant(request.headers.get("authorization"))
                if media_type not in (PROTOBUF, JSON):
                    raise UnsupportedMedia(
                        f"content type {media_type or 'absent'!r}: send {PROTOBUF} or {JSON}"
                    )
                encoding = request.headers.get("content-encoding", "")
                body = body_reader(encoding, limit_bytes=limit_bytes)
                async for chunk in chunks:
                    lease.grow_to(body.feed(chunk))
            except Refusal:
                await _drain(chunks, limit_bytes=limit_bytes * DRAIN_FACTOR)
                raise
        return tenant, body.finish()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Read no longer than the limit: a sender that trickles would hold its memory for ever.

        Raises:
            TooSlow: The limit is reached.
        """
        try:
            async with asyncio.timeout(self._settings.receive_timeout_s):
                yield
        except TimeoutError as error:
            raise TooSlow(
                f"the body took longer than {self._settings.receive_timeout_s:g} s: send again"
            ) from error

    def _ignore(self, signal: str) -> _Endpoint:
        """Return an endpoint that accepts a signal which no table holds."""

        async def endpoint(request: Request) -> Response:
            media_type = _media_type(request)
            try:
                async with self._in_time(), aclosing(request.stream()) as chunks:
                    await self._admission.tenant(request.headers.get("authorization"))
                    await _drain(chunks, limit_bytes=self._settings.max_body_bytes)
            except Refusal as refusal:
                return answers.refused(refusal, media_type)
            except ClientDisconnect:
                pass  # nobody waits for the answer
            self._metrics.ignored_signals.labels(signal).inc()
            return answers.ignored(signal, media_type)

        return endpoint


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _drain(chunks: AsyncIterator[bytes], *, limit_bytes: int) -> None:
    """Read what is left of a body, up to `limit_bytes`, and forget it."""
    seen_bytes = 0
    async for chunk in chunks:
        seen_bytes += len(chunk)
        if seen_bytes > limit_bytes:
            return
