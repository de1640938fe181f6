"""What a distributed database asks of keys and statements, and one where there is one."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from goldseam.storage import (
    Batch,
    RequestRecord,
    Role,
    migrate,
    rollup_statements,
    schema,
    step_statements,
    writes,
)
from goldseam.storage import write_statements as statements
from goldseam.storage.distribute import DISTRIBUTION_COLUMN, distribute
from goldseam.storage.engine import async_engine, connect, tenant_transaction
from goldseam.storage.errors import DistributeError
from goldseam.storage.queries import statistics

PAGE = (Path(__file__).parents[2] / "docs" / "citus.md").read_text()
CITUS = os.environ.get("GOLDSEAM_TEST_CITUS_URL")
NEEDS_ONE_SHARD = re.compile(r"\bFOR UPDATE\b|\bRECURSIVE\b")
VOLATILE = re.compile(r"\b(now|clock_timestamp|random|gen_random_uuid|nextval)\(")


def texts() -> dict[str, str]:
    """Return every statement of the writer and of the roll-ups by name."""
    found: dict[str, str] = {}
    for module in (statements, rollup_statements, step_statements):
        for name, value in vars(module).items():
            many = tuple(value.values()) if isinstance(value, dict) else value
            parts = many if isinstance(many, tuple) else (many,)
            text = " ".join(part for part in parts if isinstance(part, str))
            if name.isupper() and not name.startswith("_") and "ai_" in text:
                found[name] = text
    return found


def test_every_key_holds_the_tenant(database: str) -> None:
    """Primary keys, unique constraints and unique indexes, partitions included."""
    with connect(database, Role.OWNER) as connection:
        without = connection.execute(
            "SELECT i.indexrelid::regclass::text FROM pg_index AS i"
            " JOIN pg_class AS t ON t.oid = i.indrelid WHERE i.indisunique"
            " AND t.relnamespace = 'public'::regnamespace AND t.relname <> 'alembic_version'"
            " AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = t.oid"
            "  AND a.attnum = ANY (i.indkey) AND a.attname = %s)",
            (DISTRIBUTION_COLUMN,),
        ).fetchall()

    assert without == []


def test_the_schema_has_nothing_that_is_refused() -> None:
    """No triggers, rules, sequences, identities or foreign keys."""
    made = " ".join(schema.create_statements()).upper()

    for word in ("TRIGGER", "CREATE RULE", "SEQUENCE", "IDENTITY", "REFERENCES", "SERIAL"):
        assert word not in made


def test_every_statement_that_joins_names_the_tenant() -> None:
    """No two tables are joined, and no row is changed, without its tenant."""
    found = texts()

    assert len(found) >= 15
    days = {"FORGET_DAY", "FORGET_STEPS", "MOVE_DAY", "MOVE_STEPS", "DAYS_WITH_ROWS"}
    days |= {"HAS_FULL_NAMES", "HAS_FULL_STEP_NAMES"}
    assert {name for name, text in found.items() if DISTRIBUTION_COLUMN not in text} <= days


def test_no_upsert_moves_a_row_to_another_tenant_or_asks_the_clock() -> None:
    """`DO UPDATE` neither sets the tenant nor calls what differs from machine to machine."""
    for text in texts().values():
        assert not re.search(rf"(?:DO UPDATE SET|,)\s*{DISTRIBUTION_COLUMN} = ", text)
        for assigned in re.findall(r"DO UPDATE SET(.*)", text, re.DOTALL):
            assert not VOLATILE.search(assigned)


def test_what_needs_one_shard_is_told() -> None:
    """Who adds a row lock or a recursion writes it down, or does without."""
    names = {name for name, text in texts().items() if NEEDS_ONE_SHARD.search(text)}

    assert names == {
        "UPDATE_REQUESTS",
        "REPLACE_REQUESTS",
        "LOCK_NESTED",
        "LOCK_OVERDUE",
        "LOCK_PATTERNS",
        "DAYS_WITH_ROWS",
    }
    assert all(f"`{name}`" in PAGE for name in names)


def test_a_database_without_citus_is_left_as_it_is(owner: psycopg.Connection) -> None:
    """The error says what to install."""
    with pytest.raises(DistributeError, match="CREATE EXTENSION citus"):
        distribute(owner)


@pytest.mark.anyio
@pytest.mark.skipif(not CITUS, reason="GOLDSEAM_TEST_CITUS_URL names no Citus")
async def test_a_citus_stores_and_answers(
    make_request: Callable[..., RequestRecord], make_batch: Callable[..., Batch]
) -> None:
    """Two tenants' calls are written, written again, and counted, each by its own worker."""
    assert CITUS is not None
    migrate.upgrade(CITUS)
    with connect(CITUS, Role.OWNER) as owner:
        distribute(owner)
    now = datetime.now(UTC)
    calls = [make_request(n, created_at=now, tenant_id=f"tenant-{n % 2}") for n in range(10)]
    with connect(CITUS, Role.WRITER) as writer:
        writes.write(writer, make_batch(*calls), now)
        writes.write(writer, make_batch(*calls), now)
    engine = async_engine(CITUS, Role.API)
    async with tenant_transaction(engine, "tenant-0") as connection:
        found = await statistics(connection, since=now, until=datetime.now(UTC))
    await engine.dispose()

    assert found.total_requests == 5
