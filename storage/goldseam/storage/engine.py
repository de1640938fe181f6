"""Connections to PostgreSQL, each in one role.

The collector opens one psycopg connection with `connect`, the API a pool with `async_engine` and a
transaction per question with `tenant_transaction`. Failures to connect come out as `StorageError`
with the server's address and what to do, never with a password.
"""

import select
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.types.json import set_json_dumps
from pydantic import TypeAdapter
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from goldseam.storage.errors import DatabaseUnavailableError, NotMigratedError, StorageError
from goldseam.storage.roles import ALL_TENANTS, Role

CONNECT_TIMEOUT_S: Final = 10
"""As long as a stock OTLP exporter waits for an answer; later help comes too late."""

POOL_SIZE: Final = 5
"""Sessions of one API process; PostgreSQL allows 100 in all as it comes."""

_BEGIN: Final = "BEGIN; SELECT set_config('goldseam.tenant', %s, true)"
"""One round trip; the setting ends with the transaction."""

TENANT_OPTION: Final = "goldseam_tenant"
"""Execution option by which `queries` finds the tenant of a transaction."""

_KEEPALIVE: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""A host that vanished is noticed within 25 s; otherwise the system takes many minutes."""

_json: Final = TypeAdapter(Any).dump_json
"""JSON takes half of the time in which rows are packed; this writes it three times as fast as the
standard library."""

_SCHEMES: Final = {"postgresql", "postgres", "postgresql+psycopg"}


def connect(
    url: str, role: Role | None, *, statement_timeout_s: float | None = None
) -> psycopg.Connection:
    """Open a connection that acts as `role`.

    Args:
        url: `postgresql://` or `postgresql+psycopg://`.
        role: None keeps the login itself, as migrations do.
        statement_timeout_s: Seconds after which the server stops a statement, or a transaction
            that nothing is asked in; None: its default.

    Raises:
        DatabaseUnavailableError: Nobody answers, or the login is refused.
        NotMigratedError: The role does not exist, or the login may not become it.
    """
    parsed = parse_url(url)
    conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        # The server hears nothing of a client that vanished, and its locks would stay.
        limits = _timeouts(
            statement_timeout_s, "statement_timeout", "idle_in_transaction_session_timeout"
        )
        connection = psycopg.connect(conninfo, **_connect_arguments(parsed, role, limits))
    except psycopg.OperationalError as error:
        raise readable(error, parsed) from error
    set_json_dumps(_json, connection)
    # `writes` counts on each statement seeing what was committed before it.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


def async_engine(
    url: str,
    role: Role,
    *,
    statement_timeout_s: float | None = None,
    pool_size: int = POOL_SIZE,
    pool_wait_s: float = CONNECT_TIMEOUT_S,
) -> AsyncEngine:
    """Return an engine whose sessions act as `role`; it connects when first used.

    Args:
        url: `postgresql://` or `postgresql+psycopg://`.
        role: Role of every session.
        statement_timeout_s: Seconds after which the server stops a statement; None: its default.
        pool_size: Most sessions at a time.
        pool_wait_s: Seconds to wait for one of them; then SQLAlchemy's `TimeoutError`.
    """
    parsed = parse_url(url)
    settings = _timeouts(statement_timeout_s, "statement_timeout")
    # A plan for any window takes it for short, and reads a month one call after another.
    settings["plan_cache_mode"] = "force_custom_plan"
    engine = create_async_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args={
            **_connect_arguments(parsed, role, settings),
            "cursor_factory": psycopg.AsyncRawCursor,
        },
        # As PostgreSQL counts them: psycopg would read a long text anew each time for its own.
        paramstyle="numeric_dollar",
        isolation_level="AUTOCOMMIT",  # `tenant_transaction` says when one begins
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # an error's text may come into a log
        pool_timeout=pool_wait_s,
    )
    event.listen(engine.sync_engine, "checkout", _leave_ended)
    return engine


def _leave_ended(connection: AdaptedConnection, *_: object) -> None:
    """Refuse a session that the server has ended: only then has an idle one something to read.

    So a restarted server costs no failed question, and no question waits for a ping.

    Raises:
        InvalidatePoolError: Caught by the pool, which connects anew.
    """
    line = select.poll()
    line.register(connection.driver_connection.fileno(), select.POLLIN)
    if line.poll(0):
        raise InvalidatePoolError


@asynccontextmanager
async def tenant_transaction(engine: AsyncEngine, tenant: str) -> AsyncIterator[AsyncConnection]:
    """Open a transaction that sees one tenant, or all with `roles.ALL_TENANTS`.

    It is committed at the end of the block and rolled back if the block raises.

    Raises:
        ValueError: `tenant` is empty.
        DatabaseUnavailableError: Nobody answers, or the login is refused.
        NotMigratedError: The role does not exist, or the login may not become it.
    """
    if not tenant:
        raise ValueError("A tenant is needed; roles.ALL_TENANTS stands for every tenant.")
    async with aclosing(await _open(engine)) as connection:
        session: Any = (await connection.get_raw_connection()).driver_connection
        try:
            await psycopg.AsyncClientCursor(session).execute(_BEGIN, [tenant])
        except psycopg.OperationalError as error:
            raise readable(error, engine.url) from error
        await connection.execution_options(**{TENANT_OPTION: tenant})
        yield connection
        await connection.commit()


def tenant_of(conn: AsyncConnection) -> str | None:
    """Return the one tenant that a transaction sees; None if it sees all."""
    options = conn.sync_connection.get_execution_options() if conn.sync_connection else {}
    tenant = options.get(TENANT_OPTION, ALL_TENANTS)
    return None if tenant == ALL_TENANTS else str(tenant)


async def _open(engine: AsyncEngine) -> AsyncConnection:
    try:
        return await engine.connect()
    except OperationalError as error:
        raise readable(error.orig or error, engine.url) from error


def parse_url(url: str) -> URL:
    """Return `url` parsed.

    Raises:
        StorageError: It is no PostgreSQL URL; the message does not repeat it, it may hold a
            password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in _SCHEMES:
        raise StorageError(
            "The database URL must look like postgresql://user:password@host:5432/goldseam."
        )
    return parsed


