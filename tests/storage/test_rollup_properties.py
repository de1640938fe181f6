"""Whatever is delivered, in whatever order, the roll-ups say what the rows say."""
# ruff: noqa: S608 - every name is from this file or from the package

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldseam.storage import Batch, RequestRecord, Role, rollups, writes
from goldseam.storage.engine import connect
from goldseam.storage.errors import RollupError
from goldseam.storage.measures import bins_of
from goldseam.storage.rollup_tables import SLOW, SLOWEST_KEPT, SUMS

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
HOURS = (-1, 0, 11)  # noon less one hour, noon, and the day's last hour: two days after midnight

_STATS = """
    count(*) FILTER (WHERE status = 'success') AS success_count,
    count(*) FILTER (WHERE status = 'error') AS error_count,
    count(*) FILTER (WHERE status = 'error' AND error_code = 'TIMEOUT') AS timeout_count,
    count(*) FILTER (WHERE status = 'pending') AS pending_count,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled_count,
    count(*) FILTER (WHERE status = 'abandoned') AS abandoned_count,
    count(*) FILTER (WHERE over AND recovery_outcome = 'recovered') AS recovered_count,
    count(*) FILTER (WHERE over AND recovery_outcome = 'recovered' AND recovery_strategy = 'retry')
        AS recovered_by_retry,
    coalesce(sum(1 + retry_count) FILTER (WHERE over), 0) AS attempt_count,
    coalesce(sum(tokens_used) FILTER (WHERE over), 0) AS tokens_used,
    coalesce(sum(cost_usd::numeric) FILTER (WHERE over), 0) AS cost_usd,
    coalesce(sum(processing_time_ms::numeric) FILTER (WHERE status IN ('success', 'error')), 0)
        AS duration_ms
"""
_NAMES = [line.split(" AS ")[1].strip(" ,") for line in _STATS.split("\n") if " AS " in line]

_COUNTING = """
    SELECT *, status IN ('success', 'error', 'cancelled') AS over,
        coalesce(model_requested, 'unknown') AS model,
        date_trunc(%(grain)s, created_at, 'UTC') AS bucket,
        CASE WHEN processing_time_ms < 1 THEN 0 ELSE
            least(132, 1 + floor(ln(processing_time_ms) / ln(1.105::float8))) END AS bin
    FROM ai_request_logs WHERE duplicate_of IS NULL
        AND (tenant_id = %(tenant)s OR %(tenant)s = '*')
"""


def recounted(grain: str, tenant: str, connection: psycopg.Connection) -> list[list[Any]]:
    """Count the rows themselves: sums, with and without models, histogram and errors."""
    questions = (
        f"SELECT bucket, provider_used, model, module, {_STATS} FROM (%s) AS r GROUP BY 1, 2, 3, 4",
        f"SELECT bucket, provider_used, module, {_STATS} FROM (%s) AS r GROUP BY 1, 2, 3",
        """SELECT bucket, provider_used, module, bin, count(*) FROM (%s) AS r
        WHERE status IN ('success', 'error') GROUP BY 1, 2, 3, 4""",
        """SELECT bucket, coalesce(error_pattern, ''), module, coalesce(error_code, ''),
        count(error_pattern), count(error_pattern) FILTER (WHERE recovery_outcome = 'recovered'),
        count(*) FILTER (WHERE status = 'error'),
        coalesce(sum(processing_time_ms::numeric) FILTER (WHERE status = 'error'), 0)
        FROM (%s) AS r WHERE over AND (error_pattern IS NOT NULL OR status = 'error')
        GROUP BY 1, 2, 3, 4""",
    )
    parameters = {"grain": grain, "tenant": tenant}
    with connection.transaction():
        found = [
            sorted(connection.execute(question.replace("%s", _COUNTING), parameters).fetchall())
            for question in questions
        ]
    return found if grain == "hour" else found[1:]


def rolled_up(grain: str, tenant: str, connection: psycopg.Connection) -> list[list[Any]]:
    """Read the same from the roll-ups, without what has come and gone."""
    suffix = "_all" if tenant == "*" else ""
    there = """tenant_id = %s
        AND success_count + error_count + pending_count + cancelled_count + abandoned_count > 0"""
    sums = f"""SELECT bucket, provider, model, module, {", ".join(_NAMES)}
        FROM ai_stats_hour{suffix} WHERE {there}"""
    questions = (
        f"""SELECT bucket, provider, module, {", ".join(_NAMES)}
        FROM ai_stats_total_{grain}{suffix} WHERE {there}""",
        f"""SELECT bucket, provider, module, durations
        FROM ai_stats_total_{grain}{suffix} WHERE tenant_id = %s""",
        f"""SELECT bucket, error_pattern, module, error_code, occurrence_count, recovered_count,
        failed_count, wasted_ms FROM ai_stats_error_{grain}{suffix}
        WHERE tenant_id = %s AND occurrence_count + failed_count <> 0""",
    )
    with connection.transaction():
        found = [
            sorted(connection.execute(question, (tenant,)).fetchall())
            for question in ((sums, *questions) if grain == "hour" else questions)
        ]
    found[-2] = [
        (*key, number, count)
        for *key, durations in found[-2]
        for number, count in bins_of(durations).items()
    ]
    return found


