"""Recovery steps that do not name their request find it by its span, whichever comes first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import psycopg
import pytest

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, rewrites, writes
from goldseam.storage.records import DEFAULT_TENANT
from goldseam.storage.step_statements import FIND_UNLINKED

MakeRequest = Callable[..., RequestRecord]
MakeStep = Callable[..., RecoveryRecord]

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)


@pytest.fixture
def make_foreign(make_step: MakeStep) -> MakeStep:
    """Give a function that makes a step of a request that it does not name."""

    def make(request: RequestRecord, number: int = 1, **values: object) -> RecoveryRecord:
        parent = {"parent_span_id": request.span_id}
        return make_step(request, number, request_log_id=None, recovery_result=parent, **values)

    return make


def links(connection: psycopg.Connection) -> list[tuple[UUID | None, str]]:
    """Return for each step, in order, its request and what had run before."""
    with connection.transaction():
        return connection.execute(
            "SELECT request_log_id, after FROM ai_error_recovery ORDER BY step_number"
        ).fetchall()


def sums(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """Return how many steps are counted after what, in the tenants' days."""
    with connection.transaction():
        return connection.execute(
            "SELECT after, sum(attempt_count)::int FROM ai_stats_step_day GROUP BY 1 ORDER BY 1"
        ).fetchall()


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_steps_find_their_request_in_any_order(
    writer: psycopg.Connection,
    make_request: MakeRequest,
    make_foreign: MakeStep,
    order: tuple[int, ...],
) -> None:
    """Each comes in a batch of its own, and each batch comes twice."""
    request = make_request()
    steps = [make_foreign(request), make_foreign(request, 2, strategy_name="fallback")]
    batches = [Batch(requests=[request]), *(Batch(recoveries=[step]) for step in steps)]
    for number in (*order, *order):
        writes.write(writer, batches[number], NOW)

    assert links(writer) == [(request.id, ""), (request.id, "retry")]
    assert sums(writer) == [("", 1), ("retry", 1)]


def test_a_step_without_a_tenant_finds_its_request(
    writer: psycopg.Connection, make_request: MakeRequest, make_foreign: MakeStep
) -> None:
    """Whoever names no tenant may belong to any; who names one has no part in another's calls."""
    request = make_request(tenant_id="acme")
    nobodys = make_foreign(request, tenant_id=DEFAULT_TENANT)
    others = make_foreign(request, 2, tenant_id="other")
    writes.write(writer, Batch(recoveries=[nobodys, others]), NOW)
    writes.write(writer, Batch(requests=[request]), NOW)

    assert [request_id for request_id, _ in links(writer)] == [request.id, None]


def test_a_step_of_another_parent_stays_without_a_request(
    writer: psycopg.Connection, make_request: MakeRequest, make_foreign: MakeStep
) -> None:
    """The trace alone is not enough, and a call that ended long before is none of its."""
    request = make_request()
    elsewhere = replace(make_foreign(request), recovery_result={"parent_span_id": "f" * 16})
    late = make_foreign(request, 2, created_at=request.created_at + timedelta(hours=2))
    writes.write(writer, Batch(requests=[request], recoveries=[elsewhere, late]), NOW)

    assert [request_id for request_id, _ in links(writer)] == [None, None]


def test_steps_that_never_find_a_request_cost_later_batches_nothing(
    writer: psycopg.Connection, make_request: MakeRequest, make_foreign: MakeStep
) -> None:
    """Only those of the batch's traces are read, by an index that holds nothing else."""
    request = make_request()
    lonely = [
        replace(make_foreign(request), id=uuid4(), trace_id=uuid4().hex) for _ in range(2_000)
    ]
    writes.write(writer, Batch(recoveries=lonely), NOW)
    where = {
        "traces": [request.trace_id],
        "tenants": [request.tenant_id],
        "earliest": request.created_at - rewrites.NESTED_WITHIN,
        "latest": request.created_at + rewrites.NESTED_WITHIN,
        "within": rewrites.NESTED_WITHIN,
    }
    with writer.transaction():
        plan = writer.execute(f"EXPLAIN {FIND_UNLINKED}", where).fetchall()

    assert any("Index Cond: (trace_id = ANY" in line for (line,) in plan), plan
