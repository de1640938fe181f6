"""`/api/v1/ai/keys`: create, list and revoke keys, for callers with the scope admin.

The same as `goldseam keys`. A key's text is in the answer to its creation and nowhere else; all
changes are in the audit, with the caller's key id.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request

from goldseam.api.auth import LOOPBACK
from goldseam.api.deps import CallerOf, Connection, OwnConnection, needs
from goldseam.api.parameters import Id
from goldseam.api.problems import Conflict, Invalid, NotFound, ProblemRoute
from goldseam.api.schemas.keys import CreatedKey, KeyInfo, NewKey
from goldseam.api.services import services
from goldseam.storage import keys
from goldseam.storage.keys import KeyFormError, Scope

router = APIRouter(
    prefix="/keys", tags=["keys"], route_class=ProblemRoute, dependencies=[needs(Scope.ADMIN)]
)

KeyId = Annotated[Id, Path(description="12 hex digits, the third part of the key's text")]


@router.get("", summary="Keys without their secrets")
async def all_keys(connection: Connection) -> list[KeyInfo]:
    """List keys, the oldest first, revoked and expired ones too."""
    return [KeyInfo.model_validate(key) for key in await keys.stored(connection)]


@router.post("", summary="Create a key", status_code=HTTPStatus.CREATED)
async def create(connection: OwnConnection, caller: CallerOf, body: NewKey) -> CreatedKey:
    """Make a key and show its text this once; the first one of a server must be for admin."""
    if caller == LOOPBACK and Scope.ADMIN not in body.scopes:
        raise Conflict(
            "From the first key on the API asks for keys, so the first one must have the scope "
            "admin: create that one, then this one with it.",
        )
    now = datetime.now(UTC)
    try:
        text = await keys.create(
            connection,
            tenant=body.tenant_id,
            scopes=body.scopes,
            created_by=caller.actor,
            now=now,
            environment=body.environment,
            label=body.label,
            expires_at=now + timedelta(days=body.expires_days) if body.expires_days else None,
        )
    except KeyFormError as error:
        raise Invalid("scopes", str(error)) from error
    made = await _find(connection, text.split("_")[2])
    return CreatedKey(**KeyInfo.model_validate(made).model_dump(), key=text)


@router.delete("/{key_id}", summary="Revoke a key")
async def revoke(
    request: Request, connection: OwnConnection, caller: CallerOf, key_id: KeyId
) -> KeyInfo:
    """Refuse a key from now on; other servers notice within seconds. Once is as good as twice."""
    await _find(connection, key_id)
    if key_id == caller.actor:
        raise Conflict("A key does not revoke itself: create another admin key and use that one.")
    await keys.revoke(connection, key_id, actor=caller.actor, now=datetime.now(UTC))
    services(request).keys.forget(key_id)
    return KeyInfo.model_validate(await _find(connection, key_id))


async def _find(connection: OwnConnection, key_id: str) -> keys.Key:
    found = await keys.find(connection, key_id)
    if found is None:
        raise NotFound("key with this id")
    return found
