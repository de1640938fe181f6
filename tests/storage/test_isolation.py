"""By role, table, operation and tenant: not one foreign row is read, changed, made or taken."""

# ruff: noqa: S608 - every name comes from the catalogue
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import errors

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, Role, writes
from goldseam.storage.engine import connect

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
MINE, THEIRS = "acme", "globex"
OPERATIONS = ("SELECT", "UPDATE", "DELETE", "INSERT")
CALLERS: dict[str, tuple[Role, str | None]] = {
    "api of a tenant": (Role.API, MINE),
    "api of a tenant without rows": (Role.API, "initech"),
    "api without a tenant": (Role.API, None),
    "api with an empty tenant": (Role.API, ""),
}
READERS: dict[str, tuple[Role, str | None]] = {
    "grafana": (Role.GRAFANA, None),
    "grafana with a tenant set": (Role.GRAFANA, MINE),
}

_TABLES = """
    SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version'
    ORDER BY 1
"""


@pytest.fixture
def filled(
    database: str,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_step: Callable[..., RecoveryRecord],
    make_batch: Callable[..., Batch],
) -> str:
    """Give a database with rows of two tenants in every table."""
    calls = [
        make_request(n, tenant_id=tenant, status="error", error_pattern="TIMEOUT:openai:x")
        for n, tenant in enumerate((MINE, THEIRS))
    ]
    writes.write(writer, make_batch(*calls, recoveries=[make_step(c) for c in calls]), NOW)
    with connect(database, Role.OWNER) as owner:
        for tenant in (MINE, THEIRS):
            owner.execute("INSERT INTO goldseam_horizon VALUES (%s, '2020-01-01Z')", (tenant,))
            owner.execute(
                "INSERT INTO goldseam_keys VALUES (%s, 'k', 'live', 'x', '{}', '', now(), 'me')",
                (tenant,),
            )
            owner.execute(
                "INSERT INTO goldseam_audit VALUES (%s, now(), gen_random_uuid(), 'me', 'it')",
                (tenant,),
            )
    return database


@pytest.fixture
def rows(filled: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Give one foreign row of each table, as its owner sees it, by the table's name."""
    with connect(filled, Role.OWNER) as owner:
        tables = [row[0] for row in owner.execute(_TABLES)]
        yield {table: _foreign(owner, table) for table in tables}


def _foreign(owner: psycopg.Connection, table: str) -> dict[str, Any]:
    everybodys = table.endswith("_all") and not table.startswith("ai_stats_slow")
    tenant = "*" if everybodys else THEIRS
    row = owner.execute(
        f"SELECT to_jsonb(t) FROM {table} AS t WHERE tenant_id = %s LIMIT 1".encode(), (tenant,)
    ).fetchone()
    assert row is not None, f"{table} has no row of {tenant}: let `filled` make one"
    found: dict[str, Any] = row[0]
    return found


def attempt(
    connection: psycopg.Connection, operation: str, table: str, row: dict[str, Any]
) -> int | None:
    """Return how many foreign rows an operation reaches; None if it is refused."""
    tenant = row["tenant_id"]
    statements = {
        "SELECT": (f"SELECT 1 FROM {table} WHERE tenant_id = %s", (tenant,)),
        "UPDATE": (
            f"UPDATE {table} SET {_column(connection, table)} = DEFAULT WHERE tenant_id = %s",
            (tenant,),
        ),
        "DELETE": (f"DELETE FROM {table} WHERE tenant_id = %s", (tenant,)),
        "INSERT": (
            f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)",
            (json.dumps(row),),
        ),
    }
    statement, values = statements[operation]
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement.encode(), values).rowcount
    except errors.InsufficientPrivilege:
        return None


def _column(connection: psycopg.Connection, table: str) -> str:
    """Return a column that the role may change, else one that it may not."""
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " ORDER BY NOT has_column_privilege(attrelid, attnum, 'UPDATE'), attnotnull, attnum",
        (table,),
    ).fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("caller", CALLERS)
def test_the_api_reaches_no_foreign_row(
    filled: str, rows: dict[str, dict[str, Any]], caller: str, operation: str
) -> None:
    """Whatever is tried on whatever table, no row of another tenant is concerned."""
    role, tenant = CALLERS[caller]
    with connect(filled, role) as connection:
        if tenant is not None:
            connection.execute("SELECT set_config('goldseam.tenant', %s, false)", (tenant,))
            connection.commit()
        reached = {
            table: attempt(connection, operation, table, row) or 0 for table, row in rows.items()
        }

    assert reached == dict.fromkeys(rows, 0)


@pytest.mark.parametrize("operation", OPERATIONS[1:])
@pytest.mark.parametrize("caller", READERS)
def test_grafana_changes_nothing(
    filled: str, rows: dict[str, dict[str, Any]], caller: str, operation: str
) -> None:
    """It reads what is for dashboards, and every change of any table is refused."""
    role, tenant = READERS[caller]
    with connect(filled, role) as connection:
        connection.execute("SELECT set_config('goldseam.tenant', %s, false)", (tenant or "",))
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        reached = {table: attempt(connection, operation, table, row) for table, row in rows.items()}

    assert reached == dict.fromkeys(rows)


def test_the_writer_takes_no_row_away(filled: str, rows: dict[str, dict[str, Any]]) -> None:
    """It deletes nothing but entries of the lists of the slowest, which it keeps."""
    with connect(filled, Role.WRITER) as connection:
        reached = {table: attempt(connection, "DELETE", table, row) for table, row in rows.items()}

    assert {table for table, number in reached.items() if number is not None} == {
        "ai_stats_slow_hour",
        "ai_stats_slow_hour_all",
    }


def test_a_tenant_moves_none_of_its_keys_to_another(filled: str) -> None:
    """The only table whose tenant the API may write refuses another's."""
    with connect(filled, Role.API) as connection:
        connection.execute("SELECT set_config('goldseam.tenant', %s, false)", (MINE,))
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("UPDATE goldseam_keys SET tenant_id = %s", (THEIRS,))
