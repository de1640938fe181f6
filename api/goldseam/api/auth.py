"""Who calls: keys looked up, verified and remembered for a moment.

`deps` asks a `KeyRing` for every request. Without any key in the database a loopback server is
open, and its caller sees every tenant; from the first key on, keys are asked for. A refusal never
repeats what was sent.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from goldseam.api.problems import Problem
from goldseam.storage import keys
from goldseam.storage.engine import tenant_transaction
from goldseam.storage.keys import Scope
from goldseam.storage.roles import ALL_TENANTS

REMEMBERED_S: Final = 5.0
"""A revoked key, or the first key of a server, takes effect after this long at most."""

_REMEMBERED_KEYS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may.

    Attributes:
        tenant: Whose data they see; `*` for all.
        scopes: What their key is for.
        actor: Key id, or `loopback`; named in the audit.
    """

    tenant: str
    scopes: frozenset[Scope]
    actor: str

    @property
    def is_admin(self) -> bool:
        """Whether they may do everything, for every tenant."""
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        """Tell whether they may do what `scope` is for."""
        return self.is_admin or scope in self.scopes


LOOPBACK: Final = Caller(ALL_TENANTS, frozenset({Scope.ADMIN}), "loopback")


class Unauthorized(Problem):
    """Nobody we know; the answer says how to present a key."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="goldseam"'}
        )


class Forbidden(Problem):
    """Known, but not allowed to do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.FORBIDDEN, detail)


class KeyRing:
    """Turns presented keys into callers."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        is_open: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without a key in memory.

        Args:
            engine: Connections of the API.
            is_open: Whether to let everybody in as long as there is no key.
            clock: Monotonic seconds.
        """
        self._engine = engine
        self._is_open = is_open
        self._clock = clock
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._open_until_s = -1.0

    async def caller(self, presented: str | None, *, is_local: bool) -> Caller:
        """Return who presents this key.

        Args:
            presented: The key's text; None where there is none.
            is_local: Whether the request comes from this machine; nobody else is let in without.

        Raises:
            Unauthorized: No key where one is needed, or one that opens nothing.
        """
        if presented is None:
            if is_local and await self._needs_none():
                return LOOPBACK
            raise Unauthorized("Send a key: `Authorization: Bearer gs_…`, see `goldseam keys`.")
        digest = hashlib.sha256(presented.encode()).digest()
        until_s, caller = self._known.get(digest, (-1.0, None))
        if caller is None or until_s <= self._clock():
            self._known.pop(digest, None)
            caller = await self._verified(presented)
            if len(self._known) >= _REMEMBERED_KEYS:
                self._known.clear()
            self._known[digest] = (self._clock() + REMEMBERED_S, caller)
        return caller

    def forget(self, key_id: str) -> None:
        """Look a key up again when it comes next; it has been revoked."""
        self._known = {
            digest: (until_s, caller)
            for digest, (until_s, caller) in self._known.items()
            if caller.actor != key_id
        }

    async def _needs_none(self) -> bool:
        if not self._is_open:
            return False
        if self._open_until_s <= self._clock():
            async with tenant_transaction(self._engine, ALL_TENANTS) as connection:
                if await keys.exist(connection):
                    self._is_open = False  # there is no way back without a restart
                    return False
            self._open_until_s = self._clock() + REMEMBERED_S
        return True

    async def _verified(self, presented: str) -> Caller:
        now = datetime.now(UTC)
        parts = keys.split(presented)
        if parts is not None:
            key_id, secret = parts
            async with tenant_transaction(self._engine, ALL_TENANTS) as connection:
                key = await keys.find(connection, key_id)
                if key is not None and keys.opens(key, secret, now):
                    await keys.touch(connection, key_id, now)
                    return Caller(key.tenant_id, frozenset(key.scopes), key_id)
        raise Unauthorized("This key opens nothing: it is unknown, revoked or expired.")
