"""Records to store, and connections to a migrated database in each role."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.semconv import log_id
from goldseam.storage import Batch, PatternRecord, RecoveryRecord, RequestRecord, Role
from goldseam.storage.engine import async_engine, connect

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]
MakeBatch = Callable[..., Batch]


@pytest.fixture
def make_request() -> MakeRequest:
    """Give a function that makes the request of span `number`, successful unless told otherwise."""

    def make(number: int = 1, **values: Any) -> RequestRecord:
        created_at = values.pop("created_at", NOON + timedelta(seconds=number))
        digest = hashlib.sha256(str(number).encode()).digest()
        trace_id, span_id = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
        row_id = log_id(
            (created_at - _EPOCH) // timedelta(microseconds=1) * 1000, trace_id, span_id
        )
        record = RequestRecord(
            tenant_id="acme",
            created_at=created_at,
            id=row_id,
            request_id=str(row_id),
            trace_id=f"{trace_id:032x}",
            span_id=f"{span_id:016x}",
            status="success",
            processing_time_ms=250.0,
        )
        return replace(record, **values)

    return make


@pytest.fixture
def make_step() -> MakeStep:
    """Give a function that makes a recovery step of a request."""

    def make(request: RequestRecord, number: int = 1, **values: Any) -> RecoveryRecord:
        created_at = request.created_at + timedelta(milliseconds=100 * number)
        record = RecoveryRecord(
            tenant_id=request.tenant_id,
            created_at=created_at,
            id=log_id((created_at - _EPOCH) // timedelta(microseconds=1) * 1000, 1, number),
            request_log_id=request.id,
            trace_id=request.trace_id,
            strategy_name="retry",
            step_number=number,
            action_taken="wait 0.5s, resend",
            was_successful=True,
            recovery_time_ms=550.0,
        )
        return replace(record, **values)

    return make


@pytest.fixture
def make_batch() -> MakeBatch:
    """Give a function that puts records into a batch, with the patterns they mention."""

    def make(*requests: RequestRecord, recoveries: list[RecoveryRecord] | None = None) -> Batch:
        patterns = {
            (request.tenant_id, request.error_pattern): PatternRecord(
                tenant_id=request.tenant_id,
                error_pattern=request.error_pattern,
                error_code=request.error_pattern.split(":")[0],
                error_message_pattern="Request timed out.",
                provider="openai",
                normaliser_version=1,
                probable_cause="The provider was slow.",
                suggested_action="Retry.",
            )
            for request in requests
            if request.error_pattern
        }
        return Batch(requests=list(requests), recoveries=recoveries or [], patterns=patterns)

    return make


@pytest.fixture
def writer(database: str) -> Iterator[psycopg.Connection]:
    """Give a connection that acts as the collector."""
    with connect(database, Role.WRITER) as connection:
        yield connection


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """Give a connection that acts as the owner of the tables."""
    with connect(database, Role.OWNER) as connection:
        yield connection


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """Give the API's engine."""
    engine = async_engine(database, Role.API)
    yield engine
    await engine.dispose()
