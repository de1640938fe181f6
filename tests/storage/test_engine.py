"""Connections in a role, and readable errors when there is none."""

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from goldseam.storage import Role
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.engine import async_engine, connect, parse_url, tenant_transaction
from goldseam.storage.errors import DatabaseUnavailableError, NotMigratedError, StorageError
from goldseam.storage.roles import ALL_TENANTS

WHO = "SELECT current_user"


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
@pytest.mark.parametrize("role", list(Role))
def test_a_connection_acts_in_its_role(database: str, scheme: str, role: Role) -> None:
    """The role is chosen at connecting, whichever way the URL is written."""
    with connect(database.replace("postgresql", scheme, 1), role) as connection:
        assert connection.execute(WHO).fetchone() == (str(role),)


def test_options_of_the_url_are_kept(database: str) -> None:
    """An option that the user put into the URL is joined by the role."""
    with connect(f"{database}&options=-c%20work_mem%3D8MB", Role.API) as connection:
        row = connection.execute("SELECT current_user, current_setting('work_mem')").fetchone()

    assert row == ("goldseam_api", "8MB")


def test_a_statement_that_takes_too_long_is_stopped(database: str) -> None:
    """The server ends it after `statement_timeout_s`."""
    with (
        connect(database, Role.API, statement_timeout_s=0.05) as connection,
        pytest.raises(errors.QueryCanceled),
    ):
        connection.execute("SELECT pg_sleep(30)")


def test_a_database_without_roles_asks_for_a_migration(
    postgres: EmbeddedPostgres, database: str
) -> None:
    """A login that may not become the role is told to migrate."""
    with psycopg.connect(postgres._url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
        try:
            with pytest.raises(NotMigratedError, match="goldseam db upgrade"):
                connect(database.replace("//goldseam@", "//stranger@"), Role.WRITER)
        finally:
            connection.execute("DROP ROLE stranger")


def test_an_unreachable_server_is_named_without_its_password() -> None:
    """The error says where nobody answers and keeps the password to itself."""
    with pytest.raises(DatabaseUnavailableError) as caught:
        connect("postgresql://someone:hunter2@127.0.0.1:1/goldseam", Role.WRITER)

    assert "127.0.0.1:1/goldseam" in str(caught.value)
    assert "GOLDSEAM_DATABASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "host=/tmp", "mysql://someone:hunter2@host/db", "://"])
def test_only_postgresql_urls_are_taken(url: str) -> None:
    """Anything else is refused with an example and without repeating it."""
    with pytest.raises(StorageError, match="postgresql://user") as caught:
        parse_url(url)

    assert "hunter2" not in str(caught.value)


@pytest.mark.anyio
async def test_a_tenant_transaction_is_limited_to_its_tenant(database: str) -> None:
    """The tenant is set for the transaction and gone after it, on the same session."""
    engine = async_engine(database, Role.API, pool_size=1)
    tenant = text("SELECT current_setting('goldseam.tenant', true)")
    async with tenant_transaction(engine, "acme") as connection:
        assert await connection.scalar(tenant) == "acme"
    async with engine.connect() as connection:
        assert not await connection.scalar(tenant)
    await engine.dispose()


@pytest.mark.anyio
async def test_a_tenant_is_a_value_and_never_a_statement(database: str) -> None:
    """Quotes, statements and placeholders in a tenant's name set that name and nothing else."""
    engine = async_engine(database, Role.API, pool_size=1)
    name = "o'hara\\'; SET ROLE goldseam_owner; --%s $1"
    async with tenant_transaction(engine, name) as connection:
        found = await connection.execute(
            text("SELECT current_setting('goldseam.tenant'), current_user")
        )
        assert found.one() == (name, Role.API)
    await engine.dispose()


@pytest.mark.anyio
async def test_what_a_block_that_raises_has_written_is_gone(database: str) -> None:
    """A transaction is rolled back if its block raises, and committed otherwise."""
    engine = async_engine(database, Role.API, pool_size=1)
    write = text(
        "INSERT INTO goldseam_audit (tenant_id, id, actor, action, created_at)"
        " VALUES ('acme', gen_random_uuid(), :actor, 'test', now())"
    )

    async def write_and_fail() -> None:
        async with tenant_transaction(engine, "acme") as connection:
            await connection.execute(write, {"actor": "lost"})
            raise KeyError

    with pytest.raises(KeyError):
        await write_and_fail()
    async with tenant_transaction(engine, "acme") as connection:
        await connection.execute(write, {"actor": "kept"})
    async with tenant_transaction(engine, "acme") as connection:
        found = await connection.scalars(text("SELECT actor FROM goldseam_audit"))
        assert found.all() == ["kept"]
    await engine.dispose()


@pytest.mark.anyio
async def test_sessions_that_the_server_ended_cost_no_question(database: str) -> None:
    """They are replaced before anything is asked."""
    engine = async_engine(database, Role.API, pool_size=2)
    own = text("SELECT pg_backend_pid()")
    async with tenant_transaction(engine, "acme") as one, tenant_transaction(engine, "acme") as two:
        ended = [await one.scalar(own), await two.scalar(own)]
    with connect(database, None) as owner:
        owner.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s) AS pid", [ended])
    async with tenant_transaction(engine, "acme") as one, tenant_transaction(engine, "acme") as two:
        assert await one.scalar(own) not in ended
        assert await two.scalar(own) not in ended
    await engine.dispose()


@pytest.mark.anyio
async def test_a_tenant_transaction_needs_a_tenant(database: str) -> None:
    """An empty tenant is a mistake of the caller, never `all`."""
    engine = async_engine(database, Role.API)
    with pytest.raises(ValueError, match="ALL_TENANTS"):
        async with tenant_transaction(engine, ""):
            pass
    await engine.dispose()


@pytest.mark.anyio
async def test_an_async_statement_that_takes_too_long_is_stopped(database: str) -> None:
    """The pool's sessions carry the time-out."""
    engine = async_engine(database, Role.API, statement_timeout_s=0.05)
    with pytest.raises(OperationalError, match="statement timeout"):
        async with tenant_transaction(engine, ALL_TENANTS) as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))
    await engine.dispose()


@pytest.mark.anyio
async def test_an_unreachable_server_is_named_by_the_async_engine() -> None:
    """`tenant_transaction` turns the driver's error into a readable one."""
    engine = async_engine("postgresql://someone:hunter2@127.0.0.1:1/goldseam", Role.API)
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1:1/goldseam") as caught:
        async with tenant_transaction(engine, "acme"):
            pass
    await engine.dispose()

    assert "hunter2" not in str(caught.value)
