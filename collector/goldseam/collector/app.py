"""The collector as one ASGI application.

`goldseam collector` and `goldseam up` serve it. Starting never waits for the database:
until it is there, bodies go to the spool and `/readyz` says why. Stopping answers everything in
flight first.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

import psycopg
from prometheus_client.exposition import choose_encoder
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from goldseam.collector import maintenance
from goldseam.collector.admission import LOOK_UP_TIMEOUT_S, Admission
from goldseam.collector.budget import Budget
from goldseam.collector.metrics import Metrics, create_metrics
from goldseam.collector.pipeline import Pipeline
from goldseam.collector.receiver_grpc import OtlpGrpc, server_credentials
from goldseam.collector.receiver_http import OtlpHttp
from goldseam.collector.settings import CollectorSettings
from goldseam.storage import engine, keys
from goldseam.storage.errors import DatabaseUnavailableError, NotMigratedError, StorageError
from goldseam.storage.keys import Key
from goldseam.storage.patience import hung_up_after
from goldseam.storage.roles import ALL_TENANTS, Role

START_GRACE_S: Final = 5.0
"""How long starting waits for a first connection, so that a healthy collector's first sender is
not refused."""

KEYS_FILE: Final = "ingest-keys.json"
"""In the data folder: hashes of keys that were verified, for when the database is away."""

PROBE_TIMEOUT_S: Final = 3.0
"""Orchestrators give a readiness probe a few seconds."""

STATEMENT_TIMEOUT_S: Final = 30.0
"""A write takes milliseconds; one that takes this long is stuck behind a lock."""

_log = logging.getLogger(__name__)


def create_app(settings: CollectorSettings, *, grpc_address: str | None = None) -> Starlette:
    """Return the collector; its lifespan starts and stops its threads and the maintenance.

    Args:
        settings: What it needs to know.
        grpc_address: Where it also takes OTLP/gRPC, as 127.0.0.1:4317.

    Raises:
        SpoolError: The spool cannot be opened.
        OSError: A certificate cannot be read.
    """
    metrics = create_metrics()
    pipeline = Pipeline(
        settings,
        connect=partial(_connect_prepared, settings.database_url),
        metrics=metrics,
        clock=_now,
    )

    budget = Budget(max_bytes=settings.receive_bytes)
    metrics.receive_bytes.set_function(lambda: budget.leased_bytes)
    key_database = engine.async_engine(
        settings.database_url,
        Role.API,
        statement_timeout_s=LOOK_UP_TIMEOUT_S,
        pool_size=1,
    )
    admission = Admission(
        partial(_look_up, key_database),
        is_required=settings.ingest_keys and settings.tls_client_ca is None,
        path=settings.data_dir and settings.data_dir / KEYS_FILE,
    )
    receiver = OtlpHttp(
        settings, admission=admission, ingest=pipeline.ingest, budget=budget, metrics=metrics
    )
    start_grpc = partial(
        OtlpGrpc,
        limit_bytes=settings.max_body_bytes,
        credentials=server_credentials(settings),
        ingest=pipeline.ingest,
        budget=budget,
        metrics=metrics,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(pipeline.start, START_GRACE_S)
        grpc = None
        if grpc_address is not None:
            admit = partial(admission.tenant_from_thread, loop=asyncio.get_running_loop())
            grpc = start_grpc(grpc_address, admit=admit)
        jobs = asyncio.create_task(maintenance.keep(settings))
        try:
            yield
        finally:
            jobs.cancel()
            with suppress(asyncio.CancelledError):
                await jobs
            if grpc is not None:
                await asyncio.to_thread(grpc.stop, settings.drain_timeout_s)
            await asyncio.to_thread(pipeline.stop)
            await key_database.dispose()

    probes = _Probes(settings, pipeline=pipeline, metrics=metrics)
    return Starlette(routes=[*receiver.routes(), *probes.routes()], lifespan=lifespan)


class _Probes:
    """What orchestrators and Prometheus ask."""

    def __init__(
        self, settings: CollectorSettings, *, pipeline: Pipeline, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._print_metrics),
        ]

    async def _healthz(self, _: Request) -> Response:
        ended = self._pipeline.ended_thread
        if ended is not None:
            return PlainTextResponse(f"{ended} has ended: restart the collector\n", 503)
        return PlainTextResponse("ok\n")

    async def _readyz(self, _: Request) -> Response:
        """Say whether a sender would be acknowledged now, and through what."""
        reason = self._pipeline.away
        if reason is None:
            reason = await self._probe()
        kept, refusal = self._pipeline.spool_state()
        if reason is None:
            return PlainTextResponse(f"ready{kept}\n")
        if refusal is None:
            return PlainTextResponse(f"ready{kept}; the database is away: {reason}\n")
        return PlainTextResponse(f"{reason}; {refusal}\n", 503)

    async def _probe(self) -> str | None:
        """Return why the database cannot be used, None if it can."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                connection = await run_in_threadpool(_connect, self._settings.database_url)
                await run_in_threadpool(connection.close)
        except TimeoutError:
            return f"the database did not answer within {PROBE_TIMEOUT_S} s"
        except (StorageError, psycopg.Error) as error:
            return str(error)
        return None

    async def _print_metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(self._metrics.registry)
        return Response(body, headers={"Content-Type": content_type})


async def _look_up(database: AsyncEngine, key_id: str) -> Key | None:
    """Return a stored key, and note that it is used.

    Raises:
        StorageError: The database is away.
    """
    try:
        async with engine.tenant_transaction(database, ALL_TENANTS) as connection:
            key = await keys.find(connection, key_id)
            if key is not None:
                await keys.touch(connection, key_id, _now())
            return key
    except DBAPIError as error:
        raise DatabaseUnavailableError(f"the keys cannot be read: {error.orig}") from error


def _connect(url: str) -> psycopg.Connection:
    """Open the writer's connection to a migrated database.

    Raises:
        StorageError: The database is away, or lacks the tables.
    """
    connection = engine.connect(url, Role.WRITER, statement_timeout_s=STATEMENT_TIMEOUT_S)
    with hung_up_after(STATEMENT_TIMEOUT_S, connection):
        found = connection.execute("SELECT to_regclass('ai_request_logs')").fetchone()
        connection.rollback()
    if found is None or found[0] is None:
        connection.close()
        raise NotMigratedError("the database lacks the tables: run `goldseam db upgrade`")
    return connection


def _connect_prepared(url: str) -> psycopg.Connection:
    """Open the writer's connection, with the partitions that its first rows go to.

    Rows of a day without a partition would have to be moved later, under the eyes of readers.

    Raises:
        StorageError: The database is away, or lacks the tables.
    """
    connection = _connect(url)
    try:
        maintenance.ensure_partitions(url, _now())
    except (StorageError, psycopg.Error) as error:
        _log.warning("no partitions were created, rows go to the default one: %s", error)
    return connection


def _now() -> datetime:
    return datetime.now(UTC)
