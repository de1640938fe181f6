"""What statistics count, and what they leave out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dirty_equals import IsApprox
from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.storage import Batch, RequestRecord, writes
from goldseam.storage.engine import tenant_transaction
from goldseam.storage.queries import Statistics, statistics
from goldseam.storage.roles import ALL_TENANTS

SINCE = datetime(2026, 3, 14, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> Callable[..., None]:
    """Give a function that stores one request for each dict of values."""

    def write(*values: dict[str, Any]) -> None:
        requests = [make_request(number, **each) for number, each in enumerate(values)]
        writes.write(writer, make_batch(*requests), UNTIL)

    return write


async def ask(engine: AsyncEngine, tenant: str = "acme", **conditions: Any) -> Statistics:
    """Return the statistics of one day."""
    async with tenant_transaction(engine, tenant) as connection:
        return await statistics(connection, **{"since": SINCE, "until": UNTIL} | conditions)


async def test_nothing_gives_zeros(engine: AsyncEngine) -> None:
    """No request is no reason for a NULL or a NaN."""
    assert await ask(engine) == Statistics()


async def test_each_status_is_counted_in_its_place(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """The total is answered calls only; a time-out is an error counted again."""
    store(
        {"status": "success"},
        {"status": "success"},
        {"status": "success"},
        {"status": "error", "error_code": "TIMEOUT"},
        {"status": "error", "error_code": "AUTH"},
        {"status": "cancelled", "error_code": "CANCELLED"},
        {"status": "pending"},
        {"status": "abandoned", "error_code": "UNKNOWN"},
    )
    found = await ask(engine)

    assert (found.total_requests, found.success_count, found.error_count) == (5, 3, 2)
    assert (found.error_rate, found.timeout_count) == (40.0, 1)
    assert (found.cancelled_count, found.pending_count, found.abandoned_count) == (1, 1, 1)


async def test_mended_calls_are_counted_by_strategy(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """A mended call is a success, but not at first try; a call the SDK retried is neither."""
    mended = {"first_error_code": "TIMEOUT", "recovery_outcome": "recovered"}
    store(
        {"recovery_outcome": "not_needed"},
        {"retry_count": 2},
        {**mended, "recovery_strategy": "retry", "recovery_time_ms": 100.0, "retry_count": 1},
        {**mended, "recovery_strategy": "retry", "recovery_time_ms": 200.0, "retry_count": 2},
        {**mended, "recovery_strategy": "fallback", "recovery_time_ms": 600.0, "retry_count": 1},
        {"status": "error", "recovery_outcome": "failed", "recovery_time_ms": 9e9},
        {"status": "error", "recovery_outcome": "skipped"},
        {"status": "pending", "retry_count": 50},
    )
    found = await ask(engine)

    assert found.recovered_count == 3
    assert found.recovered_by_strategy == {"retry": 2, "fallback": 1}
    assert found.avg_recovery_time_ms == 300.0
    assert found.first_try_success_rate == IsApprox(100 / 7)
    assert found.attempts == 7 + 2 + 1 + 2 + 1


async def test_added_latency_compares_mended_calls_with_those_answered_at_once(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """What mending cost is the difference of the means; lost calls and repeats do not count."""
    mended = {"first_error_code": "TIMEOUT", "recovery_outcome": "recovered", "retry_count": 1}
    store(
        {"processing_time_ms": 100.0},
        {"processing_time_ms": 300.0},
        {**mended, "processing_time_ms": 1_000.0},
        {**mended, "processing_time_ms": 1_400.0},
        {"processing_time_ms": 9e9, "retry_count": 1},
        {"processing_time_ms": 9e9, "status": "error"},
    )

    assert (await ask(engine)).avg_added_latency_ms == 1_000.0


async def test_durations_are_those_of_answered_calls(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Mean and percentiles take successes and errors, not calls given up or still running."""
    store(
        *({"processing_time_ms": float(ms)} for ms in range(100)),
        {"processing_time_ms": 100.0, "status": "error"},
        {"processing_time_ms": 9e9, "status": "cancelled"},
        {"processing_time_ms": 0.0, "status": "pending"},
    )
    found = await ask(engine)

    assert found.avg_time == 50.0
    assert [found.p50, found.p95, found.p99] == [
        IsApprox(50.0, delta=2.5),
        IsApprox(95.0, delta=4.75),
        IsApprox(99.0, delta=4.95),
    ]


