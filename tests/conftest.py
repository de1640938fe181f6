"""Fixtures that several test folders share.

`database` is a migrated, empty PostgreSQL database of its own for each test. It is in the embedded
server, or, with `GOLDSEAM_TEST_POSTGRES_URL`, in the server of that superuser's URL (`make
test-postgres`). Server-side packages are imported inside the fixtures, because the application's
tests also run where none is installed.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from goldseam.storage.embedded import EmbeddedPostgres

_TEMPLATE = "goldseam_template"
_GIVEN = "GOLDSEAM_TEST_POSTGRES_URL"
_numbers = itertools.count(1)


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, as the server side does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spare each client the system's certificates: reading them takes longer than most tests.

    Every server is on loopback; those that speak TLS have an authority of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """Give a folder whose path leaves room for a socket's name.

    Not below pytest's own folder: a second pytest closes that one to other users, and as root the
    server runs as another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="goldseam-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class GivenPostgres:
    """A server that somebody else runs, with the addresses that tests ask of the embedded one."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import make_url  # noqa: PLC0415 - server side

        self._parsed = make_url(url)

    def _url(self, login: str, database: str) -> str:
        given = self._parsed.set(username=login, database=database)
        return given.render_as_string(hide_password=False)

    def start(self) -> None:
        """It runs."""


@pytest.fixture(scope="session")
def postgres(short_folder: Path) -> Iterator["EmbeddedPostgres | GivenPostgres"]:
    """Run one PostgreSQL server for all tests of the session, or use the one that is named."""
    from goldseam.storage.embedded import EmbeddedPostgres  # noqa: PLC0415 - server side

    if given := os.environ.get(_GIVEN):
        theirs = GivenPostgres(given)
        _run_as_superuser(theirs, f"DROP DATABASE IF EXISTS {_TEMPLATE}")
        _run_as_superuser(
            theirs,
            "DO $$ BEGIN CREATE ROLE goldseam LOGIN CREATEROLE;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        )
        yield theirs
        return
    with EmbeddedPostgres(short_folder / "shared") as server:
        # Databases are then created ten times as fast. Rows still survive a killed server; only
        # the machine must not lose power during the tests.
        for setting in ("fsync", "full_page_writes"):
            _run_as_superuser(server, f"ALTER SYSTEM SET {setting} = off")
        _run_as_superuser(server, "SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: "EmbeddedPostgres | GivenPostgres") -> str:
    """Give the name of a migrated database that nobody connects to."""
    from goldseam.storage import migrate  # noqa: PLC0415 - server side

    _run_as_superuser(postgres, f"CREATE DATABASE {_TEMPLATE} OWNER goldseam")
    migrate.upgrade(postgres._url("goldseam", _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database(postgres: "EmbeddedPostgres | GivenPostgres", migrated_template: str) -> Iterator[str]:
    """Give the URL of a migrated, empty database, dropped when the test is over."""
    with _database(postgres, f"TEMPLATE {migrated_template} STRATEGY FILE_COPY") as url:
        yield url


@pytest.fixture
def empty_database(postgres: "EmbeddedPostgres | GivenPostgres") -> Iterator[str]:
    """Give the URL of a database that was never migrated."""
    with _database(postgres, "TEMPLATE template1") as url:
        yield url


@contextmanager
def _database(postgres: "EmbeddedPostgres | GivenPostgres", options: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _run_as_superuser(postgres, f"CREATE DATABASE {name} OWNER goldseam {options}")
    yield postgres._url("goldseam", name)
    _run_as_superuser(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def _run_as_superuser(postgres: "EmbeddedPostgres | GivenPostgres", statement: str) -> None:
    import psycopg  # noqa: PLC0415 - server side

    url = postgres._url("postgres", "postgres")
    try:
        connection = psycopg.connect(url, autocommit=True)
    except psycopg.OperationalError:  # a test has stopped the server
        postgres.start()
        connection = psycopg.connect(url, autocommit=True)
    with connection:
        connection.execute(statement)
