"""OTLP over HTTP: bodies in, an answer after the commit.

`app` mounts `routes`. The way of a body: `inflate` → `decode` → `mapping` → `queue`, and back once
`writer` has committed. 200 means stored (or nothing to store); everything else is a `Refusal`,
written in the encoding that the sender used.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from goldseam.collector import answers
from goldseam.collector.answers import JSON, PROTOBUF
from goldseam.collector.decode import decode_protobuf
from goldseam.collector.decode_json import decode_json
from goldseam.collector.inflate import body_reader
from goldseam.collector.mapping import Mapped, map_spans
from goldseam.collector.metrics import Metrics
from goldseam.collector.queue import IngestQueue
from goldseam.collector.refusals import (
    Refusal,
    Unavailable,
    UnsupportedMedia,
)
from goldseam.collector.settings import CollectorSettings

INLINE_BYTES: Final = 64 * 1024
"""Smaller bodies are decoded where they arrive; larger ones in a thread, so that the others'
answers don't wait for them."""

DRAIN_FACTOR: Final = 4
"""How many times the limit is read and thrown away after a refusal, so that the sender reads the
answer instead of finding its connection broken."""

DATABASE_REFUSED: Final = "database_refused"

_log = logging.getLogger(__name__)

_Endpoint = Callable[[Request], Awaitable[Response]]


class OtlpHttp:
    """The OTLP/HTTP endpoints over one queue."""

    def __init__(
        self, settings: CollectorSettings, *, queue: IngestQueue, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._queue = queue
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
        self._metrics.requests.labels(str(response.status_code)).inc()
        return response

    async def _export(self, request: Request, media_type: str) -> Response:
        """Store the spans of a request.

        Raises:
            Refusal: Nothing of it is known to be stored.
        """
        body = await self._read(request, media_type)
        if len(body) <= INLINE_BYTES:
            mapped = _mapped(body, media_type)
        else:
            mapped = await run_in_threadpool(_mapped, body, media_type)
        refused = await self._store(mapped, size_bytes=len(body))
        self._count(mapped, refused)
        return answers.stored(mapped, refused, media_type)

    async def _read(self, request: Request, media_type: str) -> bytes:
        limit_bytes = self._settings.max_body_bytes
        async with aclosing(request.stream()) as chunks:
            try:
                if media_type not in (PROTOBUF, JSON):
                    raise UnsupportedMedia(
                        f"content type {media_type or 'absent'!r}: send {PROTOBUF} or {JSON}"
                    )
                encoding = request.headers.get("content-encoding", "")
                body = body_reader(encoding, limit_bytes=limit_bytes)
                async for chunk in chunks:
                    body.feed(chunk)
            except Refusal:
                await _drain(chunks, limit_bytes=limit_bytes * DRAIN_FACTOR)
                raise
        return body.finish()

    async def _store(self, mapped: Mapped, *, size_bytes: int) -> tuple[str, ...]:
        """Return once the rows are committed, with one message for each row refused for good."""
        if not mapped.batch:
            return ()
        done = asyncio.wrap_future(self._queue.put(mapped.batch, size_bytes=size_bytes))
        try:
            async with asyncio.timeout(self._settings.ack_timeout_s):
                return (await done).refused
        except TimeoutError as error:
            raise Unavailable(
                f"the database needed longer than {self._settings.ack_timeout_s} s: send again"
            ) from error

    def _count(self, mapped: Mapped, refused: Sequence[str]) -> None:
        for result, spans in mapped.counts.items():
            self._metrics.spans.labels(result).inc(spans)
        for kind, values in mapped.flaws.items():
            self._metrics.flaws.labels(kind).inc(values)
        reasons = Counter(mapped.rejected)
        if refused:
            reasons[DATABASE_REFUSED] += len(refused)
            self._metrics.spans.labels("rejected").inc(len(refused))
        for reason, spans in reasons.items():
            self._metrics.rejected.labels(reason).inc(spans)

    def _ignore(self, signal: str) -> _Endpoint:
        """Return an endpoint that accepts a signal which no table holds."""

        async def endpoint(request: Request) -> Response:
            try:
                async with aclosing(request.stream()) as chunks:
                    await _drain(chunks, limit_bytes=self._settings.max_body_bytes)
            except ClientDisconnect:
                pass  # nobody waits for the answer
            self._metrics.ignored_signals.labels(signal).inc()
            return answers.ignored(signal, _media_type(request))

        return endpoint


def _mapped(body: bytes, media_type: str) -> Mapped:
    decode = decode_json if media_type == JSON else decode_protobuf
    return map_spans(decode(body))


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _drain(chunks: AsyncIterator[bytes], *, limit_bytes: int) -> None:
    """Read what is left of a body, up to `limit_bytes`, and forget it."""
    seen_bytes = 0
    async for chunk in chunks:
        seen_bytes += len(chunk)
        if seen_bytes > limit_bytes:
            return