def slowest(connection: psycopg.Connection, *, everybody: bool) -> list[Any]:
    """Return the lists of the slowest requests, as durations by tenant and hour."""
    group = "bucket" if everybody else "tenant_id, bucket"
    query = (
        f"SELECT {group}, (array_agg(processing_time_ms ORDER BY processing_time_ms DESC))"
        f"[1:{SLOWEST_KEPT}] FROM {SLOW[everybody]} GROUP BY {group} ORDER BY {group}"
    )
    with connection.transaction():
        return connection.execute(query).fetchall()


def slowest_rows(connection: psycopg.Connection, *, everybody: bool) -> list[Any]:
    """Return what those lists should be."""
    group = "bucket" if everybody else "tenant_id, bucket"
    query = (
        f"SELECT {group}, (array_agg(processing_time_ms ORDER BY processing_time_ms DESC))"
        f"[1:{SLOWEST_KEPT}] FROM"
        " (SELECT *, date_trunc('hour', created_at, 'UTC') AS bucket FROM ai_request_logs) AS r"
        " WHERE duplicate_of IS NULL AND status IN ('success', 'error')"
        f" GROUP BY {group} ORDER BY {group}"
    )
    with connection.transaction():
        return connection.execute(query).fetchall()


def assert_equal(connection: psycopg.Connection, *tenants: str) -> None:
    """Compare every roll-up with the rows."""
    for tenant in (*tenants, "*"):
        for grain in ("hour", "day"):
            assert rolled_up(grain, tenant, connection) == recounted(grain, tenant, connection)
    for everybody in (False, True):
        assert slowest(connection, everybody=everybody) == slowest_rows(
            connection, everybody=everybody
        )


deliveries = st.fixed_dictionaries(
    {
        "number": st.integers(0, 3),
        "hour": st.sampled_from(HOURS),
        "inside": st.booleans(),
        "status": st.sampled_from(["pending", "success", "error", "cancelled", "abandoned"]),
        "processing_time_ms": st.sampled_from([0.0, 0.1, 0.3, 1.0, 1.105, 99.9, 9e6]),
        "provider_used": st.sampled_from(["openai", "ollama"]),
        "model_requested": st.sampled_from([None, "a"]),
        "module": st.sampled_from(["copilot", "imports"]),
        "error_pattern": st.sampled_from([None, "TIMEOUT:openai:a", "SERVER_ERROR:openai:b"]),
        "error_code": st.sampled_from([None, "TIMEOUT"]),
        "retry_count": st.integers(0, 2),
        "recovery_outcome": st.sampled_from([None, "recovered", "failed"]),
        "recovery_strategy": st.sampled_from([None, "retry", "cache"]),
        "tokens_used": st.sampled_from([None, 1, 2]),
        "cost_usd": st.sampled_from([None, 0.1, 0.2]),
        "duplicate_of": st.sampled_from([None, None, None, UUID(int=1)]),
    }
)
batches_of_deliveries = st.lists(st.lists(deliveries, max_size=4), min_size=1, max_size=5)
tenants = (f"tenant-{number}" for number in count())


def made(make_request: Callable[..., RequestRecord], values: dict[str, Any]) -> RequestRecord:
    """Return the request of one delivery; the same number and hour are the same span."""
    values = dict(values)
    number, hour = values.pop("number"), values.pop("hour")
    if values.pop("inside") and number:
        values["parent_span_id"] = make_request(0).span_id
    at = NOW - timedelta(hours=1) + timedelta(hours=hour, seconds=number)
    return make_request(number, created_at=at, trace_id=values["tenant_id"], **values)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sequence=batches_of_deliveries)
def test_roll_ups_equal_a_recount_of_the_rows(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
    sequence: list[list[dict[str, Any]]],
) -> None:
    """Late, repeated, announced, nested and duplicate rows move every sum as the rows say."""
    tenant = next(tenants)
    for delivered in sequence:
        records = [made(make_request, {**values, "tenant_id": tenant}) for values in delivered]
        writes.write(writer, make_batch(*records), NOW)

    assert_equal(writer, tenant)


