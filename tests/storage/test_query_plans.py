"""The plans that keep questions fast on a full table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.dialects import postgresql

from goldseam.storage import Role, partitions
from goldseam.storage.engine import connect
from goldseam.storage.queries import RecentFilter, recent_query

DAYS = 6
FIRST = datetime(2026, 3, 10, tzinfo=UTC)
UNTIL = FIRST + timedelta(days=DAYS)
ROWS_PER_DAY = 4000


@pytest.fixture
def api(database: str, owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Give an API connection of tenant t1 to tables with six full days."""
    partitions.ensure(owner, FIRST.date(), (UNTIL - timedelta(days=1)).date())
    with connect(database, Role.WRITER) as writer, writer.transaction():
        writer.execute(
            "INSERT INTO ai_request_logs (tenant_id, created_at, id, request_id, trace_id,"
            " span_id, module, operation, provider_requested, provider_used, status,"
            " processing_time_ms, updated_at)"
            " SELECT 't' || n %% 20, %(first)s + n * interval '1 day' / %(per_day)s,"
            " gen_random_uuid(), n, md5(n::text), n, 'm' || n %% 6, 'chat', 'openai', 'openai',"
            " CASE WHEN n %% 37 = 0 THEN 'error' ELSE 'success' END, n %% 1000, now()"
            " FROM generate_series(0, %(rows)s - 1) AS n",
            {"first": FIRST, "per_day": ROWS_PER_DAY, "rows": DAYS * ROWS_PER_DAY},
        )
    owner.execute("ANALYZE ai_request_logs")
    owner.commit()
    with connect(database, Role.API) as reader:
        reader.execute("SELECT set_config('goldseam.tenant', 't1', false)")
        yield reader


def scans(connection: psycopg.Connection, filter_: RecentFilter) -> list[dict[str, Any]]:
    """Return the scan nodes of the plan of `recent`."""
    query = recent_query(filter_, 20, "t1").compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone()
    assert row is not None
    found: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = [row[0][0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if "Relation Name" in node or "Index Name" in node:
            found.append(node)
    return found


def test_recent_by_module_and_status_uses_its_index(api: psycopg.Connection) -> None:
    """Each day is read through (tenant_id, module, status, created_at), nothing is sorted out."""
    filter_ = RecentFilter(
        module="m1", status="error", since=UNTIL - timedelta(days=1), until=UNTIL
    )
    [scan] = [node for node in scans(api, filter_) if "p20260315" in node.get("Relation Name", "")]

    assert "tenant_id_module_status" in scan["Index Name"]
    for column in ("tenant_id", "module", "status", "created_at"):
        assert column in scan["Index Cond"]


def test_a_time_bound_reads_only_its_days(api: psycopg.Connection) -> None:
    """Partitions outside the window are not in the plan."""
    filter_ = RecentFilter(
        since=FIRST + timedelta(days=1), until=FIRST + timedelta(days=2, hours=1)
    )
    tables = {node["Relation Name"] for node in scans(api, filter_) if "Relation Name" in node}

    assert tables == {"ai_request_logs_p20260311", "ai_request_logs_p20260312"}


def test_a_page_reads_no_day_after_its_cursor(api: psycopg.Connection) -> None:
    """The cursor is an upper bound that the planner understands."""
    last_seen = FIRST + timedelta(hours=1)
    filter_ = RecentFilter(
        since=FIRST,
        cursor=(last_seen, UUID(int=0)),
    )
    tables = {node["Relation Name"] for node in scans(api, filter_) if "Relation Name" in node}

    assert tables == {"ai_request_logs_p20260310"}
