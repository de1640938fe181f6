"""`goldseam logs`: recent calls, the live tail, one call, one trace; asked from the API."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import typer

from goldseam.cli import shown
from goldseam.cli.failures import readable_errors
from goldseam.cli.options import DEFAULT_URL, AsJson, Key, Tenant, Url, api, print_json, printer

logs = typer.Typer(
    help="Stored calls: recent ones, as they come, one, a trace.", no_args_is_help=True
)

_INTERRUPTED: Final = 130

Status = Literal["pending", "success", "error", "cancelled", "abandoned"]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Calls at most.")]
Module = Annotated[str | None, typer.Option("--module", help="Part of the application.")]
Provider = Annotated[str | None, typer.Option("--provider", help="Provider that answered.")]
WithStatus = Annotated[Status | None, typer.Option("--status", help="How the call ended.")]
ErrorCode = Annotated[str | None, typer.Option("--error", help="Error code, as TIMEOUT.")]
Mended = Annotated[
    bool | None, typer.Option("--mended/--not-mended", help="Only calls that recovery mended.")
]


@logs.command()
def recent(
    *,
    limit: Limit = 20,
    module: Module = None,
    provider: Provider = None,
    status: WithStatus = None,
    error: ErrorCode = None,
    mended: Mended = None,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the latest calls, newest first."""
    with readable_errors():
        rows = api(url, key).get(
            "/logs/recent",
            limit=limit,
            module=module,
            provider=provider,
            status=status,
            error_code=error,
            recovered=None if mended is None else str(mended).lower(),
            tenant_id=tenant,
        )
    if as_json:
        print_json(rows)
    elif rows:
        printer().print(shown.calls(rows))
    else:
        printer().print("No calls here. `goldseam doctor` says why that may be.", style="dim")


@logs.command()
def tail(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as calls come.")] = False,
    limit: Limit = 10,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Print the latest calls, newest last; with -f also those to come, as lines."""
    asked = api(url, key)

    def show(row: dict[str, Any]) -> None:
        if as_json:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            printer().print(shown.line(row), soft_wrap=True)

    with readable_errors(), _until_interrupted():
        rows = asked.get("/logs/recent", limit=limit, tenant_id=tenant)
        for row in reversed(rows):
            show(row)
        if follow:  # from the latest that is shown on, so that none is missed in between
            written = max((row["updated_at"] for row in rows), default=None)
            for row in asked.events("/logs/stream", after=written, tenant_id=tenant):
                show(row)


@logs.command()
def show(
    *,
    call_id: Annotated[str, typer.Argument(metavar="ID", help="Row id, or the caller's own.")],
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show one call with its recovery steps."""
    with readable_errors():
        found = api(url, key).get(f"/logs/{_part(call_id)}", tenant_id=tenant)
    if as_json:
        print_json(found)
    else:
        printer().print(shown.call(found))


@logs.command()
def trace(
    *,
    trace_id: Annotated[str, typer.Argument(help="32 hex digits.")],
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a trace as a waterfall: requests, attempts, and what mended them."""
    with readable_errors():
        found = api(url, key).get(f"/logs/trace/{_part(trace_id)}", tenant_id=tenant)
    if as_json:
        print_json(found)
    else:
        printer().print(shown.waterfall(found))


def _part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


@contextlib.contextmanager
def _until_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
