"""Questions about single requests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, writes
from goldseam.storage.engine import tenant_transaction
from goldseam.storage.queries import (
    RecentFilter,
    RequestRow,
    recent,
    recovery_steps,
    request_by_id,
    request_by_request_id,
)
from goldseam.storage.roles import ALL_TENANTS

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]
MakeBatch = Callable[..., Batch]

NOW = datetime.now(UTC).replace(microsecond=250)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(writer: psycopg.Connection, make_batch: MakeBatch) -> Callable[..., writes.WriteResult]:
    """Give a function that stores requests and steps."""

    def write(*requests: RequestRecord, steps: list[RecoveryRecord] | None = None) -> Any:
        return writes.write(writer, make_batch(*requests, recoveries=steps), NOW)

    return write


async def listed(
    engine: AsyncEngine, limit: int = 20, tenant: str = "acme", **conditions: Any
) -> list[RequestRow]:
    """Return what `recent` gives one tenant."""
    async with tenant_transaction(engine, tenant) as connection:
        return await recent(connection, RecentFilter(**conditions), limit)


async def test_a_row_is_the_record_and_its_time_of_writing(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """What was written comes back field by field."""
    request = make_request(1, created_at=NOW - HOUR, request_metadata={"a": [1, None]})
    store(request)

    [row] = await listed(engine)
    values = {name: getattr(row, name) for name in RequestRecord.__dataclass_fields__}
    assert RequestRecord(**values) == request
    assert row.updated_at == NOW


async def test_the_newest_come_first_and_duplicates_not_at_all(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """A row marked as a duplicate is in no list."""
    old = make_request(1, created_at=NOW - 2 * HOUR)
    new = make_request(2, created_at=NOW - HOUR)
    store(old, new, make_request(3, created_at=NOW - HOUR, duplicate_of=new.id))

    assert [row.id for row in await listed(engine)] == [new.id, old.id]


async def test_rows_older_than_thirty_days_need_a_window(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """Without `since` a list reaches back 30 days from its end."""
    ancient = make_request(1, created_at=NOW - timedelta(days=31))
    store(ancient)

    assert await listed(engine) == []
    assert len(await listed(engine, since=NOW - timedelta(days=32))) == 1
    assert len(await listed(engine, until=NOW - timedelta(days=5))) == 1


async def test_a_page_goes_on_beyond_a_day(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """What the last day lacks for a full page comes from before it, newest first."""
    rows = [make_request(days, created_at=NOW - timedelta(days=days)) for days in range(1, 6)]
    store(*rows)
    ids = [row.id for row in rows]

    assert [row.id for row in await listed(engine, limit=4)] == ids[:4]
    assert [row.id for row in await listed(engine, since=NOW - timedelta(days=3))] == ids[:3]
    cursor = (rows[1].created_at, rows[1].id)
    assert [row.id for row in await listed(engine, cursor=cursor)] == ids[2:]


async def test_what_no_index_holds_is_looked_for_in_a_day(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """By user, for one, a list reaches back 24 hours unless it says otherwise; pages alike."""
    old = make_request(1, created_at=NOW - 30 * HOUR, user_id="ana")
    store(old, make_request(2, created_at=NOW - 23 * HOUR, user_id="ana"))
    [new] = await listed(engine, user_id="ana")

    assert new.id != old.id
    assert await listed(engine, user_id="ana", cursor=(new.created_at, new.id)) == []
    assert len(await listed(engine, user_id="ana", since=NOW - 31 * HOUR)) == 2
    assert len(await listed(engine, user_id="ana", trace_id=old.trace_id)) == 1


async def test_a_window_includes_its_start_and_not_its_end(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """Windows are [since, until)."""
    at = NOW - HOUR
    store(make_request(1, created_at=at))

    assert len(await listed(engine, since=at, until=at + timedelta(microseconds=1))) == 1
    assert await listed(engine, since=at - HOUR, until=at) == []


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ({"module": "copilot"}, {"module": "copilot"}),
        ({"status": "error"}, {"status": "error"}),
        ({"provider": "ollama"}, {"provider_used": "ollama"}),
        ({"model": "gpt-4o"}, {"model_requested": "gpt-4o"}),
        ({"error_code": "TIMEOUT"}, {"error_code": "TIMEOUT"}),
        ({"trace_id": "f" * 32}, {"trace_id": "f" * 32}),
        ({"user_id": "ana"}, {"user_id": "ana"}),
        ({"recovered": True}, {"recovery_outcome": "recovered"}),
    ],
    ids=lambda value: "" if "_" in str(value) else str(value),
)
async def test_each_condition_narrows_the_list(
    engine: AsyncEngine,
    make_request: MakeRequest,
    store: Callable[..., Any],
    condition: dict[str, Any],
    values: dict[str, Any],
) -> None:
    """Only the row that fits is listed."""
    fitting = make_request(1, created_at=NOW - HOUR, **values)
    store(fitting, make_request(2, created_at=NOW - HOUR, recovery_outcome="failed"))

    assert [row.id for row in await listed(engine, **condition)] == [fitting.id]


async def test_not_recovered_includes_calls_that_needed_no_recovery(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """`recovered=False` is everything else, unknown outcomes too."""
    outcomes = (None, "not_needed", "failed", "recovered")
    store(
        *(
            make_request(number, created_at=NOW - HOUR, recovery_outcome=outcome)
            for number, outcome in enumerate(outcomes)
        )
    )

    rows = await listed(engine, recovered=False)
    assert {row.recovery_outcome for row in rows} == {None, "not_needed", "failed"}


async def test_pages_join_without_gap_or_overlap(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """Rows that start at the same moment, and rows that come in meanwhile, disturb no page."""
    at = NOW - HOUR
    requests = [make_request(number, created_at=at) for number in range(5)]
    requests += [make_request(9, created_at=at - HOUR)]
    store(*requests)
    seen: list[UUID] = []
    cursor = None
    while page := await listed(engine, 2, cursor=cursor):
        seen += [row.id for row in page]
        cursor = (page[-1].created_at, page[-1].id)
        store(make_request(100 + len(seen), created_at=NOW))

    assert len(seen) == len(set(seen)) == 6
    assert set(seen) == {request.id for request in requests}


async def test_a_tenant_lists_its_own_rows_whatever_it_asks(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """Asking for another tenant gives nothing; all tenants may narrow to one."""
    store(
        make_request(1, created_at=NOW - HOUR),
        make_request(2, created_at=NOW - HOUR, tenant_id="globex"),
    )

    assert {row.tenant_id for row in await listed(engine)} == {"acme"}
    assert await listed(engine, tenant_id="globex") == []
    assert len(await listed(engine, tenant=ALL_TENANTS)) == 2
    assert len(await listed(engine, tenant=ALL_TENANTS, tenant_id="globex")) == 1


async def test_a_request_is_found_by_its_id(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """However old it is, and a duplicate as well; a foreign tenant's is not there."""
    request = make_request(1, created_at=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC))
    store(request, make_request(2, duplicate_of=request.id))
    async with tenant_transaction(engine, "acme") as connection:
        found = await request_by_id(connection, request.id)
        duplicate = await request_by_id(connection, make_request(2).id)
        nothing = await request_by_id(connection, UUID(int=2**128 - 1))
    async with tenant_transaction(engine, "globex") as connection:
        foreign = await request_by_id(connection, request.id)

    assert found is not None
    assert found.id == request.id
    assert duplicate is not None
    assert nothing is None
    assert foreign is None


