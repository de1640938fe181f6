"""Who may send: keys looked up, verified, and remembered, also while the database is away.

The receivers ask `Admission` for every request. A key is verified against the database every few
seconds at most. While the database is away, keys that it knew before let their owners in: their
hashes are kept beside the spool. The key's tenant, if it has one, is the tenant of all it sends.
"""

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from goldseam.collector.refusals import Forbidden, Unauthenticated, Unavailable
from goldseam.storage import keys
from goldseam.storage.errors import StorageError
from goldseam.storage.keys import Key, Scope
from goldseam.storage.roles import ALL_TENANTS

REMEMBERED_S: Final = 5.0
"""A revoked key is refused after this long at most."""

KEPT_S: Final = 86_400.0
"""How long a key opens the door of a collector whose database is away."""

LOOK_UP_TIMEOUT_S: Final = 3.0
"""The stock Python exporter waits 10 s in all, and the spool needs some of it."""

_MAX_KEYS: Final = 1_000
_REWRITTEN_EVERY_S: Final = 3_600.0
_SCHEME: Final = "bearer "

LookUp = Callable[[str], Awaitable[Key | None]]
"""Gives the stored key of an id."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A key that was verified.

    Attributes:
        tenant: Whose spans it sends; "" for those that the spans claim themselves.
        verified_at: Seconds since the epoch.
        ends_at: Seconds since the epoch, None for never.
    """

    tenant: str
    verified_at: float
    ends_at: float | None


class Admission:
    """Lets senders in; one for all receivers.

    Args:
        look_up: Asks the database.
        is_required: Whether a sender without a key is turned away.
        path: Where verified keys are kept, None for nowhere.
        clock: Gives seconds since the epoch.
    """

    def __init__(
        self,
        look_up: LookUp,
        *,
        is_required: bool,
        path: Path | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._look_up = look_up
        self._is_required = is_required
        self._path = path
        self._clock = clock
        self._asked_at: dict[str, float] = {}
        self._written_at = 0.0
        self._known = _read(path)

    def at_once(self, authorization: str | None) -> str | None:
        """Return the tenant of a sender that need not be looked up, None for one that must.

        Raises:
            Unauthenticated: It must present a key, or presents what is none.
        """
        if not authorization:
            if self._is_required:
                raise Unauthenticated("send a key: `Authorization: Bearer gs_…` (goldseam keys)")
            return ""
        digest = _digest(_text(authorization))
        known = self._known.get(digest)
        fresh = self._clock() - self._asked_at.get(digest, -REMEMBERED_S) < REMEMBERED_S
        return known.tenant if known is not None and fresh else None

    async def tenant(self, authorization: str | None) -> str:
        """Return the tenant that a sender speaks for; "" if its spans say so themselves.

        Raises:
            Unauthenticated: It must present a key, or its key opens nothing.
            Forbidden: Its key is for something else.
            Unavailable: The database that knows the key is away, and it was not seen before.
        """
        tenant = self.at_once(authorization)
        if tenant is not None:
            return tenant
        text = _text(authorization or "")
        digest = _digest(text)
        try:
            known = await self._verified(text)
        except (StorageError, TimeoutError) as error:
            known = self._seen_before(digest, error)
        except (Unauthenticated, Forbidden):
            self._forget(digest)
            raise
        else:
            self._remember(digest, known)
        self._asked_at[digest] = self._clock()
        return known.tenant

    def tenant_from_thread(self, authorization: str | None, loop: asyncio.AbstractEventLoop) -> str:
        """Return what `tenant` does, for a thread beside the event loop."""
        tenant = self.at_once(authorization)
        if tenant is not None:
            return tenant
        return asyncio.run_coroutine_threadsafe(self.tenant(authorization), loop).result()

    async def _verified(self, text: str) -> Known:
        parts = keys.split(text)
        key = None
        if parts is not None:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                key = await self._look_up(parts[0])
        now = self._clock()
        if parts is None or key is None or not keys.opens(key, parts[1], _utc(now)):
            raise Unauthenticated("this key opens nothing: it is unknown, revoked or expired")
        if not {Scope.INGEST_WRITE, Scope.ADMIN} & set(key.scopes):
            raise Forbidden(f"this key is not for sending: it lacks the scope {Scope.INGEST_WRITE}")
        tenant = "" if key.tenant_id == ALL_TENANTS else key.tenant_id
        return Known(tenant, now, key.expires_at.timestamp() if key.expires_at else None)

    def _seen_before(self, digest: str, error: Exception) -> Known:
        now = self._clock()
        known = self._known.get(digest)
        if known is None or now - known.verified_at > KEPT_S:
            raise Unavailable(f"the database that knows the keys is away: {error}") from error
        if known.ends_at is not None and known.ends_at <= now:
            raise Unauthenticated("this key opens nothing: it is expired")
        return known

    def _remember(self, digest: str, known: Known) -> None:
        before = self._known.get(digest)
        if len(self._known) >= _MAX_KEYS:
            self._known.clear()
            self._asked_at.clear()
        self._known[digest] = known
        if before is None or known.verified_at - self._written_at > _REWRITTEN_EVERY_S:
            self._keep()

    def _forget(self, digest: str) -> None:
        if self._known.pop(digest, None) is not None:
            self._keep()

    def _keep(self) -> None:
        """Write the file anew; what it cannot hold costs a refusal in the next outage."""
        if self._path is None:
            return
        self._written_at = self._clock()
        document = {
            digest: [known.tenant, known.verified_at, known.ends_at]
            for digest, known in self._known.items()
        }
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(document, file)
            draft.replace(self._path)
        except OSError as error:
            _log.warning("verified keys cannot be kept in %s: %s", self._path, error)


def _read(path: Path | None) -> dict[str, Known]:
    try:
        document = json.loads(path.read_text(encoding="ascii")) if path else {}
        return {digest: Known(*values) for digest, values in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # nobody has been verified yet


def _text(authorization: str) -> str:
    if not authorization.lower().startswith(_SCHEME):
        raise Unauthenticated("send the key as `Authorization: Bearer gs_…`")
    return authorization[len(_SCHEME) :].strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
