"""Whatever steps arrive, in whatever order: what came before each, and the sums, are right."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import count
from threading import Barrier
from typing import Any

import anyio
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.semconv import log_id
from goldseam.storage import (
    Batch,
    RecoveryRecord,
    RequestRecord,
    Role,
    partitions,
    queries,
    retention,
    rollups,
    writes,
)
from goldseam.storage.engine import async_engine, connect, tenant_transaction
from goldseam.storage.roles import ALL_TENANTS
from goldseam.storage.rollup_tables import STEPS

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]
MakeBatch = Callable[..., Batch]

_DIRECTLY = """
    SELECT strategy_name, coalesce(provider, 'unknown'), after, call_error, count(*)::int,
        count(*) FILTER (WHERE was_successful)::int, sum(recovery_time_ms)
    FROM ai_error_recovery
    WHERE (tenant_id = %(tenant)s OR %(tenant)s = '*')
        AND created_at >= %(since)s AND created_at < %(until)s
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""

_MET = """
    SELECT call_error, coalesce((
        SELECT coalesce(l.error_pattern, l.first_error_code, '') FROM ai_request_logs AS l
        WHERE (l.tenant_id, l.id) = (s.tenant_id, s.request_log_id)
    ), '') FROM ai_error_recovery AS s
"""

_ORDERED = """
    SELECT after, coalesce((
        SELECT string_agg(strategy_name, ' ' ORDER BY step_number, created_at, id) FROM (
            SELECT * FROM ai_error_recovery AS b
            WHERE b.tenant_id = s.tenant_id AND b.request_log_id = s.request_log_id
                AND (b.step_number, b.created_at, b.id) < (s.step_number, s.created_at, s.id)
            ORDER BY step_number DESC, created_at DESC, id DESC LIMIT 10
        ) AS b
    ), '') FROM ai_error_recovery AS s
"""


def wrongly_ordered(connection: psycopg.Connection) -> list[Any]:
    """Return what steps say that ran before them where something else did."""
    with connection.transaction():
        return [row for row in connection.execute(_ORDERED) if row[0] != row[1]]


def misnamed(connection: psycopg.Connection) -> list[Any]:
    """Return what steps say that their call met where the call says something else."""
    with connection.transaction():
        return [row for row in connection.execute(_MET) if row[0] != row[1]]


def directly(
    connection: psycopg.Connection, tenant: str, since: datetime, until: datetime
) -> list[tuple[Any, ...]]:
    """Count the steps themselves."""
    window = {"tenant": tenant, "since": since, "until": until}
    with connection.transaction():
        return connection.execute(_DIRECTLY, window).fetchall()


def rolled_up(connection: psycopg.Connection, grain: str, tenant: str) -> list[tuple[Any, ...]]:
    """Read the same of all times from the sums."""
    table = STEPS[grain, tenant == "*"]
    with connection.transaction():
        rows = connection.execute(
            "SELECT strategy, provider, after, call_error, sum(attempt_count)::int,"  # noqa: S608 - our own table
            f" sum(success_count)::int, sum(recovery_time_ms)::float8 FROM {table}"
            " WHERE tenant_id = %s"
            " GROUP BY 1, 2, 3, 4 HAVING sum(attempt_count) <> 0 ORDER BY 1, 2, 3, 4",
            (tenant,),
        )
        return rows.fetchall()


async def answered(
    url: str, tenants: tuple[str, ...], window: list[datetime]
) -> list[list[tuple[Any, ...]]]:
    """Ask as the API does: for all steps, for those of a code, and for those of a pattern."""
    since, until = window
    engine = async_engine(url, Role.API, pool_size=1)
    try:
        answers = []
        for tenant in tenants:
            async with tenant_transaction(engine, tenant) as conn:
                for met in ({}, {"error_code": "TIMEOUT"}, {"error_pattern": PATTERNS[0]}):
                    found = await queries.strategies(conn, since=since, until=until, **met)
                    answers.append(sorted(map(counted, found)))
        return answers
    finally:
        await engine.dispose()


