"""Servers with the API and the page: over a day of calls, over nothing, and with keys.

The day is stored once; each server has a copy of that database.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest

from goldseam.api import ApiSettings, create_app
from goldseam.cli import serve
from goldseam.grafana import ui
from goldseam.storage import engine, keys, writes
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.roles import ALL_TENANTS, Role

from .day import batch

MakeKey = Callable[..., str]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """A running server: its address without a trailing slash, and its database."""

    url: str
    database: str


@contextmanager
def copy_of(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """Yield the URL of a copy of a database that nobody is connected to."""
    name = f"page_{next(_numbers)}"
    run_as_superuser(
        postgres, f"CREATE DATABASE {name} OWNER goldseam TEMPLATE {template} STRATEGY FILE_COPY"
    )
    yield postgres._url("goldseam", name)
    run_as_superuser(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def run_as_superuser(postgres: EmbeddedPostgres, statement: str) -> None:
    """Run it over a connection of its own: between two, a test may have restarted the server."""
    with psycopg.connect(postgres._url("postgres", "postgres"), autocommit=True) as superuser:
        superuser.execute(statement.encode())


@contextmanager
def serving(postgres: EmbeddedPostgres, template: str) -> Iterator[Site]:
    """Run a server over a copy of a database."""
    with copy_of(postgres, template) as database:
        # A busy machine is no fault of the page.
        settings = ApiSettings(database_url=database, api_statement_timeout_s=20)
        app = create_app(settings)
        ui.install(app)
        service = serve.Service("api", app, serve.listen("127.0.0.1", 0, port_flag="--api-port"))
        with serve.running([service]):
            yield Site(service.url, database)


@pytest.fixture(scope="session")
def day_template(postgres: EmbeddedPostgres, migrated_template: str) -> str:
    """The name of a database that holds a day of calls; nobody connects to it."""
    run_as_superuser(postgres, f"CREATE DATABASE a_day OWNER goldseam TEMPLATE {migrated_template}")
    now = datetime.now(UTC)
    with engine.connect(postgres._url("goldseam", "a_day"), Role.WRITER) as connection:
        writes.write(connection, batch(now), now)
    return "a_day"


@pytest.fixture(scope="session")
def site(postgres: EmbeddedPostgres, day_template: str) -> Iterator[Site]:
    """An open server over a day of calls, for tests that change nothing."""
    with serving(postgres, day_template) as running:
        yield running


@pytest.fixture(scope="session")
def empty_site(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[Site]:
    """An open server over an empty database, for tests that change nothing."""
    with serving(postgres, migrated_template) as running:
        yield running


@pytest.fixture(scope="session")
def keyed_site(postgres: EmbeddedPostgres, day_template: str) -> Iterator[Site]:
    """A server over a day of calls that asks for keys."""
    with serving(postgres, day_template) as running:
        key_for(running, "acme", "playbook:read")
        yield running


@pytest.fixture
def own_site(postgres: EmbeddedPostgres, day_template: str) -> Iterator[Site]:
    """An open server over a day of calls, for a test that changes something."""
    with serving(postgres, day_template) as running:
        yield running


@pytest.fixture(scope="session")
def make_key(keyed_site: Site) -> MakeKey:
    """Make a key of `keyed_site` for a tenant and scopes, by default those that the page needs."""
    reading = ("logs:read", "stats:read", "errors:read")
    return lambda tenant, *scopes: key_for(keyed_site, tenant, *(scopes or reading))


def key_for(site: Site, tenant: str, *scopes: str) -> str:
    """Make a key and return its text."""

    async def create() -> str:
        api = engine.async_engine(site.database, Role.API, pool_size=1)
        async with engine.tenant_transaction(api, ALL_TENANTS) as connection:
            made = await keys.create(
                connection,
                tenant=tenant,
                scopes=[keys.Scope(scope) for scope in scopes],
                created_by="test",
                now=datetime.now(UTC),
            )
        await api.dispose()
        return made

    with ThreadPoolExecutor(1) as elsewhere:  # a browser's driver has a loop in this thread
        return elsewhere.submit(lambda: asyncio.run(create())).result()
