"""`goldseam errors` and `goldseam fix`: what fails, what helps, and switching it on."""

from typing import Annotated, Literal
from urllib.parse import quote

import typer

from goldseam.cli import shown
from goldseam.cli.client import LogApi
from goldseam.cli.failures import readable_errors
from goldseam.cli.options import (
    DEFAULT_URL,
    AsJson,
    Hours,
    Key,
    Tenant,
    Url,
    api,
    print_json,
    printer,
)

Resolution = Literal["open", "resolved", "wontfix"]


def errors(
    *,
    pattern_id: Annotated[
        str | None, typer.Argument(help="One pattern; without it, the most frequent ones.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 10,
    hours: Hours = 24,
    set_status: Annotated[
        Resolution | None, typer.Option("--set", help="Where work on the pattern stands.")
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Switch the pattern's correction off.")
    ] = False,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List error patterns, the most frequent first; or show or change one."""
    asked = api(url, key)
    with readable_errors():
        if pattern_id is None:
            if set_status or off:
                raise typer.BadParameter("name the pattern: goldseam errors PATTERN_ID --set …")
            rows = asked.get("/logs/errors/top", limit=limit, hours=hours, tenant_id=tenant)
        else:
            found = _changed(asked, pattern_id, set_status, tenant, off=off)
    if pattern_id is not None:
        print_json(found) if as_json else printer().print(shown.pattern(found))
    elif as_json:
        print_json(rows)
    elif rows:
        printer().print(shown.errors(rows))
    else:
        printer().print(f"No errors in the last {hours} hours.", style="dim")


def fix(
    *,
    code: Annotated[str, typer.Argument(help="Error code, as TIMEOUT; UNKNOWN with a message.")],
    message: Annotated[str, typer.Argument(help="The provider's words, to narrow it.")] = "",
    hours: Hours = 168,
    apply: Annotated[
        int | None, typer.Option("--apply", min=1, help="Switch on the action of this number.")
    ] = None,
    tenant: Tenant = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Say what to do about an error, by what has worked here; --apply switches it on."""
    asked = api(url, key)
    with readable_errors():
        found = asked.send(
            "POST",
            f"/logs/errors/{quote(code, safe='')}/fix",
            error_message=message or None,
            hours=hours,
            tenant_id=tenant,
        )
        if apply is not None:
            if apply > len(found["actions"]):
                raise typer.BadParameter(
                    f"there are {len(found['actions'])} actions; `goldseam fix {code}` lists them",
                    param_hint="--apply",
                )
            action = found["actions"][apply - 1]
            path = f"/errors/{action['pattern_id']}"
            found = asked.send("PATCH", path, body=action["config_patch"], tenant_id=tenant)
    if as_json:
        print_json(found)
    elif apply is not None:
        printer().print(shown.pattern(found))
        printer().print(
            "Applications take it up with their next poll of the playbook.", style="dim"
        )
    else:
        printer().print(shown.fix(found))


def _changed(
    asked: LogApi, pattern_id: str, status: Resolution | None, tenant: str | None, *, off: bool
) -> dict[str, object]:
    """Return a pattern, changed where that is asked for."""
    body = ({"resolution_status": status} if status else {}) | (
        {"auto_correction_enabled": False} if off else {}
    )
    path = f"/errors/{quote(pattern_id, safe='')}"
    answer: dict[str, object] = (
        asked.send("PATCH", path, body=body, tenant_id=tenant)
        if body
        else asked.get(path, tenant_id=tenant)
    )
    return answer