def expected(steps: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """Return what `answered` has to say of a tenant whose steps were counted directly."""
    errors = {step[3] for step in steps}
    of_code = {error for error in errors if error.split(":")[0] == "TIMEOUT"}
    answers = []
    for met in (errors, of_code, {PATTERNS[0]}):
        sums: dict[tuple[Any, ...], list[Any]] = {}
        for *key, error, attempts, successes, time_ms in steps:
            if error in met:
                so_far = sums.setdefault(tuple(key), [0, 0, 0.0])
                sums[tuple(key)] = [
                    a + b for a, b in zip(so_far, (attempts, successes, time_ms), strict=True)
                ]
        answers.append(sorted((*key, *added) for key, added in sums.items()))
    return answers


def counted(found: queries.StrategyFigures) -> tuple[Any, ...]:
    """Return an answer as the steps are counted directly."""
    total_ms = round(found.avg_time_ms * found.attempts, 3)
    after = " ".join(found.after)
    return (found.strategy, found.provider, after, found.attempts, found.successes, total_ms)


PATTERNS = ("TIMEOUT:openai:1", "TIMEOUT:openai:2", "OVERLOADED:openai:1")
calls = st.fixed_dictionaries(
    {
        "call": st.sampled_from([0, 1]),
        "error_pattern": st.sampled_from([None, *PATTERNS]),
        "first_error_code": st.sampled_from([None, "TIMEOUT"]),
        "recovery_steps": st.sampled_from([None, 1]),
        "status": st.sampled_from(["pending", "success", "error"]),
    }
)
steps = st.fixed_dictionaries(
    {
        "call": st.sampled_from([None, 0, 1]),
        "step_number": st.integers(1, 4),
        "minute": st.sampled_from([-2, -1, 0, 5, 29, 31]),
        "strategy_name": st.sampled_from(["retry", "fallback", "own one"]),
        "provider": st.sampled_from([None, "openai"]),
        "was_successful": st.booleans(),
        "recovery_time_ms": st.sampled_from([0.0, 0.5, 1200.25]),
    }
)
deliveries = st.tuples(st.lists(calls, max_size=2), st.lists(steps, max_size=5))
edges = st.sampled_from(
    [MIDNIGHT + timedelta(minutes=m) for m in (-1500, -61, -60, -1, 0, 5, 30, 60, 1440, 1470)]
)
tenants = (f"tenant-{number}" for number in count())


def made(make_request: MakeRequest, make_step: MakeStep, values: dict[str, Any]) -> RecoveryRecord:
    """Return the step of one delivery; the same minute, call and number are the same span."""
    values = dict(values)
    call, minute, number = values.pop("call"), values.pop("minute"), values.pop("step_number")
    at = MIDNIGHT + timedelta(minutes=minute)
    request = make_request(call or 0, tenant_id=values.pop("tenant_id"), created_at=MIDNIGHT)
    values["id"] = log_id(int(at.timestamp() * 1000) * 1_000_000, 2 + (call or -1), number)
    if call is None:
        values["request_log_id"] = None
    return make_step(request, number, created_at=at, **values)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sequence=st.lists(deliveries, min_size=1, max_size=5),
    ends=st.tuples(edges, edges).map(sorted),
)
def test_strategies_are_what_the_steps_say(
    database: str,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
    sequence: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]],
    ends: list[datetime],
) -> None:
    """Late, repeated and unordered steps and calls move what each knows, sums, and answers."""
    tenant = next(tenants)
    for called, stepped in sequence:
        requests = [
            make_request(v.pop("call"), tenant_id=tenant, created_at=MIDNIGHT, **v)
            for v in [dict(each) for each in called]
        ]
        records = [made(make_request, make_step, {**v, "tenant_id": tenant}) for v in stepped]
        writes.write(writer, make_batch(*requests, recoveries=records), NOW)

    assert wrongly_ordered(writer) == []
    assert misnamed(writer) == []
    always = (MIDNIGHT - timedelta(days=9), MIDNIGHT + timedelta(days=9))
    for whose in (tenant, "*"):
        for grain in ("hour", "day"):
            assert rolled_up(writer, grain, whose) == directly(writer, whose, *always)
    answers = anyio.run(answered, database, (tenant, "*"), ends)
    for place, whose in enumerate((tenant, "*")):
        told = expected(directly(writer, whose, *ends))
        assert answers[3 * place : 3 * place + 3] == told


def test_two_writers_order_the_steps_of_the_same_calls(
    database: str,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """One brings each call's odd steps while the other brings the even ones."""
    requests = [make_request(n) for n in range(40)]
    together = Barrier(2)

    def run(numbers: tuple[int, ...]) -> None:
        with connect(database, Role.WRITER) as connection:
            for start in range(0, len(requests), 5):
                some = [make_step(r, n) for r in requests[start : start + 5] for n in numbers]
                batch = make_batch(*requests[start : start + 5], recoveries=some)
                together.wait(timeout=60)
                writes.write(connection, batch, NOW)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run, numbers) for numbers in ((3, 1), (2, 4))]:
            done.result(timeout=120)

    assert wrongly_ordered(writer) == []
    assert [(row[2], row[4]) for row in rolled_up(writer, "day", "acme")] == [
        ("", 40), ("retry", 40), ("retry retry", 40), ("retry retry retry", 40),
    ]  # fmt: skip