def readable(error: BaseException, url: URL) -> StorageError:
    """Return the `StorageError` that tells a reader what `error` on connecting to `url` means."""
    lines = [line.strip(" \t-") for line in str(error).splitlines() if line.strip()]
    # Where a name has several addresses, the first line only says that all of them failed.
    reason = next((line.rstrip(".") for line in lines if line[-1] != ":"), type(error).__name__)
    where = url.set(query={}, drivername="postgresql").render_as_string(hide_password=True)
    if any(f'role "{role}"' in str(error) for role in Role):
        return NotMigratedError(
            f"{where} is not set up for Goldseam ({reason}); run `goldseam db upgrade` with the "
            "same login."
        )
    return DatabaseUnavailableError(
        f"Cannot connect to {where}: {reason}. Check that PostgreSQL runs and that "
        "GOLDSEAM_DATABASE_URL is right."
    )


def _timeouts(timeout_s: float | None, *settings: str) -> dict[str, str]:
    return {} if timeout_s is None else dict.fromkeys(settings, str(int(timeout_s * 1000)))


def _connect_arguments(url: URL, role: Role | None, settings: dict[str, str]) -> dict[str, Any]:
    """Return how to connect, in a session that begins with the server's `settings`."""
    given = url.query.get("options", ())
    options = [given] if isinstance(given, str) else list(given)
    if role is not None:
        # Compiling takes longer than any of our statements gains by it.
        settings = {"role": role, "jit": "off", **settings}
    return {
        "options": " ".join([*options, *(f"-c {name}={settings[name]}" for name in settings)]),
        "connect_timeout": CONNECT_TIMEOUT_S,
        **_KEEPALIVE,
    }
