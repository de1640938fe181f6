"""Figures by provider, pattern and strategy, and the slowest requests."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dirty_equals import IsApprox
from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.storage import (
    Batch,
    RecoveryRecord,
    RequestRecord,
    breakdowns,
    queries,
    writes,
)
from goldseam.storage.ai_metrics import AIMetrics
from goldseam.storage.engine import tenant_transaction
from goldseam.storage.roles import ALL_TENANTS

SINCE = datetime(2026, 3, 14, 0, 30, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)
WINDOW: dict[str, Any] = {"since": SINCE, "until": UNTIL}
TIMEOUT = {"error_code": "TIMEOUT", "error_pattern": "TIMEOUT:openai:a"}

pytestmark = pytest.mark.anyio

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]
MakeBatch = Callable[..., Batch]


@pytest.fixture
def store(
    writer: psycopg.Connection, make_request: MakeRequest, make_batch: MakeBatch
) -> Callable[..., None]:
    """Give a function that stores one request for each dict of values, one every 20 minutes."""

    def write(*values: dict[str, Any]) -> None:
        requests = [
            make_request(n, **{"created_at": SINCE + n * timedelta(minutes=20)} | each)
            for n, each in enumerate(values)
        ]
        writes.write(writer, make_batch(*requests), UNTIL)

    return write


async def test_providers_are_told_apart(engine: AsyncEngine, store: Callable[..., None]) -> None:
    """Final and first-try rates differ by what was mended; unknown tokens are in no mean."""
    openai: dict[str, Any] = {"provider_used": "openai"}
    store(
        {**openai, "tokens_used": 10, "cost_usd": 0.5, "processing_time_ms": 100.0},
        {**openai, "tokens_used": 30, "recovery_outcome": "recovered", "retry_count": 1,
         "first_error_code": "TIMEOUT", "error_pattern": "TIMEOUT:openai:a"},
        {**openai, **TIMEOUT, "status": "error", "cost_usd": 0.25, "processing_time_ms": 1900.0},
        {**openai, "status": "pending", "processing_time_ms": 0.0},
        {"provider_used": "ollama"},
    )  # fmt: skip
    async with tenant_transaction(engine, "acme") as connection:
        first, second = await queries.providers(connection, **WINDOW)

    assert (first.provider, first.total_requests, second.provider) == ("openai", 3, "ollama")
    assert first.success_rate == IsApprox(200 / 3)
    assert first.first_try_success_rate == IsApprox(100 / 3)
    assert first.p95 == IsApprox(1900, delta=95)
    assert (first.avg_time, first.avg_tokens) == (750.0, 20.0)
    assert (first.cost_usd, first.wasted_cost_usd, first.wasted_ms) == (0.75, 0.25, 1900.0)
    assert (first.errors, second.errors) == ({"TIMEOUT": 2}, {})


async def test_errors_are_ranked_with_what_became_of_them(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """A pattern counts mended calls too, and is compared with the window before."""
    other = {"error_code": "AUTH", "error_pattern": "AUTH:openai:b", "status": "error"}
    mended = {**TIMEOUT, "error_code": None, "recovery_outcome": "recovered"}
    earlier = {"created_at": SINCE - timedelta(hours=1)}
    store(
        {**TIMEOUT, "status": "error"},
        mended,
        other,
        {**TIMEOUT, "status": "error", **earlier},
        {**TIMEOUT, "status": "error", "duplicate_of": UUID(int=1)},
        {**TIMEOUT, "status": "error", "tenant_id": "globex"},
    )
    async with tenant_transaction(engine, "acme") as connection:
        first, second = await queries.top_errors(connection, **WINDOW)
        [alone] = await queries.top_errors(connection, **WINDOW, limit=1)
    async with tenant_transaction(engine, ALL_TENANTS) as connection:
        everybody = await queries.top_errors(connection, **WINDOW)

    assert (first.error_code, first.count, first.recovered, first.failed) == ("TIMEOUT", 2, 1, 1)
    assert (first.previous_count, second.count, second.previous_count) == (1, 1, 0)
    assert first.error_message == "Request timed out."
    assert alone == first
    assert [each.count for each in everybody] == [3, 1]


async def test_an_overview_says_the_same_as_its_parts(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Its totals, providers and errors are those that are asked for one by one."""
    mended = {**TIMEOUT, "error_code": None, "recovery_outcome": "recovered", "retry_count": 1}
    store(
        {**TIMEOUT, "status": "error", "processing_time_ms": 300.0, "tokens_used": 5},
        {**mended, "provider_used": "ollama", "recovery_strategy": "fallback"},
        {"error_code": "AUTH", "error_pattern": "AUTH:openai:b", "status": "error"},
        {"status": "pending", "processing_time_ms": 0.0},
    )
    async with tenant_transaction(engine, "acme") as connection:
        whole = await queries.overview(connection, **WINDOW, patterns=1)
        totals = await queries.statistics(connection, **WINDOW)
        providers = await queries.providers(connection, **WINDOW)
        errors = await queries.top_errors(connection, **WINDOW, limit=1)
        empty = await queries.overview(connection, since=UNTIL, until=UNTIL, patterns=1)

    assert whole.totals == replace(totals, p50=0.0, p95=0.0, p99=0.0)
    assert whole.providers == providers
    assert whole.errors == [replace(each, previous_count=None) for each in errors]
    assert (empty.totals, empty.providers, empty.errors) == (queries.Statistics(), [], [])


