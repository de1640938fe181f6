"""The plans that keep every question fast on a full table: which days, by which indexes."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from goldseam.semconv import log_id
from goldseam.storage import Role, changes, partitions, patterns, queries, rollups
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.engine import async_engine, connect, tenant_transaction
from goldseam.storage.roles import ALL_TENANTS

DAYS: Final = 6
FIRST: Final = datetime(2026, 3, 10, tzinfo=UTC)
LAST: Final = FIRST + timedelta(days=DAYS)
ROWS: Final = 12_000
SINCE: Final = FIRST + timedelta(days=2, hours=5, minutes=20)
UNTIL: Final = FIRST + timedelta(days=4, hours=3, minutes=40)
"""Two nights, hours on both sides, and minutes on both sides of those."""

A_TRACE: Final = "c4ca4238a0b923820dcc509a6f75849b"
AN_ID: Final = log_id(int(SINCE.timestamp() * 1000) * 1_000_000, 1, 1)
PATTERN: Final = "TIMEOUT:openai:3"

Ask = Callable[[AsyncConnection], Awaitable[Any]]

pytestmark = pytest.mark.anyio

_CALLS: Final = """
    INSERT INTO ai_request_logs (tenant_id, created_at, id, request_id, trace_id, span_id, module,
        operation, provider_requested, provider_used, status, processing_time_ms, error_code,
        first_error_code, error_pattern, recovery_outcome, updated_at)
    SELECT 't' || n %% 20, at, overlay(md5(n::text) placing
            lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') from 1)::uuid,
        'order-' || n, md5(n::text), n, 'm' || n %% 6, 'chat', 'openai', 'openai',
        CASE WHEN n %% 37 = 0 THEN 'error' ELSE 'success' END, n %% 1000,
        CASE WHEN n %% 37 = 0 THEN 'TIMEOUT' END, CASE WHEN n %% 37 = 0 THEN 'TIMEOUT' END,
        CASE WHEN n %% 37 = 0 THEN 'TIMEOUT:openai:' || n %% 5 END,
        CASE WHEN n %% 37 = 0 THEN 'failed' END, at
    FROM (
        SELECT n, %(first)s::timestamptz + n * (%(last)s::timestamptz - %(first)s) / %(rows)s AS at
        FROM generate_series(0, %(rows)s - 1) AS n
    ) AS calls
"""

_STEPS: Final = """
    INSERT INTO ai_error_recovery (tenant_id, created_at, id, request_log_id, trace_id,
        strategy_name, step_number, action_taken, was_successful, recovery_time_ms)
    SELECT tenant_id, created_at, gen_random_uuid(), id, trace_id, strategy, 1, 'wait', false, 9
    FROM ai_request_logs, unnest(ARRAY['retry', 'simplify', 'fallback', 'cache']) AS strategy
"""

_PATTERNS: Final = """
    INSERT INTO ai_error_analysis (tenant_id, pattern_id, error_pattern, error_code,
        error_message_pattern, provider, normaliser_version, first_seen, last_occurred,
        probable_cause, suggested_action, created_at, updated_at)
    SELECT 't' || t, t || '-' || n, 'TIMEOUT:openai:' || n, 'TIMEOUT', 'slow', 'openai', 1, now(),
        now() - n * interval '1 minute', 'slow', 'wait', now(), now()
    FROM generate_series(0, 19) AS t, generate_series(0, 199) AS n
"""


@pytest.fixture(scope="module")
def full(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Give a database with six full days of twenty tenants, analysed."""
    with psycopg.connect(postgres._url("postgres", "postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE plans OWNER goldseam TEMPLATE {migrated_template}")
        url = postgres._url("goldseam", "plans")
        partitions.ensure(url, FIRST.date(), (LAST - timedelta(days=1)).date())
        with connect(url, Role.WRITER) as writer:
            writer.execute(_CALLS, {"first": FIRST, "last": LAST, "rows": ROWS})
            writer.execute(_STEPS)
            writer.execute(_PATTERNS)
        with connect(url, Role.OWNER) as owner:
            for number in range(DAYS):
                rollups.rebuild(owner, (FIRST + timedelta(days=number)).date())
            owner.autocommit = True
            owner.execute("ANALYZE")
        yield url
        admin.execute("DROP DATABASE plans WITH (FORCE)")


@pytest.fixture
async def engine(full: str) -> AsyncIterator[AsyncEngine]:
    """Give the API's engine."""
    engine = async_engine(full, Role.API)
    yield engine
    await engine.dispose()


@dataclass
class Plans:
    """What the plans of a question read.

    Attributes:
        indexes: Indexes by the name that their table knows them by, with the columns that they are
            searched by.
        days: Daily partitions that the plans mention.
        whole: Tables of calls that would be read from end to end.
    """

    indexes: dict[str, str] = field(default_factory=dict)
    days: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)

    def read(self, node: dict[str, Any], parents: dict[str, str]) -> None:
        """Note what a node of a plan and those below it read."""
        for child in node.get("Plans", ()):
            self.read(child, parents)
        table, index = node.get("Relation Name", ""), node.get("Index Name")
        if found := re.search(r"_p(\d{8})", f"{table} {index}"):
            self.days.add(found[1])
        if index:
            columns = re.findall(r"\((\w+) (?:=|<|>|<=|>=) ", _searched(node))
            self.indexes[parents.get(index, index)] = " ".join(dict.fromkeys(columns))
            if not _searched(node):
                self.whole.add(table)
        elif node["Node Type"] == "Seq Scan" and table.startswith("ai_"):
            self.whole.add(table)


def _searched(node: dict[str, Any]) -> str:
    return str(node.get("Index Cond", ""))


async def plans_of(engine: AsyncEngine, tenant: str, ask: Ask) -> Plans:
    """Ask, and have each statement explained with its own values.

    Without sequential scans: on tables this small they would be right, and where no index can be
    searched they are planned all the same.
    """
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if not statement.lstrip().startswith("EXPLAIN"):
            statements.append((statement, parameters))

    found = Plans()
    async with tenant_transaction(engine, tenant) as conn:
        await conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = await conn.exec_driver_sql(
            "SELECT c.relname AS child, p.relname AS parent FROM pg_inherits"
            " JOIN pg_class AS c ON c.oid = inhrelid"
            " JOIN pg_class AS p ON p.oid = inhparent WHERE c.relkind = 'i'"
        )
        parents = {row["child"]: row["parent"] for row in rows.mappings()}
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await ask(conn)
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        for statement, parameters in statements:
            plan = await conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            value = plan.scalar_one()
            tree = json.loads(value) if isinstance(value, str) else value
            found.read(tree[0]["Plan"], parents)
    assert statements
    return found


def asked(question: Callable[..., Awaitable[Any]], **narrowed: Any) -> Ask:
    """Return the question about the window."""
    return lambda conn: question(conn, since=SINCE, until=UNTIL, **narrowed)


def listed(**narrowed: Any) -> Ask:
    """Return the list of calls of the window."""
    filter_ = queries.RecentFilter(**{"since": SINCE, "until": UNTIL} | narrowed)
    return lambda conn: queries.recent(conn, filter_)


WINDOW: Final = {"20260312", "20260313", "20260314"}
EDGES: Final = {"20260312", "20260314"}
LATER: Final = {"20260315"}
RECENT: Final = "ix_ai_request_logs_tenant_module_status"
TOTALS: Final = tuple(f"pk_ai_stats_total_{grain}" for grain in ("day", "hour"))
STEPS: Final = tuple(f"pk_ai_stats_step_{grain}" for grain in ("day", "hour"))
ERRORS: Final = tuple(f"pk_ai_stats_error_{grain}" for grain in ("day", "hour"))


@dataclass(frozen=True)
class Question:
    """What is asked, the days that it may read, and what its indexes are searched by."""

    ask: Ask
    days: set[str]
    searched: dict[str, str]


def by_hours(*indexes: str) -> dict[str, str]:
    """Return roll-ups searched by tenant and time."""
    return dict.fromkeys(indexes, "tenant_id bucket")


QUESTIONS: Final = {
    "recent": Question(listed(), WINDOW, {"pk_ai_request_logs": "tenant_id created_at"}),
    "recent by module and status": Question(
        listed(module="m1", status="error"), WINDOW, {RECENT: "tenant_id module status created_at"}
    ),
    "recent by module": Question(
        listed(module="m1"), WINDOW, {RECENT: "tenant_id module created_at"}
    ),
    "recent by trace": Question(
        listed(trace_id=A_TRACE), WINDOW, {"ix_ai_request_logs_trace_id": "trace_id"}
    ),
    "next page": Question(
        listed(cursor=(SINCE + timedelta(hours=1), UUID(int=0))),
        {"20260312"},
        {"pk_ai_request_logs": "tenant_id created_at"},
    ),
    "by id": Question(lambda conn: queries.request_by_id(conn, AN_ID), {"20260312"}, {}),
    "by request id": Question(
        lambda conn: queries.request_by_request_id(conn, "order-7", since=SINCE),
        WINDOW | LATER,
        {"ix_ai_request_logs_request_id": "request_id tenant_id"},
    ),
    "steps": Question(
        lambda conn: queries.recovery_steps(conn, AN_ID),
        WINDOW,
        {"ix_ai_error_recovery_request": "tenant_id request_log_id"},
    ),
    "trace": Question(
        lambda conn: queries.trace(conn, A_TRACE, since=SINCE),
        WINDOW | LATER,
        {"ix_ai_request_logs_trace_id": "trace_id"},
    ),
    "statistics": Question(asked(queries.statistics), EDGES, by_hours(*TOTALS)),
    "statistics of a module": Question(
        asked(queries.statistics, module="m1"),
        EDGES,
        dict.fromkeys(TOTALS, "tenant_id bucket module"),
    ),
    "providers": Question(asked(queries.providers), EDGES, by_hours(*TOTALS, *ERRORS)),
    "top errors": Question(
        asked(queries.top_errors),
        EDGES,
        by_hours(*ERRORS)
        | {"uq_ai_error_analysis_tenant_id_error_pattern": "tenant_id error_pattern"},
    ),
    "slowest": Question(
        asked(queries.slowest),
        WINDOW,
        {"ix_ai_stats_slow_hour_slowest": "tenant_id processing_time_ms created_at"},
    ),
    "strategies": Question(
        asked(queries.strategies),
        EDGES,
        by_hours(*STEPS) | {"pk_ai_error_recovery": "tenant_id created_at"},
    ),
    "strategies against an error": Question(
        asked(queries.strategies, error_pattern=PATTERN),
        EDGES,
        dict.fromkeys(STEPS, "tenant_id bucket call_error")
        | {"pk_ai_error_recovery": "tenant_id created_at"},
    ),
    "strategies against each error of a code": Question(
        asked(queries.strategies_by_pattern, error_code="TIMEOUT"),
        EDGES,
        by_hours(*STEPS) | {"pk_ai_error_recovery": "tenant_id created_at"},
    ),
    "written since": Question(lambda conn: changes.written_since(conn, LAST, limit=500), LATER, {}),
    "one pattern": Question(
        lambda conn: patterns.pattern(conn, "1-3"),
        set(),
        {"pk_ai_error_analysis": "tenant_id pattern_id"},
    ),
    "patterns of a code": Question(
        lambda conn: patterns.patterns_of(conn, "TIMEOUT"),
        set(),
        {"ix_ai_error_analysis_last_occurred": "tenant_id"},
    ),
    "what was lost": Question(
        lambda conn: patterns.waste(conn, "TIMEOUT", since=SINCE, until=UNTIL),
        EDGES,
        dict.fromkeys(ERRORS, "tenant_id bucket error_code"),
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_tenants_question_is_answered_by_indexes(engine: AsyncEngine, name: str) -> None:
    """Only its days are read, every table by an index, and the indexes by all that they can."""
    question = QUESTIONS[name]
    plans = await plans_of(engine, "t1", question.ask)

    assert plans.days <= question.days
    assert plans.whole == set()
    assert {index: plans.indexes.get(index) for index in question.searched} == question.searched


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_question_about_everybody_reads_only_its_days(
    engine: AsyncEngine, name: str
) -> None:
    """Nothing but the table of patterns, which is small, is read from end to end."""
    plans = await plans_of(engine, ALL_TENANTS, QUESTIONS[name].ask)

    assert plans.days <= QUESTIONS[name].days
    assert plans.whole <= {"ai_error_analysis"}


def test_every_index_is_justified(full: str) -> None:
    """docs/indexes.md names each index that the catalogue has, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "indexes.md").read_text()
    with connect(full, Role.OWNER) as connection:
        rows = connection.execute(
            "SELECT i.indexrelid::regclass::text FROM pg_index AS i"
            " JOIN pg_class AS t ON t.oid = i.indrelid WHERE NOT t.relispartition"
            " AND t.relnamespace = 'public'::regnamespace AND t.relname <> 'alembic_version'"
        )
        there = {row[0] for row in rows}

    told = set(re.findall(r"`((?:pk|ix|uq)_\w+)`", page))
    assert told <= there
    assert {name for name in there - told if not name.startswith("pk_ai_stats_")} == set()
