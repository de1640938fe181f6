"""The log endpoints over HTTP and a real database."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psutil
import pytest
from dirty_equals import IsFloat, IsPartialDict

from goldseam.semconv import log_id
from goldseam.storage import engine, writes
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.records import Batch, PatternRecord, RecoveryRecord, RequestRecord
from goldseam.storage.roles import Role

Get = Callable[..., Any]

NOW = datetime.now(UTC).replace(microsecond=0)


def request_row(number: int, **fields: Any) -> RequestRecord:
    """A call that started `number` minutes ago."""
    started = NOW - timedelta(minutes=number)
    row_id = log_id(int(started.timestamp() * 1e9), number + 1, number + 1)
    defaults: dict[str, Any] = {
        "tenant_id": "acme",
        "created_at": started,
        "id": row_id,
        "request_id": str(row_id),
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "module": "copilot",
        "operation": "chat",
        "provider_requested": "openai",
        "provider_used": "openai",
        "model_requested": "gpt-4o",
        "status": "success",
        "processing_time_ms": 100.0,
        "tokens_used": 30,
        "recovery_outcome": "not_needed",
        "service_name": "shop",
        "dialect": "GS",
    }
    return RequestRecord(**(defaults | fields))


def step_row(request: RequestRecord, number: int, **fields: Any) -> RecoveryRecord:
    """The recovery step with this number of a request."""
    started = request.created_at + timedelta(seconds=number)
    defaults: dict[str, Any] = {
        "tenant_id": request.tenant_id,
        "created_at": started,
        "id": log_id(int(started.timestamp() * 1e9), int(request.trace_id, 16), 1000 + number),
        "request_log_id": request.id,
        "trace_id": request.trace_id,
        "strategy_name": "retry",
        "step_number": number,
        "action_taken": "resend",
        "was_successful": False,
        "recovery_time_ms": 50.0,
    }
    return RecoveryRecord(**(defaults | fields))


PATTERN = "TIMEOUT:openai:k1"

MENDED = request_row(
    1,
    provider_used="ollama",
    provider_model="llama3.1",
    first_error_code="TIMEOUT",
    error_pattern=PATTERN,
    retry_count=2,
    recovery_outcome="recovered",
    recovery_strategy="fallback",
    recovery_steps=2,
    recovery_time_ms=200.0,
    processing_time_ms=300.0,
    degraded=True,
    request_id="order-17",
)
LOST = request_row(
    2,
    status="error",
    error_code="TIMEOUT",
    error_message="Request timed out.",
    first_error_code="TIMEOUT",
    error_pattern=PATTERN,
    retry_count=1,
    recovery_outcome="failed",
    tokens_used=None,
)
PLAIN = request_row(3, module="imports")
OTHER_TENANT = request_row(4, tenant_id="globex")
IN_FLIGHT = request_row(5, status="pending", tokens_used=None, recovery_outcome=None)
STEPS = [
    step_row(MENDED, 1, error_code="TIMEOUT", provider="openai", model="gpt-4o"),
    step_row(
        MENDED,
        2,
        strategy_name="fallback",
        was_successful=True,
        provider="ollama",
        model="llama3.1",
    ),
]


@pytest.fixture(autouse=True)
def _filled(database: str) -> None:
    """A mended call, a lost one, a plain one, another tenant's, and one in flight."""
    pattern = PatternRecord(
        tenant_id="acme",
        error_pattern=PATTERN,
        error_code="TIMEOUT",
        error_message_pattern="Request timed out.",
        provider="openai",
        normaliser_version=1,
        probable_cause="slow",
        suggested_action="wait",
    )
    rows = [MENDED, LOST, PLAIN, OTHER_TENANT, IN_FLIGHT]
    batch = Batch(requests=rows, recoveries=STEPS, patterns={("acme", PATTERN): pattern})
    with engine.connect(database, Role.WRITER) as connection:
        writes.write(connection, batch, NOW)


