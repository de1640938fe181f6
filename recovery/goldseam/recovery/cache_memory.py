"""Cached answers in the memory of one process; made by `cache.open_cache`.

The least recently used entries go first when the bound is reached.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from goldseam.recovery.forks import renew_in_child

ENTRY_OVERHEAD_BYTES: Final = 400
"""What the key, the tuple and the dictionary take for each entry, measured generously."""


class MemoryStore:
    """Entries of one process, bounded in bytes."""

    def __init__(self, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty.

        Args:
            max_bytes: Upper bound of all entries, overhead included.
            clock: Monotonic seconds.
        """
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self.size_bytes = 0
        renew_in_child(self._renew)

    def get(self, key: str) -> bytes | None:
        """Return an entry that has not expired; it is now the most recently used."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            expires_s, entry = found
            if self._clock() >= expires_s:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return entry

    def put(self, key: str, entry: bytes, *, keep_s: float) -> None:
        """Keep an entry, and let go of the least recently used until all fit."""
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = (self._clock() + keep_s, entry)
            self.size_bytes += len(entry) + ENTRY_OVERHEAD_BYTES
            while self.size_bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.size_bytes = 0

    def _renew(self) -> None:
        """Start empty in a forked process: a thread of the parent may have been at work here."""
        self._lock = threading.Lock()
        self._entries = OrderedDict()
        self.size_bytes = 0

    def _drop(self, key: str) -> None:
        _expires_s, entry = self._entries.pop(key)
        self.size_bytes -= len(entry) + ENTRY_OVERHEAD_BYTES
