"""Keep good answers, and give them back when the same request fails or comes again.

The instrumentation makes one `AnswerCache` from a `CacheConfig`, hands it complete answers with
`keep`, and the drivers ask it with `find`. Keys are exact: the same tenant, account, provider and
request, or nothing. It promises: no fault of a store reaches the call, `keep` never waits, and a
store that is out of order is left alone for a while.
"""

import asyncio
import hashlib
import json
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from goldseam.recovery.extras import CacheConfig
from goldseam.recovery.hooks import log_fault

_HEADER: Final = struct.Struct(">2sd")
_MARK: Final = b"g1"
"""Begins every entry: its format, then the time it was stored at, then the body."""

REST_AFTER_FAULT_S: Final = 5.0
"""A store that failed is not asked for so long: a dead server must not slow every failing call."""


class CacheError(RuntimeError):
    """The cache cannot be set up; the message says what to install or to set."""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer that was given before.

    Attributes:
        body: The JSON of the provider's answer.
        age_s: Seconds since it was given.
        is_stale: Whether it is older than the configured `ttl_s`.
    """

    body: bytes
    age_s: float
    is_stale: bool


class Store(Protocol):
    """Where entries lie. May raise anything; `AnswerCache` is the fence."""

    def get(self, key: str) -> bytes | None:
        """Return an entry; None where there is none."""
        ...

    def put(self, key: str, entry: bytes, *, keep_s: float) -> None:
        """Keep an entry for some seconds, without making the caller wait."""
        ...

    def close(self) -> None:
        """Let go of memory, threads and connections."""
        ...


class AnswerCache:
    """The cache of one `instrument()`."""

    def __init__(
        self, config: CacheConfig, store: Store, *, now: Callable[[], float] = time.time
    ) -> None:
        """Wrap a store.

        Args:
            config: Times and bounds.
            store: Where entries lie.
            now: Seconds since the epoch: processes that share a store share this clock.
        """
        self.config = config
        self._store = store
        self._now = now
        self._rests_until_s = 0.0

    def find(self, key: str) -> CachedAnswer | None:
        """Return the answer under a key, fresh or stale; None where there is none."""
        if self._now() < self._rests_until_s:
            return None
        try:
            entry = self._store.get(key)
            return None if entry is None else self._read(entry)
        except Exception as fault:  # noqa: BLE001 - the fence: a store may raise anything
            self._rest("cache.find", fault)
            return None

    async def afind(self, key: str) -> CachedAnswer | None:
        """Return the same from a task; other tasks run while a server is asked."""
        if self.config.backend == "memory":
            return self.find(key)
        return await asyncio.to_thread(self.find, key)

    def keep(self, key: str, body: bytes) -> None:
        """Keep a complete answer; one that is too large is left out."""
        now_s = self._now()
        if len(body) > self.config.max_entry_bytes or now_s < self._rests_until_s:
            return
        try:
            entry = _HEADER.pack(_MARK, now_s) + body
            self._store.put(key, entry, keep_s=self.config.keep_s)
        except Exception as fault:  # noqa: BLE001 - the fence: a store may raise anything
            self._rest("cache.keep", fault)

    def close(self) -> None:
        """Let go of the store."""
        try:
            self._store.close()
        except Exception as fault:  # noqa: BLE001 - the fence
            log_fault("cache.close", fault)

    def _read(self, entry: bytes) -> CachedAnswer | None:
        """Read an entry; one of another version, or too old, is none."""
        if len(entry) <= _HEADER.size or not entry.startswith(_MARK):
            return None
        _mark, stored_at_s = _HEADER.unpack_from(entry)
        age_s = max(0.0, self._now() - stored_at_s)
        if age_s > self.config.keep_s:
            return None
        return CachedAnswer(entry[_HEADER.size :], age_s, is_stale=age_s > self.config.ttl_s)

    def _rest(self, where: str, fault: Exception) -> None:
        self._rests_until_s = self._now() + REST_AFTER_FAULT_S
        log_fault(where, fault)


def open_cache(config: CacheConfig, environ: Mapping[str, str]) -> AnswerCache:
    """Return a cache as configured.

    Raises:
        CacheError: A package or the address of the server is missing.
    """
    if config.backend == "memory":
        from goldseam.recovery.cache_memory import MemoryStore  # noqa: PLC0415 - only if asked for

        return AnswerCache(config, MemoryStore(max_bytes=config.max_bytes))
    from goldseam.recovery.cache_redis import open_redis  # noqa: PLC0415 - only if asked for

    url = environ.get(config.url_env, "").strip()
    if not url:
        raise CacheError(
            f"[cache] backend is redis, but {config.url_env} is not set. "
            'Set it to an address such as "redis://127.0.0.1:6379/0".'
        )
    return AnswerCache(config, open_redis(url))


def cache_key(
    *,
    tenant_id: str,
    provider: str,
    base_url: str,
    operation: str,
    account: Sequence[str | None],
    request: Mapping[str, Any],
) -> str | None:
    """Return the key of a request: SHA-256 over everything that may change its answer.

    Args:
        tenant_id: Whose call it is; answers never pass from tenant to tenant.
        provider: Who is asked.
        base_url: Where.
        operation: What for: operation and path.
        account: Credentials and headers: tenants that nobody named have keys of their own.
        request: The whole body and query, model, messages, tools and temperature included. The
            order of its fields counts: it can change what a model reads.

    Returns:
        Lower-case hex, or None for a request that is no JSON.
    """
    parts = (tenant_id, provider, base_url, operation, tuple(account), request)
    try:
        text = json.dumps(parts, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()
