"""Who sees and changes which rows."""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors, sql

from goldseam.storage import Batch, RecoveryRecord, RequestRecord, Role, writes
from goldseam.storage.engine import connect

NOW = datetime(2026, 3, 14, 13, tzinfo=UTC)
TABLES = ("ai_request_logs", "ai_error_recovery", "ai_error_analysis")
BOTH = {"acme", "globex"}


@pytest.fixture
def filled(
    database: str,
    writer: psycopg.Connection,
    make_request: Callable[..., RequestRecord],
    make_step: Callable[..., RecoveryRecord],
    make_batch: Callable[..., Batch],
) -> str:
    """Give a database with one row of two tenants in each table."""
    requests = [
        make_request(number, tenant_id=tenant, status="error", error_pattern="TIMEOUT:openai:x")
        for number, tenant in enumerate(sorted(BOTH))
    ]
    steps = [make_step(request) for request in requests]
    writes.write(writer, make_batch(*requests, recoveries=steps), NOW)
    return database


def tenants_in(connection: psycopg.Connection, table: str) -> set[str]:
    """Return the tenants whose rows a connection sees in a table or view."""
    query = sql.SQL("SELECT DISTINCT tenant_id FROM {}").format(sql.SQL(table))
    return {row[0] for row in connection.execute(query)}


def relations_like(connection: psycopg.Connection, name: str) -> list[str]:
    """Return the tables and views of calls that the catalogue knows by names like this."""
    rows = connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
        " AND relnamespace::regnamespace::text IN ('public', 'reporting')"
        " AND NOT relispartition AND relname LIKE 'ai\\_%%' AND relname LIKE %s ORDER BY 1",
        (name,),
    )
    return [row[0] for row in rows]


def with_rows_of_tenants(connection: psycopg.Connection) -> list[str]:
    """Return those that keep tenants apart."""
    everybodys = relations_like(connection, "%\\_all")
    return [each for each in relations_like(connection, "%") if each not in everybodys]


@pytest.mark.parametrize(
    ("role", "tenant", "seen"),
    [
        pytest.param(Role.API, None, set(), id="api without a tenant"),
        pytest.param(Role.API, "", set(), id="api with an empty tenant"),
        pytest.param(Role.API, "acme", {"acme"}, id="api of acme"),
        pytest.param(Role.API, "initech", set(), id="api of a tenant without rows"),
        pytest.param(Role.API, "*", BOTH, id="api of all tenants"),
        pytest.param(Role.GRAFANA, None, BOTH, id="grafana"),
        pytest.param(Role.GRAFANA, "acme", BOTH, id="grafana with a tenant set"),
    ],
)
def test_a_reader_sees_the_rows_of_its_tenant(
    filled: str, role: Role, tenant: str | None, seen: set[str]
) -> None:
    """Row level security holds in every table and view that there is, roll-ups too."""
    with connect(filled, role) as connection:
        if tenant is not None:
            connection.execute("SELECT set_config('goldseam.tenant', %s, true)", (tenant,))
        relations = with_rows_of_tenants(connection)
        # The names counted for all tenants together stand under *.
        found = {each: tenants_in(connection, each) - {"*"} for each in relations}

    assert len(relations) > 2 * len(TABLES)
    assert found == dict.fromkeys(relations, seen)


@pytest.mark.parametrize("role", [Role.WRITER, Role.OWNER])
def test_writer_and_owner_see_every_row(filled: str, role: Role) -> None:
    """The collector and the maintenance work for all tenants."""
    with connect(filled, role) as connection:
        assert {table: tenants_in(connection, table) for table in TABLES} == dict.fromkeys(
            TABLES, BOTH
        )