async def test_percentiles_of_less_than_an_hour_are_exact(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Where the rows themselves are read, nothing is rounded."""
    store(*({"processing_time_ms": float(ms)} for ms in range(101)))
    noon = SINCE + timedelta(hours=12)
    found = await ask(engine, since=noon, until=noon + timedelta(minutes=50))

    assert (found.p50, found.p95, found.p99) == (50.0, 95.0, 99.0)


EVERY_25_MINUTES = [SINCE - timedelta(days=1) + n * timedelta(minutes=25) for n in range(200)]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        pytest.param(timedelta(0), timedelta(days=1), id="a whole day"),
        pytest.param(timedelta(hours=-13), timedelta(days=1, hours=5), id="hours, a day, hours"),
        pytest.param(timedelta(minutes=-811), timedelta(minutes=1733), id="edges on both sides"),
        pytest.param(timedelta(minutes=61), timedelta(minutes=119), id="within one hour"),
        pytest.param(timedelta(minutes=59), timedelta(minutes=61), id="over a full hour"),
        pytest.param(timedelta(minutes=1), timedelta(minutes=121), id="one whole hour"),
        pytest.param(timedelta(hours=5), timedelta(hours=4), id="ends before it starts"),
    ],
)
@pytest.mark.parametrize("tenant", ["acme", ALL_TENANTS])
async def test_any_window_counts_just_its_rows(
    engine: AsyncEngine,
    store: Callable[..., None],
    tenant: str,
    since: timedelta,
    until: timedelta,
) -> None:
    """Days, hours and edges meet without a gap and without an overlap."""
    store(*({"created_at": at} for at in EVERY_25_MINUTES))
    found = await ask(engine, tenant, since=SINCE + since, until=SINCE + until)

    assert found.total_requests == sum(
        SINCE + since <= at < SINCE + until for at in EVERY_25_MINUTES
    )


async def test_tokens_and_cost_are_added_up_where_known(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Unknown is not 0 and disturbs no sum; a call given up has cost something too."""
    store(
        {"tokens_used": 10, "cost_usd": 0.25},
        {"tokens_used": None, "cost_usd": None},
        {"tokens_used": 5, "cost_usd": 0.5, "status": "cancelled"},
    )
    found = await ask(engine)

    assert (found.tokens, found.cost_usd) == (15, 0.75)


async def test_duplicates_count_nowhere(engine: AsyncEngine, store: Callable[..., None]) -> None:
    """A second view of the same call adds nothing to any figure."""
    copy = {"tokens_used": 10, "cost_usd": 1.0, "recovery_outcome": "recovered"}
    store({**copy, "duplicate_of": UUID(int=1)})

    assert await ask(engine) == Statistics()


@pytest.mark.parametrize(
    "condition",
    [{"module": "copilot"}, {"provider": "ollama"}, {"model": "llama3.1"}, {"tenant_id": "acme"}],
    ids=str,
)
async def test_a_condition_narrows_every_figure(
    engine: AsyncEngine, store: Callable[..., None], condition: dict[str, str]
) -> None:
    """Counts and strategies are those of the calls that fit."""
    mended = {"recovery_outcome": "recovered", "recovery_strategy": "retry"}
    fits = {"module": "copilot", "provider_used": "ollama", "model_requested": "llama3.1"}
    store({**mended, **fits}, {**mended, "tenant_id": "globex"})
    found = await ask(engine, ALL_TENANTS, **condition)

    assert (found.total_requests, found.recovered_by_strategy) == (1, {"retry": 1})


async def test_a_tenant_gets_its_own_figures(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Foreign calls are in no figure of a tenant, and in those of all tenants."""
    store({"tenant_id": "acme"}, {"tenant_id": "globex"}, {"tenant_id": "globex"})

    assert (await ask(engine, "globex")).total_requests == 2
    assert (await ask(engine, ALL_TENANTS)).total_requests == 3


async def test_a_window_includes_its_start_and_not_its_end(
    engine: AsyncEngine, store: Callable[..., None]
) -> None:
    """Two windows that touch count each call once."""
    store({"created_at": SINCE}, {"created_at": UNTIL})

    assert (await ask(engine)).total_requests == 1


@pytest.mark.parametrize("minutes", [(0, 0), (10, 10), (40, 20), (20, 40), (50, 59)])
async def test_any_window_counts_the_rows_that_start_in_it(
    engine: AsyncEngine, store: Callable[..., None], minutes: tuple[int, int]
) -> None:
    """Whether the hours at its ends are added up from rows, or whole less the rest of theirs."""
    every = timedelta(minutes=5)
    values: list[dict[str, Any]] = [
        {
            "created_at": SINCE + number * every,
            "status": "error" if number % 3 == 0 else "success",
            "error_code": "TIMEOUT" if number % 3 == 0 else None,
            "retry_count": number % 2,
            "processing_time_ms": float(number),
            "cost_usd": 0.25 if number % 5 else None,
            "tokens_used": number if number % 7 else None,
        }
        for number in range(60)
    ]
    store(*values)
    since = SINCE + timedelta(minutes=minutes[0])
    until = SINCE + timedelta(hours=4, minutes=minutes[1])
    inside = [each for each in values if since <= each["created_at"] < until]
    found = await ask(engine, since=since, until=until)

    assert found.total_requests == len(inside)
    assert found.error_count == sum(each["status"] == "error" for each in inside)
    assert found.timeout_count == found.error_count
    assert found.attempts == sum(1 + each["retry_count"] for each in inside)
    assert found.tokens == sum(each["tokens_used"] or 0 for each in inside)
    assert found.cost_usd == IsApprox(sum(each["cost_usd"] or 0 for each in inside))
    assert found.avg_time * len(inside) == IsApprox(
        sum(each["processing_time_ms"] for each in inside)
    )
