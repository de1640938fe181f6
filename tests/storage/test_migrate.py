"""Migrations make what the models say, once, from any state."""

# ruff: noqa: S608 - every name is from this file
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from goldseam.storage import Role, migrate, schema
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.engine import connect, parse_url
from goldseam.storage.errors import DatabaseUnavailableError, MigrationError
from goldseam.storage.models import Base

EVERYTHING = """
    SELECT c.relname, c.relkind, c.relrowsecurity, a.attname, a.atttypid::regtype::text,
        pg_get_viewdef(CASE WHEN c.relkind = 'v' THEN c.oid END)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'reporting'))
    ORDER BY 1, 4
"""


def test_models_and_migrated_catalogue_agree(database: str) -> None:
    """Alembic finds no difference between the models and a migrated database."""
    engine = create_engine(parse_url(database).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        partitions = set(
            connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition"))
        )
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _parents: kind != "table" or name not in partitions,
        }
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert differences == []


@pytest.mark.parametrize("table", ["goldseam_keys", "ai_stats_slow_hour_default"])
def test_database_of_an_unreleased_version_is_refused(database: str, table: str) -> None:
    """The error says what is missing and what to do; the database stays as it was."""
    with psycopg.connect(database) as connection:
        connection.execute(f"SET ROLE {Role.OWNER}")
        connection.execute(f"DROP TABLE {table}")

    with pytest.raises(MigrationError, match=rf"lacks {table}\.\w+ .*another --data-dir"):
        migrate.upgrade(database)


def catalogue(url: str) -> list[list[tuple[object, ...]]]:
    """Return all that the schema is made of."""
    schemas = "(SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'reporting'))"
    questions = (
        EVERYTHING,
        f"""SELECT c.relname, a.attname, a.attnotnull, col_description(c.oid, a.attnum),
            obj_description(c.oid), pg_get_expr(d.adbin, d.adrelid), c.reloptions::text
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
        WHERE c.relnamespace IN {schemas} ORDER BY 1, 2""",
        f"""SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace IN {schemas} ORDER BY 1, 2""",
        f"""SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace IN {schemas} ORDER BY 1, 2""",
        "SELECT * FROM pg_policies ORDER BY schemaname, tablename, policyname",
        f"""SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text,
            relowner::regrole::text FROM pg_class WHERE relnamespace IN {schemas} ORDER BY 1""",
        f"""SELECT attrelid::regclass::text, attname, attacl::text FROM pg_attribute
        JOIN pg_class AS c ON c.oid = attrelid AND c.relnamespace IN {schemas}
        WHERE attacl IS NOT NULL ORDER BY 1, 2""",
    )
    with psycopg.connect(url) as connection:
        return [sorted(connection.execute(question).fetchall(), key=str) for question in questions]


def test_three_ways_make_the_same_tables(
    postgres: EmbeddedPostgres, database: str, empty_database: str
) -> None:
    """Alembic, the SQL file and `create_tables` leave equal catalogues, at the same revision."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(schema.sql_file().encode())
    by_file = catalogue(empty_database)
    revision = migrate.current_revision(empty_database)
    migrate.downgrade(empty_database)
    with connect(empty_database, Role.OWNER) as connection:
        connection.execute("DROP TABLE alembic_version")
    migrate.create_tables(empty_database)

    assert by_file == catalogue(database)
    assert catalogue(empty_database) == by_file
    assert revision == migrate.current_revision(empty_database) == "0001"
    assert all(len(part) > 5 for part in by_file)


def test_the_checked_in_sql_file_is_the_schema() -> None:
    """`goldseam db sql > storage/ai_logging_tables.sql` would change nothing."""
    checked_in = Path(__file__).parents[2] / "storage" / "ai_logging_tables.sql"

    assert checked_in.read_text() == schema.sql_file()


def test_every_column_is_explained_in_the_database(database: str) -> None:
    """Each table and each column carries its comment."""
    with connect(database, Role.OWNER) as connection:
        bare = connection.execute(
            "SELECT c.relname, a.attname FROM pg_class AS c"
            " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0"
            " WHERE c.relkind IN ('r', 'p', 'v') AND c.relname <> 'alembic_version'"
            " AND c.relnamespace IN ('public'::regnamespace, 'reporting'::regnamespace)"
            " AND NOT c.relispartition AND col_description(c.oid, a.attnum) IS NULL"
        ).fetchall()

    assert bare == []


def test_upgrading_again_changes_nothing(database: str) -> None:
    """A second upgrade leaves the catalogue as it is."""
    with psycopg.connect(database) as connection:
        before = connection.execute(EVERYTHING).fetchall()

    migrate.upgrade(database)

    with psycopg.connect(database) as connection:
        assert connection.execute(EVERYTHING).fetchall() == before
    assert len(before) > 100


def test_downgrade_leaves_nothing_behind_but_the_version_table(database: str) -> None:
    """After a downgrade to the base the same database can be migrated again."""
    migrate.downgrade(database)
    with psycopg.connect(database) as connection:
        left = {row[0] for row in connection.execute(EVERYTHING)}

    assert left <= {"alembic_version", "alembic_version_pkc"}
    assert migrate.current_revision(database) is None
    migrate.upgrade(database)
    assert migrate.current_revision(database) == "0001"


def test_an_unmigrated_database_has_no_revision(empty_database: str) -> None:
    """Asking for the revision needs neither tables nor roles in the database."""
    assert migrate.current_revision(empty_database) is None


def test_two_processes_may_migrate_at_once(empty_database: str) -> None:
    """One migrates, the other waits and finds it done."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(migrate.upgrade, empty_database) for _ in range(2)]:
            done.result(timeout=30)

    assert migrate.current_revision(empty_database) == "0001"


def test_a_login_without_rights_is_told_what_it_needs(
    postgres: EmbeddedPostgres, empty_database: str
) -> None:
    """A login that may not create tables gets an error with the rights to give it."""
    with psycopg.connect(postgres._url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE powerless LOGIN")
        try:
            url = empty_database.replace("//goldseam@", "//powerless@")
            with pytest.raises(MigrationError, match="must own the database and have CREATEROLE"):
                migrate.upgrade(url)
        finally:
            connection.execute("DROP ROLE powerless")


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    """The error says which address failed and keeps the password to itself."""
    with pytest.raises(DatabaseUnavailableError) as caught:
        migrate.upgrade("postgresql://someone:hunter2@127.0.0.1:1/goldseam")

    assert "127.0.0.1:1/goldseam" in str(caught.value)
    assert "hunter2" not in str(caught.value)
