"""The nine endpoints of the original design: its paths, parameters, fields and examples.

Each test quotes an example of that document. Additions beside the quoted fields are allowed,
other names or meanings are not.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dirty_equals import IsDatetime, IsFloat, IsList, IsPartialDict, IsStr

from goldseam.storage import partitions
from goldseam.storage.engine import connect
from goldseam.storage.roles import Role

Get = Callable[..., Any]
Store = Callable[..., Any]

TIMEOUT = {
    "first_error_code": "TIMEOUT",
    "error_pattern": "TIMEOUT:ollama:aaa",
    "error_message": "Request timed out.",
    "recovery_outcome": "failed",
}
INVALID = TIMEOUT | {
    "first_error_code": "INVALID_REQUEST",
    "error_pattern": "INVALID_REQUEST:ollama:bbb",
    "error_message": "No such parameter.",
}


@pytest.fixture
def two_hundred_calls(store: Store) -> None:
    """The 200 calls of the document's metrics: 5 errors, all of them Ollama's."""
    ollama = {"provider_used": "ollama", "processing_time_ms": 2500.0}
    openai = {"provider_used": "openai", "processing_time_ms": 1200.0}
    lost = [TIMEOUT | {"error_code": "TIMEOUT"}] * 3 + [INVALID | {"error_code": "INVALID"}] * 2
    store(
        *[ollama] * 190,
        *[openai] * 5,
        *(ollama | {"status": "error"} | error for error in lost),
    )


@pytest.mark.usefixtures("two_hundred_calls")
def test_metrics_in_real_time(get: Get) -> None:
    """The document's metrics JSON comes out of the summary, number for number."""
    body = get("/logs/analysis/summary?hours=24").body
    assert body == IsPartialDict(
        error_rate="2.5%",
        error_rate_ratio=0.025,
        total_requests=200,
        success_count=195,
        timeout_count=3,
        avg_processing_time_ms=IsFloat(approx=2467.5),
        provider_performance={
            "ollama": IsPartialDict(success_rate=97.4, avg_time_ms=2500),
            "openai": IsPartialDict(success_rate=100.0, avg_time_ms=1200),
        },
        top_errors=[
            IsPartialDict(code="TIMEOUT", count=3),
            IsPartialDict(code="INVALID_REQUEST", count=2),
        ],
        recommendations=[],
        failure_price={
            "wasted_s": IsFloat(approx=12.5),
            "wasted_tokens": 150,
            "wasted_cost_usd": 0.0,
            "recovery_s": 0.0,
            "saved_calls": 0,
        },
    )


def test_recent(get: Get, store: Store) -> None:
    """`/recent?limit=20&module=copilot&status=error` is a bare array of such calls."""
    lost, _ = store({"status": "error", "error_code": "TIMEOUT"}, {"module": "imports"})
    rows = get("/logs/recent?limit=20&module=copilot&status=error").body
    assert [UUID(row["id"]) for row in rows] == [lost.id]


def test_statistics(get: Get, store: Store) -> None:
    """`/statistics?hours=24&module=imports` has the document's five fields."""
    imports = {"module": "imports"}
    store(imports, imports | {"status": "error"}, {"module": "copilot"})
    assert get("/logs/statistics?hours=24&module=imports").body == IsPartialDict(
        total_requests=2, error_count=1, error_rate=50.0, success_count=1, avg_time=100.0
    )


def test_providers(get: Get, store: Store) -> None:
    """`/providers?hours=24` gives three figures for each provider, and ours beside them."""
    fallback = {"provider_used": "ollama", "recovery_outcome": "recovered"} | TIMEOUT
    store({"tokens_used": 50}, fallback | {"retry_count": 1, "recovery_outcome": "recovered"})
    body = get("/logs/providers?hours=24").body
    assert body["openai"] == IsPartialDict(success_rate=100.0, avg_time=100.0, avg_tokens=50.0)
    assert body["ollama"] == IsPartialDict(
        success_rate=100.0, first_try_success_rate=0.0, errors={"TIMEOUT": 1}
    )


def test_top_errors(get: Get, store: Store) -> None:
    """`/errors/top?limit=10&hours=24` lists code, message and count, most frequent first."""
    lost = {"status": "error", "error_code": "TIMEOUT"} | TIMEOUT
    store(lost, lost | INVALID, lost)
    assert get("/logs/errors/top?limit=10&hours=24").body == [
        IsPartialDict(
            error_code="TIMEOUT",
            error_message="Request timed out.",
            count=2,
            trend=None,
            pattern_id=IsStr(regex="[0-9a-f]{16}"),
            last_occurred=IsDatetime(iso_string=True),
        ),
        IsPartialDict(error_code="INVALID_REQUEST", error_message="No such parameter.", count=1),
    ]