async def test_the_slowest_come_first_from_lists_and_edges(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Whole hours and edges give one order; calls outside or counted twice are left out."""
    store(
        {"processing_time_ms": 1.0},
        {"processing_time_ms": 2.0},
        {"processing_time_ms": 8.0, "created_at": SINCE},
        {"processing_time_ms": 7.0, "created_at": UNTIL - timedelta(seconds=1)},
        {"processing_time_ms": 9.0, "created_at": SINCE + timedelta(hours=12)},
        {"processing_time_ms": 6.0, "status": "cancelled"},
        {"processing_time_ms": 5.0, "duplicate_of": UUID(int=1)},
        {"processing_time_ms": 99.0, "created_at": SINCE - timedelta(seconds=1)},
        {"processing_time_ms": 98.0, "created_at": UNTIL},
        {"processing_time_ms": 97.0, "tenant_id": "globex"},
    )
    async with tenant_transaction(engine, "acme") as connection:
        found = await queries.slowest(connection, **WINDOW, limit=4)
        fast = await queries.slowest(connection, **WINDOW, min_ms=8.5)
        minute = await queries.slowest(connection, since=SINCE, until=SINCE + timedelta(minutes=1))
    async with tenant_transaction(engine, ALL_TENANTS) as connection:
        [everybody] = await queries.slowest(connection, **WINDOW, limit=1)

    assert [row.processing_time_ms for row in found] == [9.0, 8.0, 7.0, 2.0]
    assert [row.processing_time_ms for row in fast] == [9.0]
    assert [row.processing_time_ms for row in minute] == [8.0, 1.0]
    assert everybody.tenant_id == "globex"


async def test_a_cut_hour_is_read_from_rows_where_its_list_ends_too_early(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Sixty slower calls of the same hour, outside the window, hide none of those inside."""
    before = [
        {"processing_time_ms": 500.0 + n, "created_at": SINCE - timedelta(seconds=n + 1)}
        for n in range(60)
    ]
    inside = [
        {"processing_time_ms": 100.0 + n, "created_at": SINCE + timedelta(seconds=n)}
        for n in range(3)
    ]
    store(*before, *inside)
    async with tenant_transaction(engine, "acme") as connection:
        found = await queries.slowest(connection, **WINDOW, limit=5)

    assert [row.processing_time_ms for row in found] == [102.0, 101.0, 100.0]


async def test_a_trace_holds_its_requests_and_their_steps(
    engine: AsyncEngine,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """In the order in which they started; other traces are left out."""
    first, second = (make_request(n, trace_id="a" * 32) for n in (1, 2))
    steps = [make_step(second, 2), make_step(second, 1, was_successful=False)]
    writes.write(writer, make_batch(second, first, make_request(3), recoveries=steps), UNTIL)
    async with tenant_transaction(engine, "acme") as connection:
        found = await queries.trace(connection, "a" * 32, since=SINCE)
        nothing = await queries.trace(connection, "b" * 32, since=SINCE)

    assert [row.id for row in found.requests] == [first.id, second.id]
    assert [step.step_number for step in found.steps] == [1, 2]
    assert (nothing.requests, nothing.steps) == ([], [])


async def test_strategies_are_told_apart_by_what_came_before(
    engine: AsyncEngine,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """A fallback after two vain retries is another thing than a retry at once."""
    mended, lost = (
        make_request(n, created_at=SINCE + timedelta(minutes=n), first_error_code=code)
        for n, code in ((1, "TIMEOUT"), (2, "AUTH"))
    )
    steps = [
        make_step(mended, 1, was_successful=False, provider="openai"),
        make_step(mended, 2, strategy_name="fallback", provider="ollama"),
        make_step(lost, 3, was_successful=False, provider="openai"),
    ]
    writes.write(writer, make_batch(mended, lost, recoveries=steps), UNTIL)
    async with tenant_transaction(engine, "acme") as connection:
        retry, fallback = await queries.strategies(connection, **WINDOW)
        timeouts = await queries.strategies(connection, **WINDOW, error_code="TIMEOUT")

    assert (retry.strategy, retry.after, retry.attempts, retry.successes) == ("retry", (), 2, 0)
    assert (fallback.strategy, fallback.after, fallback.provider) == (
        "fallback",
        ("retry",),
        "ollama",
    )
    assert fallback.low == IsApprox(0.2065, delta=0.001)
    assert fallback.high == 1.0
    assert [each.attempts for each in timeouts] == [1, 1]


async def test_strategies_of_each_pattern_add_up_to_those_of_its_code(
    engine: AsyncEngine,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """One question tells patterns and tenants apart, and nothing is lost between them."""
    requests, steps = [], []
    for n, (tenant, pattern) in enumerate(product(("acme", "other"), ("a", "b", None))):
        for again in range(n + 1):
            request = make_request(
                10 * n + again,
                tenant_id=tenant,
                created_at=SINCE + timedelta(minutes=n, seconds=again),
                first_error_code="TIMEOUT",
                error_pattern=pattern and f"TIMEOUT:openai:{pattern}",
            )
            requests.append(request)
            steps.append(make_step(request, 1, tenant_id=tenant, was_successful=again % 2 == 0))
    writes.write(writer, make_batch(*requests, recoveries=steps), UNTIL)
    for tenant, count in (("acme", 3), (ALL_TENANTS, 6)):
        async with tenant_transaction(engine, tenant) as connection:
            whole = await queries.strategies(connection, **WINDOW, error_code="TIMEOUT")
            parts = await queries.strategies_by_pattern(connection, **WINDOW, error_code="TIMEOUT")
            alone = await queries.strategies(
                connection, **WINDOW, error_pattern="TIMEOUT:openai:b", tenant_id="acme"
            )

        assert len(parts) == count
        assert parts["acme", "TIMEOUT:openai:b"] == alone
        assert [each.attempts for each in alone] == [2]
        added = breakdowns.together(chain.from_iterable(parts.values()))
        assert [asdict(each) for each in added] == [
            asdict(each) | {"avg_time_ms": IsApprox(each.avg_time_ms)} for each in whole
        ]


async def test_a_later_step_of_an_unknown_call_counts(
    engine: AsyncEngine,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """What came before it is unknown too."""
    request = make_request(1, created_at=SINCE)
    steps = [make_step(request, n, request_log_id=None) for n in (2, 3)]
    writes.write(writer, make_batch(recoveries=steps), UNTIL)
    async with tenant_transaction(engine, "acme") as connection:
        [found] = await queries.strategies(connection, **WINDOW)

    assert (found.attempts, found.after) == (2, ())


async def test_the_four_metrics_of_the_facade(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Names, units and values are those of the original design."""
    now = datetime.now(UTC)
    recently = {"created_at": now - timedelta(minutes=1), "provider_used": "openai"}
    store({**recently, "tokens_used": 40}, {**recently, **TIMEOUT, "status": "error"})
    async with tenant_transaction(engine, "acme") as connection:
        metrics = AIMetrics(connection)

        assert await metrics.get_error_rate(hours=1) == {
            "total_requests": 2,
            "error_count": 1,
            "error_rate": 50.0,
            "success_count": 1,
            "avg_time": 250.0,
        }
        assert await metrics.get_provider_performance(hours=1) == {
            "openai": {"success_rate": 50.0, "avg_time": 250.0, "avg_tokens": 40.0}
        }
        assert await metrics.get_top_errors(limit=1) == [
            {"error_code": "TIMEOUT", "error_message": "Request timed out.", "count": 1}
        ]
        assert [row["processing_time_ms"] for row in await metrics.get_slowest_requests()] == [
            250.0,
            250.0,
        ]