@pytest.mark.parametrize(
    ("role", "tenant", "is_seen"),
    [
        pytest.param(Role.API, "acme", False, id="api of acme"),
        pytest.param(Role.API, "*", True, id="api of all tenants"),
        pytest.param(Role.GRAFANA, None, True, id="grafana"),
    ],
)
def test_sums_of_all_tenants_are_for_those_who_see_all(
    filled: str,
    role: Role,
    tenant: str | None,
    is_seen: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """A tenant learns nothing of the others, not even added up."""
    with connect(filled, role) as connection:
        connection.execute("SELECT set_config('goldseam.tenant', %s, true)", (tenant or "",))
        tables = relations_like(connection, "%\\_all")
        found = {table: bool(tenants_in(connection, table)) for table in tables}

    assert found == dict.fromkeys(tables, is_seen)


def test_each_role_may_do_exactly_its_task(filled: str) -> None:
    """Operations on whole tables, by role; who adds a table says here who may touch it."""
    with psycopg.connect(filled) as connection:
        rows = connection.execute(
            "SELECT t.relname, r.rolname, string_agg(left(o, 1), '' ORDER BY o)"
            " FROM pg_class AS t, pg_roles AS r,"
            " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS o"
            " WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p')"
            " AND NOT t.relispartition AND t.relname <> 'alembic_version'"
            " AND r.rolname IN ('goldseam_writer', 'goldseam_api', 'grafana_ro')"
            " AND has_table_privilege(r.rolname, t.oid, o) GROUP BY 1, 2"
        ).fetchall()

    allowed: dict[str, dict[str, str]] = {}
    for table, role, operations in rows:
        allowed.setdefault(role, {})[table] = operations
    of_calls = set(allowed["grafana_ro"])
    slow = {table for table in of_calls if table.startswith("ai_stats_slow")}
    assert set(TABLES) | slow < of_calls
    assert not any(table.startswith("goldseam_") for table in of_calls)
    assert allowed == {
        "grafana_ro": dict.fromkeys(of_calls, "S"),
        "goldseam_api": dict.fromkeys(of_calls, "S")
        | {"goldseam_keys": "ISU", "goldseam_audit": "IS"},
        "goldseam_writer": dict.fromkeys(of_calls, "ISU")
        | dict.fromkeys(slow, "DISU")
        | {"goldseam_keys": "S", "goldseam_horizon": "S"},
    }


def test_a_tenant_lasts_as_long_as_its_transaction(filled: str) -> None:
    """The next transaction on the same connection sees nothing again."""
    with connect(filled, Role.API) as connection:
        connection.execute("SET LOCAL goldseam.tenant = 'acme'")
        assert tenants_in(connection, "ai_request_logs") == {"acme"}
        connection.commit()

        assert tenants_in(connection, "ai_request_logs") == set()


@pytest.mark.parametrize("role", [Role.WRITER, Role.API, Role.GRAFANA])
@pytest.mark.parametrize("table", ["ai_request_logs_default", "ai_error_recovery_default"])
def test_no_role_reads_a_partition_past_its_table(filled: str, table: str, role: Role) -> None:
    """Partitions have no policies of their own, so they are closed."""
    with connect(filled, role) as connection, pytest.raises(errors.InsufficientPrivilege):
        tenants_in(connection, table)


def test_even_the_owner_reads_a_partition_as_empty(owner: psycopg.Connection, filled: str) -> None:
    """Row level security is forced on partitions too."""
    assert tenants_in(owner, "ai_request_logs_default") == set()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (Role.API, "UPDATE ai_request_logs SET status = 'success'"),
        (Role.API, "DELETE FROM ai_error_analysis"),
        (Role.API, "INSERT INTO ai_error_analysis SELECT * FROM ai_error_analysis"),
        (Role.GRAFANA, "UPDATE ai_error_analysis SET resolution_status = 'resolved'"),
        (Role.GRAFANA, "DELETE FROM reporting.ai_request_logs"),
        (Role.WRITER, "DELETE FROM ai_request_logs"),
        (Role.WRITER, "TRUNCATE ai_error_recovery"),
        (Role.WRITER, "DROP TABLE ai_error_recovery"),
    ],
)
def test_a_role_may_not_do_more_than_its_task(filled: str, role: Role, statement: str) -> None:
    """Readers write nothing, and the writer deletes nothing."""
    with connect(filled, role) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_login_itself_sees_nothing(filled: str) -> None:
    """Being a member of the roles gives no right before one of them is chosen."""
    with psycopg.connect(filled) as connection:
        if connection.info.server_version < 160_000:
            pytest.skip("before PostgreSQL 16 a member inherits")
        with pytest.raises(errors.InsufficientPrivilege):
            tenants_in(connection, "ai_request_logs")


def test_grafana_is_the_only_role_that_may_log_in(filled: str) -> None:
    """The other three are reached through the application's login only."""
    with psycopg.connect(filled) as connection:
        rows = connection.execute(
            "SELECT rolname, rolcanlogin, rolsuper, rolbypassrls FROM pg_roles"
            " WHERE rolname = ANY (%s) ORDER BY rolname",
            ([str(role) for role in Role],),
        ).fetchall()

    assert rows == [
        ("goldseam_api", False, False, False),
        ("goldseam_owner", False, False, False),
        ("goldseam_writer", False, False, False),
        ("grafana_ro", True, False, False),
    ]


def test_every_table_forces_row_security(filled: str) -> None:
    """Not one table or partition with rows in it is left open."""
    with psycopg.connect(filled) as connection:
        open_tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND relname <> 'alembic_version'"
            " AND NOT (relrowsecurity AND relforcerowsecurity)"
        ).fetchall()

    assert open_tables == []