def test_two_writers_leave_exact_roll_ups(
    database: str, make_request: Callable[..., RequestRecord], make_batch: Callable[..., Batch]
) -> None:
    """Batches that cross in every order neither deadlock nor miscount."""
    chance = random.Random(5)  # noqa: S311 - an order, not a secret

    def version(number: int) -> RequestRecord:
        status = chance.choice(["pending", "success", "error"])
        return make_request(
            number,
            tenant_id=f"t{number % 3}",
            created_at=NOW + timedelta(minutes=number),
            status=status,
            processing_time_ms=float(chance.randrange(1, 4000)) if status != "pending" else 0.0,
            module=f"module {number % 5}",
            model_requested=f"model {chance.randrange(4)}",
            error_pattern=f"TIMEOUT:openai:{number % 4}" if status == "error" else None,
            duplicate_of=UUID(int=1) if chance.random() < 0.1 else None,
        )

    rounds = [
        [
            make_batch(*(version(number) for number in chance.sample(range(300), 150)))
            for _ in range(8)
        ]
        for _ in range(2)
    ]
    together = Barrier(2)

    def run(batches: list[Batch]) -> None:
        with connect(database, Role.WRITER) as connection:
            for batch in batches:
                together.wait(timeout=60)
                writes.write(connection, batch, NOW)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run, batches) for batches in rounds]:
            done.result(timeout=120)

    with connect(database, Role.WRITER) as connection:
        assert_equal(connection, "t0", "t1", "t2")


def test_a_listed_request_that_turns_out_a_duplicate_makes_room_for_the_next(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """The list is made anew from the rows, those that had not been slow enough included."""
    requests = [
        make_request(number, processing_time_ms=1000.0 + number)
        for number in range(SLOWEST_KEPT + 5)
    ]
    writes.write(writer, make_batch(*requests), NOW)
    copy = replace(requests[-1], duplicate_of=UUID(int=1))
    writes.write(writer, make_batch(copy), NOW)

    [(_tenant, _hour, durations)] = slowest(writer, everybody=False)
    assert durations == [1000.0 + n for n in range(SLOWEST_KEPT + 3, 3, -1)]
    assert_equal(writer, "acme")


def test_too_many_names_of_a_day_count_as_other(
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """200 modules are told apart, the rest is one; a row leaves the place that it came to."""
    announced = [
        make_request(number, module=f"module {number:03}", status="pending")
        for number in range(205)
    ]
    ended = [replace(request, status="success") for request in announced]
    for batch in (announced[:150], announced[150:], ended):
        writes.write(writer, make_batch(*batch), NOW)

    with writer.transaction():
        rows = writer.execute(
            "SELECT module, success_count, pending_count FROM ai_stats_total_day_all"
            " ORDER BY module"
        ).fetchall()
    assert len(rows) == 201
    assert rows[-1] == ("other", 5, 0)
    assert all(row[1:] == (1, 0) for row in rows[:-1])


def test_a_day_made_anew_is_the_same_again(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """Rebuilding mends sums that were tampered with, and leaves other days alone."""
    requests = [
        make_request(n, created_at=NOW + timedelta(hours=n), processing_time_ms=n * 10.0)
        for n in range(20)
    ]
    writes.write(writer, make_batch(*requests), NOW)
    for table in SUMS:
        owner.execute(f"DELETE FROM {table} WHERE bucket < '2026-03-15+00'")
    owner.execute("UPDATE ai_stats_total_day SET success_count = 99 WHERE bucket = '2026-03-15+00'")
    owner.commit()

    assert rollups.days_with_rows(owner) == [date(2026, 3, 14), date(2026, 3, 15)]
    assert rollups.rebuild(owner, date(2026, 3, 14)) == 11
    assert rollups.rebuild(owner, date(2026, 3, 15)) == 9
    assert_equal(writer, "acme")


def test_a_day_without_rows_keeps_its_sums(
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_batch: Callable[..., Batch],
) -> None:
    """What retention dropped cannot be counted again, so nothing is thrown away."""
    writes.write(writer, make_batch(make_request(1)), NOW)
    owner.execute("DELETE FROM ai_request_logs")
    owner.commit()

    with pytest.raises(RollupError, match="2026-03-14 has no rows"):
        rollups.rebuild(owner, date(2026, 3, 14))
    with writer.transaction():
        kept = writer.execute("SELECT sum(success_count) FROM ai_stats_total_day").fetchone()
    assert kept == (1,)
