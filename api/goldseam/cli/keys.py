"""`goldseam keys`: create, list and revoke keys; and the first key, made by `goldseam db upgrade`.

A key's text goes to standard output once and is nowhere kept.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from goldseam.storage.keys import Key, Scope

T = TypeVar("T")

keys = typer.Typer(help="API and ingest keys: create, list, revoke.", no_args_is_help=True)

_ACTOR: Final = "command line"
_console = Console(stderr=True)

_Url = Annotated[
    str,
    typer.Option("--database-url", envvar="GOLDSEAM_DATABASE_URL", help="PostgreSQL to use."),
]


@keys.command()
def create(
    *,
    database_url: _Url,
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it is for; several: logs:read stats:read errors:read errors:write "
            "logs:delete playbook:read ingest:write admin."
        ),
    ],
    tenant: Annotated[str, typer.Option(help="For whom; * for all, as admin keys are.")] = "*",
    label: Annotated[str | None, typer.Option(help="What it is for, in your words.")] = None,
    env: Annotated[str, typer.Option(help="Written into the key: live, test, …")] = "live",
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days until it ends.")] = None,
) -> None:
    """Create a key and print it; it is shown this once."""
    from goldseam.storage import keys as stored

    now, scopes = datetime.now(UTC), _scopes(scope)

    async def make(connection: "AsyncConnection") -> str:
        return await stored.create(
            connection,
            tenant=tenant,
            scopes=scopes,
            created_by=_ACTOR,
            now=now,
            environment=env,
            label=label,
            expires_at=now + timedelta(days=expires_days) if expires_days else None,
        )

    sys.stdout.write(f"{_ask(database_url, make)}\n")


@keys.command(name="list")
def list_keys(*, database_url: _Url) -> None:
    """List keys by their id; secrets are not stored."""
    from goldseam.storage import keys as stored

    table = Table(
        Column("id", no_wrap=True), "tenant", "scopes", "label", "created", "last used", "state"
    )
    for key in _ask(database_url, stored.stored):
        table.add_row(
            key.key_id,
            key.tenant_id,
            " ".join(key.scopes),
            key.label or "",
            f"{key.created_at:%Y-%m-%d}",
            f"{key.last_used_at:%Y-%m-%d %H:00}" if key.last_used_at else "never",
            _state(key),
        )
    Console().print(table)


@keys.command()
def revoke(*, database_url: _Url, key_id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Refuse a key from now on; servers notice within seconds."""
    from goldseam.storage import keys as stored

    async def stop(connection: "AsyncConnection") -> bool:
        return await stored.revoke(connection, key_id, actor=_ACTOR, now=datetime.now(UTC))

    if not _ask(database_url, stop):
        _fail(f"No key {key_id} is in force; `goldseam keys list` shows those there are.")
    _console.print(f"Key {key_id} is revoked.")


def exist(database_url: str) -> bool:
    """Tell whether there is any key."""
    from goldseam.storage import keys as stored

    return _ask(database_url, stored.exist)


def create_first(database_url: str, key_file: Path | None) -> None:
    """Make the first admin key of a server that never had one.

    Args:
        database_url: A migrated database.
        key_file: Where to write it, readable by its owner only; None prints it.
    """
    from goldseam.storage import keys as stored

    async def make(connection: "AsyncConnection") -> str | None:
        if await stored.exist(connection):
            return None
        return await stored.create(
            connection,
            tenant="*",
            scopes=[stored.Scope.ADMIN],
            created_by=_ACTOR,
            now=datetime.now(UTC),
            label="first key",
        )

    key = _ask(database_url, make)
    if key is None:
        return
    if key_file is None:
        _console.print("The first key, for administration; it is shown this once:")
        sys.stdout.write(f"{key}\n")
        return
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    _console.print(f"The first key, for administration, is in {key_file}.")


def _ask(database_url: str, question: Callable[["AsyncConnection"], Awaitable[T]]) -> T:
    """Return what `question` gives, as the API's role for all tenants; or end with a sentence."""
    from goldseam.storage.engine import async_engine, tenant_transaction
    from goldseam.storage.errors import StorageError
    from goldseam.storage.roles import ALL_TENANTS, Role

    async def run() -> T:
        engine = async_engine(database_url, Role.API, pool_size=1)
        try:
            async with tenant_transaction(engine, ALL_TENANTS) as connection:
                return await question(connection)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except StorageError as error:
        _fail(str(error))


def _scopes(names: list[str]) -> list["Scope"]:
    from goldseam.storage.keys import Scope

    wanted = [name for text in names for name in text.split()]
    if unknown := [name for name in wanted if name not in set(Scope)]:
        _fail(f"There is no scope {unknown[0]!r}; there are {', '.join(Scope)}.")
    return [Scope(name) for name in wanted]


def _state(key: "Key") -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is not None:
        verb = "ends" if key.is_valid(datetime.now(UTC)) else "ended"
        return f"{verb} {key.expires_at:%Y-%m-%d}"
    return "in force"


def _fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"goldseam: {sentence}\n")
    raise typer.Exit(1)