async def test_a_request_is_found_by_its_correlation_id(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """The newest match counts; a row id as text is a correlation id too."""
    old = make_request(1, created_at=NOW - 2 * HOUR, request_id="order-7")
    new = make_request(2, created_at=NOW - HOUR, request_id="order-7")
    own = make_request(3, created_at=NOW - HOUR)
    store(old, new, own)
    async with tenant_transaction(engine, "acme") as connection:
        by_correlation = await request_by_request_id(connection, "order-7")
        by_text = await request_by_request_id(connection, str(own.id))
        nothing = await request_by_request_id(connection, "order-8")

    assert by_correlation is not None
    assert by_correlation.id == new.id
    assert by_text is not None
    assert by_text.id == own.id
    assert nothing is None


async def test_a_uuid_may_be_a_correlation_id(
    engine: AsyncEngine, make_request: MakeRequest, store: Callable[..., Any]
) -> None:
    """A caller's own UUID, which is no row id, is found as well."""
    correlation = "c56a4180-65aa-42ec-a945-5fd21dec0538"
    request = make_request(1, created_at=NOW - HOUR, request_id=correlation)
    store(request)
    async with tenant_transaction(engine, ALL_TENANTS) as connection:
        found = await request_by_request_id(connection, correlation)

    assert found is not None
    assert found.id == request.id


async def test_steps_come_in_their_order(
    engine: AsyncEngine,
    make_request: MakeRequest,
    make_step: MakeStep,
    store: Callable[..., Any],
) -> None:
    """Only the steps of that request and tenant, by number, whenever they were stored."""
    request = make_request(1)
    steps = [make_step(request, number) for number in (1, 2, 3)]
    foreign = replace(steps[0], tenant_id="globex")
    other = make_step(make_request(2), 7)
    store(steps=[steps[2], foreign, other, steps[0]])
    store(steps=[steps[1]])
    async with tenant_transaction(engine, "acme") as connection:
        assert await recovery_steps(connection, request.id) == steps
        assert await recovery_steps(connection, UUID(int=2**128 - 1)) == []
        assert await recovery_steps(connection, UUID(int=0)) == []