def test_two_writers_tell_steps_what_their_calls_met(
    database: str,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """One brings the calls while the other brings their steps."""
    requests = [
        make_request(n, error_pattern=PATTERNS[n % 2], first_error_code="TIMEOUT")
        for n in range(60)
    ]
    together = Barrier(2)

    def run(*, brings_steps: bool) -> None:
        with connect(database, Role.WRITER) as connection:
            for start in range(0, len(requests), 5):
                some = requests[start : start + 5]
                batch = make_batch(*some)
                if brings_steps:
                    batch = make_batch(recoveries=[make_step(request) for request in some])
                together.wait(timeout=60)
                writes.write(connection, batch, NOW)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run, brings_steps=which) for which in (False, True)]:
            done.result(timeout=120)

    assert misnamed(writer) == []
    assert [row[3:5] for row in rolled_up(writer, "day", "acme")] == [
        (PATTERNS[0], 30), (PATTERNS[1], 30),
    ]  # fmt: skip


def test_a_long_call_tells_of_its_last_ten_steps(
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """So no sender makes the sums' keys long."""
    request = make_request(1)
    ran = [make_step(request, number) for number in range(1, 16)]
    writes.write(writer, make_batch(recoveries=ran[:7]), NOW)
    writes.write(writer, make_batch(recoveries=ran[7:]), NOW)

    assert wrongly_ordered(writer) == []
    _, _, after, _, attempts, *_ = rolled_up(writer, "day", "acme")[-1]
    assert (after, attempts) == (" ".join(["retry"] * 10), 5)


def test_too_many_strategies_of_a_day_count_as_other(
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """200 are told apart, and as many ways to come to them; a late step leaves its place."""
    requests = [make_request(n) for n in range(205)]
    seconds = [make_step(r, 2, strategy_name="cache") for r in requests]
    firsts = [make_step(r, 1, strategy_name=f"s{n:03}") for n, r in enumerate(requests)]
    writes.write(writer, make_batch(recoveries=seconds), NOW)
    writes.write(writer, make_batch(recoveries=firsts), NOW)

    found = {row[:3]: row[4] for row in rolled_up(writer, "day", "acme")}
    assert len(found) == 199 + 1 + 199 + 1
    assert found["other", "unknown", ""] == 6
    assert found["cache", "unknown", "other"] == 6
    assert ("cache", "unknown", "") not in found


def test_sums_of_steps_are_made_anew_and_outlive_their_rows(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """Rebuilding mends what was tampered with; where retention dropped the steps, sums stay."""
    partitions.ensure(owner, date(2026, 3, 13), date(2026, 3, 14))
    requests = [make_request(n, created_at=NOW - timedelta(days=n)) for n in range(2)]
    ran = [make_step(request, number) for request in requests for number in (2, 1)]
    writes.write(writer, make_batch(*requests, recoveries=ran), NOW)
    before = [rolled_up(writer, "day", tenant) for tenant in ("acme", "*")]
    owner.execute("UPDATE ai_stats_step_day SET attempt_count = 99 WHERE bucket = '2026-03-14+00'")
    owner.execute("DELETE FROM ai_stats_step_day_all WHERE bucket = '2026-03-14+00'")
    owner.commit()

    rollups.rebuild(owner, date(2026, 3, 14))
    assert [rolled_up(writer, "day", tenant) for tenant in ("acme", "*")] == before

    assert retention.prune(owner, days=1, today=date(2026, 3, 15)).recoveries == 2
    assert [rolled_up(writer, "hour", tenant) for tenant in ("acme", "*")] == before


def test_a_day_whose_steps_are_gone_keeps_their_sums_when_made_anew(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """Its requests are counted again, its steps cannot be."""
    request = make_request(1)
    writes.write(writer, make_batch(request, recoveries=[make_step(request)]), NOW)
    before = rolled_up(writer, "day", "acme")
    owner.execute("DELETE FROM ai_error_recovery")
    owner.commit()

    rollups.rebuild(owner, date(2026, 3, 14))

    assert rolled_up(writer, "day", "acme") == before


@pytest.mark.anyio
async def test_what_ran_before_a_window_is_known_inside(
    engine: AsyncEngine,
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_step: MakeStep,
    make_batch: MakeBatch,
) -> None:
    """A step comes after all that its whole call had tried, in one window as in the next."""
    request = make_request(1)
    ran = [make_step(request, number) for number in (1, 2)]
    writes.write(writer, make_batch(recoveries=ran), NOW)
    async with tenant_transaction(engine, ALL_TENANTS) as conn:
        [found] = await queries.strategies(conn, since=ran[1].created_at, until=NOW)

    assert (found.after, found.attempts) == (("retry",), 1)