class TestRecent:
    """GET /logs/recent."""

    def test_newest_first(self, get: Get) -> None:
        """Calls come newest first, as a bare array."""
        rows = get("/logs/recent").body
        assert [UUID(row["id"]) for row in rows] == [
            row.id for row in (MENDED, LOST, PLAIN, OTHER_TENANT, IN_FLIGHT)
        ]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("limit=20&module=copilot&status=error", [LOST]),
            ("module=imports", [PLAIN]),
            ("provider=ollama", [MENDED]),
            ("recovered=true", [MENDED]),
            ("tenant_id=globex", [OTHER_TENANT]),
            ("error_code=TIMEOUT", [LOST]),
            (f"trace_id={PLAIN.trace_id}", [PLAIN]),
            ("status=pending", [IN_FLIGHT]),
            pytest.param(
                f"until={(NOW - timedelta(minutes=4)).isoformat()[:19]}", [IN_FLIGHT], id="until"
            ),
        ],
    )
    def test_filters(self, get: Get, query: str, expected: list[RequestRecord]) -> None:
        """Each filter keeps the rows that match it."""
        rows = get(f"/logs/recent?{query}").body
        assert [UUID(row["id"]) for row in rows] == [row.id for row in expected]

    def test_pages_follow_the_link(self, get: Get) -> None:
        """Following `Link` visits every row once and ends."""
        seen, path = [], "/logs/recent?limit=2"
        while path:
            answer = get(path)
            seen += [row["id"] for row in answer.body]
            link = re.match(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
            path = link[1] if link else ""
        assert len(seen) == len(set(seen)) == 5

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "status=broken",
            "cursor=nonsense",
            "cursor=" + "g" * 45,
            "since=x",
            "module=%00",
        ],
    )
    def test_bad_parameter_is_named(self, get: Get, query: str) -> None:
        """A wrong parameter gives a problem body that names it."""
        answer = get(f"/logs/recent?{query}")
        assert answer.status == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.body["invalid_parameters"][0]["name"] == query.partition("=")[0]


class TestOne:
    """GET /logs/{id}."""

    def test_shows_the_recovery_steps_in_order(self, get: Get) -> None:
        """A mended call comes with what was tried."""
        body = get(f"/logs/{MENDED.id}").body
        assert body == IsPartialDict(
            recovery_outcome="recovered", provider_used="ollama", degraded=True
        )
        assert [(step["step_number"], step["was_successful"]) for step in body["recovery"]] == [
            (1, False),
            (2, True),
        ]

    def test_is_found_by_the_callers_own_id(self, get: Get) -> None:
        """The correlation id that the caller gave works as well."""
        assert get("/logs/order-17").body["id"] == str(MENDED.id)

    @pytest.mark.parametrize("unknown", ["nobody", "00000000-0000-8000-8000-000000000000"])
    def test_unknown_id_is_a_404(self, get: Get, unknown: str) -> None:
        """An id that is not there is not found, whatever its form."""
        assert get(f"/logs/{unknown}").status == 404


class TestStatistics:
    """GET /logs/statistics."""

    def test_counts_what_ended(self, get: Get) -> None:
        """Totals are success + error; what is in flight is apart."""
        assert get("/logs/statistics?hours=24").body == IsPartialDict(
            total_requests=4,
            success_count=3,
            error_count=1,
            error_rate=25.0,
            timeout_count=1,
            pending_count=1,
            recovered_count=1,
            recovered_by_strategy={"fallback": 1},
            first_try_success_rate=50.0,
            avg_time=150.0,
            attempts=7,
            avg_recovery_time_ms=200.0,
            avg_added_latency_ms=200.0,
            tokens=90,
            p50=IsFloat(ge=100, le=300),
        )

    def test_of_one_module(self, get: Get) -> None:
        """A module has its own figures."""
        body = get("/logs/statistics?hours=24&module=imports").body
        assert (body["total_requests"], body["error_rate"]) == (1, 0.0)

    def test_of_nothing_is_zero(self, get: Get) -> None:
        """A window without calls gives zeros, not NaN."""
        body = get("/logs/statistics?module=nobody").body
        assert {value for value in body.values() if not isinstance(value, dict)} == {0}

    @pytest.mark.parametrize(
        ("window", "count"),
        [
            ("since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59-23:00", 4),
            ("until=0001-01-01T00:00:00%2B14:00", 0),
        ],
    )
    def test_times_beyond_all_rows(self, get: Get, window: str, count: int) -> None:
        """Any time is a time: the year 1 is before all calls, the year 9999 after them."""
        assert get(f"/logs/statistics?{window}").body["total_requests"] == count


class TestHealth:
    """The service as an operator sees it."""

    def test_ready_when_the_database_answers(self, get: Get) -> None:
        """`/readyz` is 200."""
        assert get("//readyz").status == 200

    def test_frozen_database_is_a_503(self, get: Get, postgres: EmbeddedPostgres) -> None:
        """A database that has stopped answering costs a few seconds and a clear answer."""
        assert get("/logs/recent").status == 200
        server = psutil.Process(int((postgres._pgdata / "postmaster.pid").read_text().split()[0]))
        processes = [server, *server.children()]
        for process in processes:
            process.suspend()
        try:
            answer = get("/logs/recent")
        finally:
            for process in processes:
                process.resume()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
