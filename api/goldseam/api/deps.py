"""What every route needs: who calls, whether they may, and a connection that sees only theirs."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.api.auth import Caller, Forbidden
from goldseam.api.guards import LOOPBACK_NAMES, is_loopback, without_port
from goldseam.api.parameters import NO_NUL, TEXT_MAX
from goldseam.api.problems import Invalid
from goldseam.api.services import services
from goldseam.storage import engine as storage_engine
from goldseam.storage.keys import Scope
from goldseam.storage.roles import ALL_TENANTS

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    bearerFormat="gs_<env>_<id>_<secret>",
    description="A key of `goldseam keys`. A server without keys is open on loopback.",
)


async def caller(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Return who calls, and take the request from their rate."""
    here = services(request)
    presented = None if credentials is None else credentials.credentials
    found = await here.keys.caller(presented, is_local=_is_local(request))
    request.state.allowance = here.limiter.take(found.actor)
    return found


def _is_local(request: Request) -> bool:
    """Tell whether the request comes from this machine, and not through a proxy or a page."""
    try:
        comes_from_here = request.client is not None and is_loopback(request.client.host)
    except ValueError:
        return False
    return comes_from_here and without_port(request.headers.get("host", "")) in LOOPBACK_NAMES


CallerOf = Annotated[Caller, Depends(caller)]


def needs(scope: Scope) -> Any:
    """Return a dependency that refuses callers whose key is not for `scope`, then odd questions."""

    async def check(request: Request, caller: CallerOf) -> None:
        if not caller.may(scope):
            raise Forbidden(f"This key is not for {scope}; create one with `goldseam keys create`.")
        if caller.tenant == ALL_TENANTS and not caller.is_admin:
            raise Forbidden("This key belongs to no tenant and may only write.")
        _refuse_unknown_parameters(request)

    return Depends(check)


def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse a parameter that the route does not take: a typo would widen what is asked for.

    Only where the application is ours, which has settings in its state: another one may have
    parameters of its own, as the pages have that no description of the API names.
    """
    route = request.scope["route"]
    if not (route.include_in_schema and hasattr(request.app.state, "goldseam_settings")):
        return
    unknown = sorted(request.query_params.keys() - route.query_names)
    if unknown:
        there = ", ".join(sorted(route.query_names)) or "none"
        raise Invalid(unknown[0], f"is not taken here; there are: {there}", place="query")


async def tenant(
    caller: CallerOf,
    tenant_id: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=TEXT_MAX,
            pattern=NO_NUL,
            description="Only this tenant's; needs the scope admin, all other keys have their own",
        ),
    ] = None,
) -> str:
    """Return the tenant that the answer is about, `*` for all."""
    if tenant_id is None:
        return caller.tenant
    if not caller.is_admin:
        raise Forbidden("`tenant_id` needs a key with scope admin; this key has its own tenant.")
    return tenant_id


Tenant = Annotated[str, Depends(tenant)]


async def connection(request: Request, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
    """Yield a connection inside a transaction that sees `tenant`."""
    async with storage_engine.tenant_transaction(services(request).engine, tenant) as opened:
        yield opened


Connection = Annotated[AsyncConnection, Depends(connection, scope="function")]
"""Committed and given back before the answer is sent, so that a slow reader keeps none."""


async def own_connection(request: Request, caller: CallerOf) -> AsyncIterator[AsyncConnection]:
    """Yield a connection inside a transaction that sees all that the caller may see."""
    async with storage_engine.tenant_transaction(services(request).engine, caller.tenant) as opened:
        yield opened


OwnConnection = Annotated[AsyncConnection, Depends(own_connection, scope="function")]


async def stream_slot(request: Request, caller: CallerOf) -> AsyncIterator[None]:
    """Hold a place among the answers that take long, until this one has been sent."""
    with services(request).streams.held(caller.actor):
        yield


StreamSlot = Depends(stream_slot, scope="request")
