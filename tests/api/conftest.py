"""A running API over a database of its own, and a client that speaks plain HTTP."""

import asyncio
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

import pytest

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve
from goldseam.semconv import log_id
from goldseam.storage import engine, keys, writes
from goldseam.storage.records import Batch, PatternRecord, RecoveryRecord, RequestRecord
from goldseam.storage.roles import ALL_TENANTS, Role


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


Get = Callable[..., Answer]
Store = Callable[..., list[RequestRecord]]
MakeKey = Callable[..., str]


def fetch(
    url: str, headers: dict[str, str] | None = None, *, method: str = "GET", body: Any = None
) -> Answer:
    """Ask `url` and return the answer, whatever its status; bytes are sent as they are."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    chosen = ({"Content-Type": "application/json"} if data else {}) | (headers or {})
    request = urllib.request.Request(url, data, chosen, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return Answer(answer.status, _lower(answer.headers), _body(answer.headers, text))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), _body(error.headers, error.read()))


def _body(headers: Message, text: bytes) -> Any:
    is_json = headers.get_content_type() in {"application/json", "application/problem+json"}
    return json.loads(text) if is_json and text else text.decode()


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture
def api_url(database: str) -> Iterator[str]:
    """The address of an API that reads from `database`."""
    app = create_app(ApiSettings(database_url=database))
    service = serve.Service("api", app, serve.listen("127.0.0.1", 0, port_flag="--api-port"))
    with serve.running([service]):
        yield service.url


@pytest.fixture
def get(api_url: str) -> Get:
    """GET a path below `/api/v1/ai`, or an absolute path that starts with `//`."""

    def call(path: str, headers: dict[str, str] | None = None, **how: Any) -> Answer:
        if path.startswith("http"):
            return fetch(path, headers, **how)
        prefix = "" if path.startswith("//") else "/api/v1/ai"
        rest = path.removeprefix("/") if not prefix else path
        return fetch(f"{api_url}{prefix}{rest}", headers, **how)

    return call


@pytest.fixture
def make_key(database: str) -> MakeKey:
    """Make a key for a tenant and scopes, and return the header that presents it."""

    async def create(tenant: str, scopes: tuple[str, ...], expires_at: datetime | None) -> str:
        api = engine.async_engine(database, Role.API, pool_size=1)
        async with engine.tenant_transaction(api, ALL_TENANTS) as connection:
            text = await keys.create(
                connection,
                tenant=tenant,
                scopes=[keys.Scope(scope) for scope in scopes],
                created_by="test",
                now=datetime.now(UTC),
                expires_at=expires_at,
            )
        await api.dispose()
        return text

    def make(tenant: str, *scopes: str, expires_at: datetime | None = None) -> str:
        return asyncio.run(create(tenant, scopes, expires_at))

    return make


@pytest.fixture
def store(database: str) -> Store:
    """Store calls, each given by what differs from a plain success of a minute ago.

    `steps` lists recovery steps in the same way; patterns are stored with the calls.
    """
    numbers = iter(range(1, 1_000_000))

    def put(*calls: dict[str, Any]) -> list[RequestRecord]:
        now = datetime.now(UTC)
        batch = Batch()
        for call in calls:
            given = dict(call)
            steps = given.pop("steps", [])
            row = _request(next(numbers), now, given)
            batch.requests.append(row)
            batch.recoveries.extend(_step(row, n, step) for n, step in enumerate(steps, 1))
            if row.error_pattern:
                batch.patterns[row.tenant_id, row.error_pattern] = _pattern(row)
        with engine.connect(database, Role.WRITER) as connection:
            writes.write(connection, batch, now)
        return batch.requests

    return put


def _request(number: int, now: datetime, given: dict[str, Any]) -> RequestRecord:
    started = given.pop("created_at", now - timedelta(minutes=1))
    digest = hashlib.sha256(str(number).encode()).digest()
    trace, span = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
    row_id = log_id(int(started.timestamp() * 1e9), trace, span)
    defaults: dict[str, Any] = {
        "tenant_id": "acme",
        "created_at": started,
        "id": row_id,
        "request_id": str(row_id),
        "trace_id": f"{trace:032x}",
        "span_id": f"{span:016x}",
        "module": "copilot",
        "operation": "chat",
        "provider_requested": "openai",
        "provider_used": "openai",
        "model_requested": "gpt-4o",
        "status": "success",
        "processing_time_ms": 100.0,
        "tokens_used": 30,
        "recovery_outcome": "not_needed",
    }
    return RequestRecord(**(defaults | given))


def _step(request: RequestRecord, number: int, given: dict[str, Any]) -> RecoveryRecord:
    started = request.created_at + timedelta(milliseconds=number)
    defaults: dict[str, Any] = {
        "tenant_id": request.tenant_id,
        "created_at": started,
        "id": log_id(int(started.timestamp() * 1e9), int(request.trace_id, 16), number),
        "request_log_id": request.id,
        "trace_id": request.trace_id,
        "strategy_name": "retry",
        "step_number": number,
        "action_taken": "resend",
        "was_successful": True,
        "recovery_time_ms": 50.0,
        "provider": "openai",
    }
    return RecoveryRecord(**(defaults | given))


def _pattern(request: RequestRecord) -> PatternRecord:
    code, provider = str(request.error_pattern).split(":")[:2]
    return PatternRecord(
        tenant_id=request.tenant_id,
        error_pattern=str(request.error_pattern),
        error_code=code,
        error_message_pattern=request.error_message or "Something failed.",
        provider=provider,
        normaliser_version=1,
        probable_cause="slow",
        suggested_action="wait",
    )
