"""`goldseam keys`: create, list and revoke keys; and the first key, made by `goldseam db upgrade`.

With a database URL it writes there, as whoever runs the server does; without one it asks the API,
with an admin's key. A key's text goes to standard output once and is nowhere kept.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from goldseam.cli.failures import readable_errors
from goldseam.cli.options import DEFAULT_URL, AsJson, Url, api, print_json, printer
from goldseam.cli.options import Key as ApiKey

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from goldseam.storage.keys import Key, Scope

T = TypeVar("T")

keys = typer.Typer(help="API and ingest keys: create, list, revoke.", no_args_is_help=True)

_ACTOR: Final = "command line"
_console = Console(stderr=True)

_Database = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="GOLDSEAM_DATABASE_URL",
        help="PostgreSQL to use; without it, the API is asked.",
        show_default=False,
    ),
]


@keys.command()
def create(
    *,
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
    database_url: _Database = None,
    url: Url = DEFAULT_URL,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it; it is shown this once."""
    scopes = _scopes(scope)
    with readable_errors():
        if database_url is None:
            wanted = {"scopes": scopes, "tenant_id": tenant, "label": label, "environment": env}
            body = wanted | {"expires_days": expires_days}
            text = api(url, key).send("POST", "/keys", body=body)["key"]
        else:
            text = _create(
                database_url,
                tenant=tenant,
                scopes=scopes,
                environment=env,
                label=label,
                lasting=timedelta(days=expires_days) if expires_days else None,
            )
    if as_json:
        print_json({"key_id": text.split("_")[2], "key": text})
    else:
        sys.stdout.write(f"{text}\n")


@keys.command(name="list")
def list_keys(
    *,
    database_url: _Database = None,
    url: Url = DEFAULT_URL,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List keys by their id; secrets are not stored."""
    from goldseam.storage import keys as stored

    with readable_errors():
        if database_url is None:
            found: list[dict[str, Any]] = api(url, key).get("/keys")
        else:
            found = [_plain(each) for each in _ask(database_url, stored.stored)]
    if as_json:
        print_json(found)
        return
    if not found:
        printer().print("There are no keys: the API is open on loopback.", style="dim")
        return
    names = ("tenant", "scopes", "label", "created", "last used", "state")
    table = Table(Column("id", no_wrap=True), *names, box=None, header_style="dim")
    for each in found:
        table.add_row(
            each["key_id"],
            each["tenant_id"],
            " ".join(each["scopes"]),
            each["label"] or "",
            each["created_at"][:10],
            f"{each['last_used_at'][:13].replace('T', ' ')}:00"
            if each["last_used_at"]
            else "never",
            _state(each),
        )
    printer().print(table)


@keys.command()
def revoke(
    *,
    key_id: Annotated[str, typer.Argument(help="Its id.")],
    database_url: _Database = None,
    url: Url = DEFAULT_URL,
    key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a key from now on; servers notice within seconds."""
    with readable_errors():
        if database_url is None:
            found = api(url, key).send("DELETE", f"/keys/{key_id}")
        else:
            found = {"key_id": key_id}
            if not _revoke(database_url, key_id):
                _fail(f"No key {key_id} is in force; `goldseam keys list` shows those there are.")
    if as_json:
        print_json(found)
    _console.print(f"Key {key_id} is revoked.")


def exist(database_url: str) -> bool:
    """Tell whether there is any key."""
    from goldseam.storage import keys as stored

    return _ask(database_url, stored.exist)


@contextlib.contextmanager
def passing(database_url: str) -> Iterator[str | None]:
    """Yield an admin key that ends with the block, None where the server asks for none."""
    from goldseam.storage.keys import Scope

    if not exist(database_url):
        yield None
        return
    text = _create(
        database_url, tenant="*", scopes=[Scope.ADMIN], label="demo", lasting=timedelta(days=1)
    )
    try:
        yield text
    finally:
        _revoke(database_url, text.split("_")[2])


def create_first(database_url: str, key_file: Path | None) -> None:
    """Make the first admin key of a server that never had one.

    Args:
        database_url: A migrated database.
        key_file: Where to write it, readable by its owner only; None prints it.
    """
    from goldseam.storage.keys import Scope

    if exist(database_url):
        return
    key = _create(database_url, tenant="*", scopes=[Scope.ADMIN], label="first key")
    if key_file is None:
        _console.print("The first key, for administration; it is shown this once:")
        sys.stdout.write(f"{key}\n")
        return
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    _console.print(f"The first key, for administration, is in {key_file}.")


def _create(
    database_url: str,
    *,
    tenant: str,
    scopes: list["Scope"],
    label: str | None,
    environment: str = "live",
    lasting: timedelta | None = None,
) -> str:
    from goldseam.storage import keys as stored

    now = datetime.now(UTC)

    async def make(connection: "AsyncConnection") -> str:
        return await stored.create(
            connection,
            tenant=tenant,
            scopes=scopes,
            created_by=_ACTOR,
            now=now,
            environment=environment,
            label=label,
            expires_at=now + lasting if lasting else None,
        )

    return _ask(database_url, make)


def _revoke(database_url: str, key_id: str) -> bool:
    from goldseam.storage import keys as stored

    async def stop(connection: "AsyncConnection") -> bool:
        return await stored.revoke(connection, key_id, actor=_ACTOR, now=datetime.now(UTC))

    return _ask(database_url, stop)


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


def _plain(key: "Key") -> dict[str, Any]:
    """Return a key as the API shows it."""
    found = asdict(key)
    del found["secret_sha256"]
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in found.items()
    }


def _scopes(names: list[str]) -> list["Scope"]:
    from goldseam.storage.keys import Scope

    wanted = [name for text in names for name in text.split()]
    if unknown := [name for name in wanted if name not in set(Scope)]:
        _fail(f"There is no scope {unknown[0]!r}; there are {', '.join(Scope)}.")
    return [Scope(name) for name in wanted]


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at'][:10]}"
    if key["expires_at"]:
        is_over = datetime.fromisoformat(key["expires_at"]) <= datetime.now(UTC)
        return f"{'ended' if is_over else 'ends'} {key['expires_at'][:10]}"
    return "in force"


def _fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"goldseam: {sentence}\n")
    raise typer.Exit(1)
