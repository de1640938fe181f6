"""API and ingest keys: their form, their hashes, and who may do what.

A key reads `gs_<env>_<id>_<secret>`. The id finds the row; only the secret's hash is stored, and
since the secret is random, a plain SHA-256 of it is enough. Used by the API, the collector and
`goldseam keys`, inside `engine.tenant_transaction`.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.storage import audit
from goldseam.storage.engine import tenant_of
from goldseam.storage.errors import StorageError
from goldseam.storage.roles import ALL_TENANTS
from goldseam.storage.server_tables import KEYS

_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 24
"""192 bits: nobody guesses one, so the hash needs no salt and no slow function."""

_FORM: Final = re.compile(r"gs_([a-z0-9]{1,16})_([0-9a-f]{12})_([0-9a-f]{48})")
_ENVIRONMENT: Final = re.compile(r"[a-z0-9]{1,16}")

_TOUCHED_EVERY: Final = timedelta(hours=1)
"""`last_used_at` is to the hour, so that using a key writes next to nothing."""


class Scope(StrEnum):
    """What a key may do."""

    LOGS_READ = "logs:read"
    STATS_READ = "stats:read"
    ERRORS_READ = "errors:read"
    ERRORS_WRITE = "errors:write"
    LOGS_DELETE = "logs:delete"
    PLAYBOOK_READ = "playbook:read"
    INGEST_WRITE = "ingest:write"
    ADMIN = "admin"
    """Everything, for every tenant."""


class KeyFormError(StorageError):
    """A key with these values cannot be made; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A stored key, without its secret.

    Attributes:
        tenant_id: For whom it speaks; `*` for all.
        key_id: The id inside the key's text.
        label: What it is for, in its owner's words.
        expires_at: From then on it is refused; None never.
        last_used_at: Last use, to the hour.
        revoked_at: From then on it is refused.
    """

    tenant_id: str
    key_id: str
    environment: str
    secret_sha256: str
    scopes: tuple[Scope, ...]
    label: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Tell whether it opens anything at `now`."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.revoked_at is None and not expired


def split(text: str) -> tuple[str, str] | None:
    """Return id and secret of a key's text; None where it is none."""
    found = _FORM.fullmatch(text)
    return (found[2], found[3]) if found else None


def opens(key: Key, secret: str, now: datetime) -> bool:
    """Tell whether `secret` is the key's, compared in constant time, and the key is valid."""
    return hmac.compare_digest(_digest(secret), key.secret_sha256) and key.is_valid(now)


async def create(
    conn: AsyncConnection,
    *,
    tenant: str,
    scopes: Iterable[Scope],
    created_by: str,
    now: datetime,
    environment: str = "live",
    label: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Store a new key and return its text, which is nowhere kept.

    Raises:
        KeyFormError: No scope, a strange environment, or `admin` for one tenant only.
    """
    chosen = sorted(set(scopes))
    _check(tenant, chosen, environment)
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    values = {"environment": environment, "scopes": chosen, "label": label}
    await conn.execute(
        insert(KEYS).values(
            tenant_id=tenant,
            key_id=key_id,
            secret_sha256=_digest(secret),
            created_at=now,
            created_by=created_by,
            expires_at=expires_at,
            **values,
        )
    )
    await audit.record(
        conn,
        tenant=tenant,
        actor=created_by,
        action="keys.create",
        target=key_id,
        now=now,
        details=values,
    )
    return f"gs_{environment}_{key_id}_{secret}"


async def revoke(conn: AsyncConnection, key_id: str, *, actor: str, now: datetime) -> bool:
    """Refuse a key from now on; return whether there was such a key to revoke."""
    query = (
        update(KEYS)
        .where(KEYS.c.key_id == key_id, KEYS.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(KEYS.c.tenant_id)
    )
    tenant = (await conn.execute(query)).scalar()
    if tenant is None:
        return False
    await audit.record(
        conn, tenant=tenant, actor=actor, action="keys.revoke", target=key_id, now=now
    )
    return True


async def stored(conn: AsyncConnection) -> list[Key]:
    """Return the keys that the transaction may see, the oldest first."""
    query = select(KEYS).order_by(KEYS.c.created_at, KEYS.c.key_id)
    if (tenant := tenant_of(conn)) is not None:
        query = query.where(KEYS.c.tenant_id == tenant)
    return [_key(row) for row in (await conn.execute(query)).mappings()]


async def find(conn: AsyncConnection, key_id: str) -> Key | None:
    """Return the key with this id, valid or not."""
    row = (await conn.execute(select(KEYS).where(KEYS.c.key_id == key_id))).mappings().first()
    return None if row is None else _key(row)


async def exist(conn: AsyncConnection) -> bool:
    """Tell whether there ever was a key; from then on keys are asked for."""
    found = await conn.execute(select(select(KEYS.c.key_id).exists()))
    return bool(found.scalar())


async def touch(conn: AsyncConnection, key_id: str, now: datetime) -> None:
    """Note that a key was used, once an hour at most."""
    last = KEYS.c.last_used_at
    await conn.execute(
        update(KEYS)
        .where(KEYS.c.key_id == key_id, or_(last.is_(None), last < now - _TOUCHED_EVERY))
        .values(last_used_at=func.date_trunc("hour", now))
    )


def _check(tenant: str, scopes: list[Scope], environment: str) -> None:
    if not scopes:
        raise KeyFormError(f"A key needs at least one scope of {', '.join(Scope)}.")
    if not tenant:
        raise KeyFormError("A key needs a tenant; * stands for all.")
    if Scope.ADMIN in scopes and tenant != ALL_TENANTS:
        raise KeyFormError("A key with scope admin is for all tenants: leave the tenant out.")
    if not _ENVIRONMENT.fullmatch(environment):
        raise KeyFormError("The environment of a key is 1 to 16 of a-z and 0-9, such as live.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: object) -> Key:
    values = dict(row)  # type: ignore[call-overload] # a mapping of SQLAlchemy's
    return Key(**values | {"scopes": tuple(Scope(scope) for scope in values["scopes"])})
