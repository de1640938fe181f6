"""Cached answers in a Redis server that processes share; made by `cache.open_cache`.

Reading waits at most `TIMEOUT_S` for connecting and as long for the answer; it happens only where
a call has failed, or where `answer_first` asks for it. Writing is handed to a background thread
that starts with the first entry and is started anew in a forked process. The package `redis` is
imported here and nowhere else.
"""

import queue
import threading
from typing import Any, Final

from goldseam.recovery.cache import CacheError
from goldseam.recovery.forks import renew_in_child
from goldseam.recovery.hooks import log_fault

PREFIX: Final = "goldseam:answer:"
"""Begins every key, so that a shared server can be looked through and emptied by it."""

TIMEOUT_S: Final = 0.25
"""A cache that takes longer is not worth the wait."""

MAX_WAITING: Final = 256
"""Entries that may wait for the writer; more are dropped: a slow server costs hits, not memory."""


def open_redis(url: str) -> "RedisStore":
    """Return a store in the server at `url`. Connects when it is first used.

    Raises:
        CacheError: The package is missing, or the address is none.
    """
    try:
        import redis  # noqa: PLC0415 - an extra that few applications have
        from redis.backoff import NoBackoff  # noqa: PLC0415 - as above
        from redis.retry import Retry  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise CacheError(
            "[cache] backend is redis, but the package redis is not installed. "
            'Install it with: pip install "goldseam[redis]"'
        ) from missing
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as fault:
        raise CacheError(
            "the address of the Redis server must begin with redis://, rediss:// or unix://"
        ) from fault
    return RedisStore(client)


class RedisStore:
    """Entries in a Redis server."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._is_running = False
        self._renew()
        renew_in_child(self._renew)

    def get(self, key: str) -> bytes | None:
        """Return an entry; blocks for at most twice `TIMEOUT_S`."""
        found: bytes | None = self._client.get(PREFIX + key)
        return found

    def put(self, key: str, entry: bytes, *, keep_s: float) -> None:
        """Hand an entry to the writer; it is dropped where too many wait."""
        self._start()
        try:
            self._waiting.put_nowait((PREFIX + key, entry, max(1, int(keep_s * 1000))))
        except queue.Full:
            return

    def flush(self) -> None:
        """Wait until what was put has been written or has failed."""
        self._waiting.join()

    def close(self) -> None:
        """Let the writer end after what waits, and let go of the connections."""
        with self._lock:
            is_running, self._is_running = self._is_running, False
        if is_running:
            self._waiting.put(None, timeout=TIMEOUT_S)
        self._client.close()

    def _renew(self) -> None:
        """Begin without a writer, also in a forked process, where threads do not follow."""
        self._lock = threading.Lock()
        self._is_running = False
        self._waiting: queue.Queue[tuple[str, bytes, int] | None] = queue.Queue(MAX_WAITING)

    def _start(self) -> None:
        with self._lock:
            if not self._is_running:
                self._is_running = True
                threading.Thread(
                    target=self._write_all,
                    args=(self._waiting,),
                    name="goldseam-cache",
                    daemon=True,
                ).start()

    def _write_all(self, waiting: "queue.Queue[tuple[str, bytes, int] | None]") -> None:
        while (item := waiting.get()) is not None:
            key, entry, keep_ms = item
            try:
                self._client.set(key, entry, px=keep_ms)
            except Exception as fault:  # noqa: BLE001 - the fence: the server may be away
                log_fault("cache.put", fault)
            finally:
                waiting.task_done()
        waiting.task_done()
