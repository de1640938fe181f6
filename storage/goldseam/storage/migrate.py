"""Bring a database to the newest schema.

Called by `goldseam db upgrade`, by `goldseam up` and by the tests. The migrations travel inside
this package, so an installed wheel needs no ini file. Each call is one transaction: it happens
wholly or not at all, and two processes that migrate at once take turns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from goldseam.storage import roles, schema
from goldseam.storage.engine import CONNECT_TIMEOUT_S, parse_url, readable
from goldseam.storage.errors import MigrationError, UnreleasedSchemaError
from goldseam.storage.locks import AdvisoryLock
from goldseam.storage.partitions import PARTITIONED

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    """Create or update roles, tables, policies and views.

    Args:
        url: Database; its login must own it and have `CREATEROLE`.
        revision: Where to stop.

    Raises:
        DatabaseUnavailableError: Nobody answers, or the login is refused.
        MigrationError: The login lacks a right.
        UnreleasedSchemaError: The tables are those of an unreleased version.
    """
    with _connected(url) as connection:
        _take_turns(connection)
        _become_owner(connection)
        command.upgrade(_config(connection), revision)
        if revision == "head":
            _refuse_unreleased(connection)


def create_tables(url: str) -> None:
    """Create everything in an empty database without Alembic, and note the revision for it.

    Raises:
        DatabaseUnavailableError: Nobody answers, or the login is refused.
        MigrationError: The login lacks a right, or the tables are there.
    """
    with _connected(url) as connection:
        _take_turns(connection)
        _become_owner(connection)
        for statement in (*schema.create_statements(), *schema.STAMP):
            connection.exec_driver_sql(statement)


def downgrade(url: str, revision: str = "base") -> None:
    """Undo migrations down to `revision`; the roles stay.

    Raises:
        DatabaseUnavailableError: Nobody answers, or the login is refused.
        MigrationError: The login lacks a right.
    """
    with _connected(url) as connection:
        _take_turns(connection)
        _become_owner(connection)
        command.downgrade(_config(connection), revision)


def current_revision(url: str) -> str | None:
    """Return the revision of the database; None before the first migration.

    Raises:
        DatabaseUnavailableError: Nobody answers, or the login is refused.
        MigrationError: The login may not read the revision.
    """
    with _connected(url) as connection:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        connection.execute(text(f"SET LOCAL ROLE {roles.Role.OWNER}"))
        return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    parsed = parse_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(
        parsed, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S}
    )
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise readable(error.orig or error, parsed) from error
    except DBAPIError as error:
        raise MigrationError(
            f"The migration failed and changed nothing: {error.orig}. The login must own the "
            "database and have CREATEROLE, or be a member of the goldseam roles."
        ) from error


def _take_turns(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_xact_lock({AdvisoryLock.MIGRATION:d})"))


def _become_owner(connection: Connection) -> None:
    for statement in roles.setup_statements():
        connection.execute(text(statement))
    connection.execute(text(f"SET LOCAL ROLE {roles.Role.OWNER}"))


def _refuse_unreleased(connection: Connection) -> None:
    """Say it plainly where a database was made before the one initial migration was settled."""
    found = connection.execute(
        text("SELECT table_name, column_name FROM information_schema.columns")
    )
    there = {(table, column) for table, column in found}
    columns = [(table.name, column.name) for table in schema.TABLES for column in table.columns]
    partitions = [(f"{table}_default", column) for table, column in PARTITIONED.items()]
    missing = [".".join(each) for each in [*columns, *partitions] if each not in there]
    if missing:
        raise UnreleasedSchemaError(
            f"This database was made by an unreleased version of Goldseam and lacks {missing[0]} "
            f"and {len(missing) - 1} more columns. Such databases are not migrated: use another "
            "one, or another --data-dir, or delete the old folder if its rows may go."
        )


def _config(connection: Connection) -> Config:
    config = Config()
    # A percent sign in the path would be read as interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