def test_slow_requests(get: Get, store: Store) -> None:
    """`/requests/slow` lists the slowest calls and where their time went."""
    mended = {"recovery_time_ms": 700.0, "recovery_wait_ms": 500.0}
    store({}, {"processing_time_ms": 900.0} | mended)
    slowest, other = get("/logs/requests/slow").body
    assert slowest["time_split"] == {"provider_ms": 200.0, "wait_ms": 500.0, "recovery_ms": 200.0}
    assert other["processing_time_ms"] == 100.0
    assert get("/logs/requests/slow?min_ms=500&limit=50").body == [slowest]


def test_one_log(get: Get, store: Store) -> None:
    """`/{id}` shows one call."""
    (row,) = store({})
    assert get(f"/logs/{row.id}").body == IsPartialDict(id=str(row.id), recovery=[])


def test_fix(get: Get) -> None:
    """`POST /errors/TIMEOUT/fix?error_message=…` gives a type and suggestions."""
    answer = get("/logs/errors/TIMEOUT/fix?error_message=Connection%20timeout", method="POST")
    assert answer.body == IsPartialDict(
        type="TIMEOUT", suggestions=IsList(length=(1, ...)), documentation=IsList(length=(1, ...))
    )


@pytest.mark.parametrize("code", ["INVALID", "invalid_request"])
def test_fix_knows_the_documents_short_code(get: Get, code: str) -> None:
    """The document's `INVALID` is our `INVALID_REQUEST`."""
    assert get(f"/logs/errors/{code}/fix", method="POST").body["type"] == "INVALID_REQUEST"


def test_fix_of_an_unknown_code_is_a_404(get: Get) -> None:
    """A code that does not exist is not found, and the answer lists those that do."""
    answer = get("/logs/errors/NOPE/fix", method="POST")
    assert answer.status == 404
    assert "TIMEOUT" in answer.body["detail"]


class TestOldLogs:
    """`DELETE /old-logs`."""

    @pytest.fixture
    def old(self, database: str, store: Store) -> datetime:
        """Two tenants' calls of forty days ago, in a partition of their own."""
        day = datetime.now(UTC) - timedelta(days=40)
        with connect(database, Role.OWNER) as owner:
            partitions.ensure(owner, day.date(), day.date())
        store(
            {"created_at": day},
            {"created_at": day, "tenant_id": "globex", "steps": [{}]},
            {},
        )
        return day

    @pytest.mark.usefixtures("old")
    def test_everybodys_go_by_whole_days(self, get: Get, database: str) -> None:
        """Without a tenant, partitions are dropped, counted exactly and written down."""
        body = get("/logs/old-logs?days=30", method="DELETE").body
        assert body == IsPartialDict(scope="partitions", deleted=2, recoveries=1, skipped=0)
        assert len(body["partitions"]) == 4
        assert len(get("/logs/recent?since=2020-01-01T00:00:00Z").body) == 1
        with psycopg.connect(database) as connection:
            connection.execute("SET ROLE goldseam_owner")
            audit = connection.execute("SELECT tenant_id, action, details FROM goldseam_audit")
            assert audit.fetchall() == [("*", "logs.delete", IsPartialDict(deleted=2))]

    @pytest.mark.usefixtures("old")
    def test_one_tenants_go_by_rows(self, get: Get) -> None:
        """With a tenant, only that tenant's rows go."""
        body = get("/logs/old-logs?days=30&tenant_id=globex", method="DELETE").body
        assert body == IsPartialDict(scope="rows", deleted=1, recoveries=1, partitions=[])
        left = get("/logs/recent?since=2020-01-01T00:00:00Z").body
        assert [row["tenant_id"] for row in left] == ["acme", "acme"]

    @pytest.mark.usefixtures("old")
    def test_dry_run_only_counts(self, get: Get) -> None:
        """Nothing is touched."""
        path = "/logs/old-logs?days=30&dry_run=true"
        assert get(path, method="DELETE").body["deleted"] == 2
        assert get(path, method="DELETE").body == IsPartialDict(deleted=2, dry_run=True)

    def test_days_are_required(self, get: Get) -> None:
        """Nobody deletes by forgetting a parameter."""
        answer = get("/logs/old-logs", method="DELETE")
        assert (answer.status, answer.body["invalid_parameters"][0]["name"]) == (422, "days")
