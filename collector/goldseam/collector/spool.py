"""Keep OTLP bodies on disk while the database does not take them.

Called by `keeper`, which appends before a sender is acknowledged, and by `drain`, which gives the
bodies to the database in the order in which they came. One SQLite file in WAL mode with
`synchronous=FULL`: when `append` returns, the bodies survive a killed process and a power cut.

Each file has one owner at a time, `claim` sees to it: processes that share a folder get a file of
their own, and may claim the file of one that has died. What was kept is never dropped for lack of
room or for age; the spool takes nothing new then. Bodies that can never be stored are set aside
in the same file, where `SELECT * FROM bodies WHERE set_aside IS NOT NULL` shows them.
"""

import os
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from goldseam.collector.refusals import SpoolFull

SET_ASIDE_SHARE: Final = 1 / 8
"""Part of the spool that bodies set aside may fill; beyond it the oldest of them goes."""

RESERVE_BYTES: Final = 16 * 1024 * 1024
"""Room on the disk that is left free: SQLite needs some even to remove what is stored, as much as
its log has grown to (4 MiB, or the bodies of one group)."""

_COMPRESSION: Final = 1
"""Spans shrink to a sixth at the fastest level, 5 µs each; the spool lasts six times as long."""

_MAX_FILES: Final = 256
"""More processes than this on one folder are a mistake."""

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS bodies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kept_at REAL NOT NULL,     -- seconds since the epoch
    media_type TEXT NOT NULL,
    tenant TEXT NOT NULL DEFAULT '',  -- of the sender's key
    size_bytes INTEGER NOT NULL,  -- inflated
    body BLOB NOT NULL,        -- zlib
    set_aside TEXT             -- why it can never be stored
)
"""


_ADD_TENANT: Final = "ALTER TABLE bodies ADD COLUMN tenant TEXT NOT NULL DEFAULT ''"

_GIVE_BACK: Final = "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)"
"""Shrinks the file to what it needs. To be run as a script: `execute` would free one page."""


class SpoolError(RuntimeError):
    """The spool cannot be opened; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One OTLP body as it came, inflated, the encoding that it is in, and who sent it."""

    body: bytes
    media_type: str
    tenant: str = ""
    """Whose spans these are, whatever they claim; "" for as they say."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A body in the spool, compressed."""

    id: int
    media_type: str
    tenant: str
    packed: bytes

    def unpack(self) -> Raw:
        """Return the body as it came.

        Raises:
            zlib.error: The disk has changed it.
        """
        return Raw(zlib.decompress(self.packed), self.media_type, self.tenant)


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much a spool takes.

    Attributes:
        max_bytes: Compressed bytes that it may hold.
        max_age_s: Age of the oldest waiting body at which nothing new is taken.
    """

    max_bytes: int
    max_age_s: float


class Spool:
    """One spool file, open and owned; made by `claim`.

    Args:
        path: The SQLite file, created if absent.
        lock: The open lock file that makes this process the owner.
        limits: How much it takes.
        clock: Gives seconds since the epoch.

    Raises:
        sqlite3.Error: The file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        lock: IO[bytes],
        limits: SpoolLimits,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.path = path
        self.failing: str | None = None
        """Why the last body could not be written, None if it could."""
        self._file_lock = lock
        self._limits = limits
        self._clock = clock
        self._mutex = threading.Lock()
        self._connection = _connect(path)
        self.filled = threading.Event()
        """Set whenever bodies have come; cleared by whoever waits for it."""
        self._sizes: dict[int, int] = {}
        self._aside: dict[int, int] = {}
        self._held_bytes = 0
        self._aside_bytes = 0
        self._oldest_at: float | None = None
        self._count()

    @property
    def bodies(self) -> int:
        """Bodies that wait for the database."""
        return len(self._sizes)

    @property
    def held_bytes(self) -> int:
        """Compressed bytes of the bodies that wait."""
        return self._held_bytes

    @property
    def set_aside_bodies(self) -> int:
        """Bodies that can never be stored and are kept for inspection."""
        return len(self._aside)

    @property
    def oldest_age_s(self) -> float:
        """Seconds that the oldest waiting body has been here, 0 if none waits."""
        oldest_at = self._oldest_at
        return 0.0 if oldest_at is None else max(0.0, self._clock() - oldest_at)

    def refusal(self, size_bytes: int = 0) -> SpoolFull | None:
        """Return why no body of this size is taken now, None if one is."""
        left_bytes = shutil.disk_usage(self.path.parent).free
        if left_bytes < RESERVE_BYTES + 2 * size_bytes:
            return SpoolFull(
                f"the spool's disk has {left_bytes >> 20} MiB left, and needs "
                f"{RESERVE_BYTES >> 20} to be emptied: make room on the disk of {self.path.parent}"
            )
        if self._held_bytes + self._aside_bytes + size_bytes > self._limits.max_bytes:
            return SpoolFull(
                f"the spool holds its limit of {self._limits.max_bytes} bytes: bring the database "
                "back, or raise GOLDSEAM_SPOOL_BYTES"
            )
        if self.oldest_age_s > self._limits.max_age_s:
            return SpoolFull(
                f"the spool's oldest body has waited {self.oldest_age_s:.0f} s: bring the database "
                "back, or raise GOLDSEAM_SPOOL_MAX_AGE_S"
            )
        return None

    def append(self, raws: Sequence[Raw]) -> None:
        """Keep all of `raws`, fsynced, or none of them.

        Raises:
            SpoolFull: There is no room, here or on the disk, or the oldest body is too old.
        """
        packed = [zlib.compress(raw.body, _COMPRESSION) for raw in raws]
        with self._mutex:
            full = self.refusal(sum(map(len, packed)))
            if full is not None:
                raise full
            now = self._clock()
            try:
                ids = self._insert(now, raws, packed)
            except sqlite3.Error as error:
                self.failing = f"the spool in {self.path.parent} cannot be written: {error}"
                raise SpoolFull(f"{self.failing}; make room on its disk") from error
            self.failing = None
            self._sizes |= zip(ids, map(len, packed), strict=True)
            self._held_bytes += sum(map(len, packed))
            self._oldest_at = now if self._oldest_at is None else self._oldest_at
        self.filled.set()

    def oldest(self, *, after: int, limit_bytes: int) -> list[Kept]:
        """Return the oldest waiting bodies beyond id `after`: at least one if there is one.

        Args:
            after: Id of the last body seen, 0 to begin.
            limit_bytes: Inflated bytes after which no further body is read.
        """
        with self._mutex:
            rows = self._connection.execute(
                "SELECT id, media_type, tenant, body, size_bytes FROM bodies"
                " WHERE set_aside IS NULL AND id > ? ORDER BY id",
                (after,),
            )
            return list(_up_to(limit_bytes, rows))

    def remove(self, ids: Sequence[int]) -> None:
        """Forget bodies that the database has.

        Raises:
            sqlite3.Error: The disk fails or is full; the bodies stay and are stored once more.
        """
        with self._mutex:
            self._delete(ids)
            for id_ in ids:
                self._held_bytes -= self._sizes.pop(id_, 0)
            self._look_for_oldest()
            if not self._sizes and not self._aside:
                self._connection.executescript(_GIVE_BACK)

    def set_aside(self, id_: int, reason: str) -> None:
        """Keep a body for inspection only; the oldest such bodies go when they fill their share.

        Raises:
            sqlite3.Error: The disk fails or is full; the body goes on waiting.
        """
        with self._mutex:
            with self._transaction() as run:
                run("UPDATE bodies SET set_aside = ? WHERE id = ?", (reason, id_))
            size_bytes = self._aside[id_] = self._sizes.pop(id_)
            self._held_bytes -= size_bytes
            self._aside_bytes += size_bytes
            self._look_for_oldest()
            while self._aside_bytes > self._limits.max_bytes * SET_ASIDE_SHARE:
                eldest = min(self._aside)
                self._delete([eldest])
                self._aside_bytes -= self._aside.pop(eldest)

    def close(self) -> None:
        """Close the file and give up its ownership."""
        with self._mutex:
            self._connection.close()
        self._file_lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self) -> None:
        rows = self._connection.execute("SELECT id, length(body), set_aside FROM bodies")
        for id_, size_bytes, reason in rows:
            (self._sizes if reason is None else self._aside)[id_] = size_bytes
        self._held_bytes = sum(self._sizes.values())
        self._aside_bytes = sum(self._aside.values())
        self._look_for_oldest()

    def _look_for_oldest(self) -> None:
        query = "SELECT kept_at FROM bodies WHERE set_aside IS NULL ORDER BY id LIMIT 1"
        found = self._connection.execute(query).fetchone()
        self._oldest_at = None if found is None else float(found[0])

    def _insert(self, now: float, raws: Sequence[Raw], packed: Sequence[bytes]) -> list[int]:
        statement = (
            "INSERT INTO bodies (kept_at, media_type, tenant, size_bytes, body)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id"
        )
        with self._transaction() as run:
            return [
                run(statement, (now, raw.media_type, raw.tenant, len(raw.body), body)).fetchone()[0]
                for raw, body in zip(raws, packed, strict=True)
            ]

    def _delete(self, ids: Sequence[int]) -> None:
        with self._transaction() as run:
            for id_ in ids:
                run("DELETE FROM bodies WHERE id = ?", (id_,))

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Commit, and with it fsync, what the block does; undo it if it fails."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.execute
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def claim(folder: Path, limits: SpoolLimits, *, clock: Callable[[], float] = time.time) -> Spool:
    """Return the first spool of a folder that nobody owns, and own it; create one if need be.

    Raises:
        SpoolError: The folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(_MAX_FILES):
            lock = _lock(folder / f"spool-{number}.lock")
            if lock is not None:
                return _open(folder / f"spool-{number}.sqlite", lock, limits, clock)
    except (OSError, sqlite3.Error) as error:
        raise SpoolError(
            f"the spool in {folder} cannot be opened: {error}. Make the folder writable, or choose "
            "another one with --data-dir"
        ) from error
    raise SpoolError(f"{_MAX_FILES} processes use {folder}: choose another --data-dir")


def orphans(folder: Path, limits: SpoolLimits) -> Iterator[Spool]:
    """Claim, one after the other, each spool of the folder that has lost its owner.

    Raises:
        OSError: The folder cannot be read.
        sqlite3.Error: A file cannot be opened.
    """
    for path in sorted(folder.glob("spool-*.sqlite")):
        lock = _lock(path.with_suffix(".lock"))
        if lock is not None:
            with _open(path, lock, limits, time.time) as spool:
                yield spool


def _lock(path: Path) -> IO[bytes] | None:
    """Return the open, locked file, None if somebody else holds it.

    The system lets go of it when its owner dies. Lock files are never removed: of two processes
    that lock a removed one and its successor, both would believe to be the owner.
    """
    import fcntl  # noqa: PLC0415 - applications on Windows import this package too

    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _open(path: Path, lock: IO[bytes], limits: SpoolLimits, clock: Callable[[], float]) -> Spool:
    """Open a spool file; a damaged one is renamed, so that it can be looked at, and begun anew."""
    try:
        return Spool(path, lock, limits, clock=clock)
    except sqlite3.OperationalError:
        lock.close()
        raise
    except sqlite3.DatabaseError:
        for part in ("", "-wal", "-shm"):
            damaged = Path(f"{path}{part}")
            if damaged.exists():
                damaged.rename(f"{path}.damaged-{int(clock())}{part}")
        return Spool(path, lock, limits, clock=clock)


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_TABLE)
        if "tenant" not in {row[1] for row in connection.execute("PRAGMA table_info(bodies)")}:
            connection.execute(_ADD_TENANT)  # a file of an earlier version
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _up_to(limit_bytes: int, rows: sqlite3.Cursor) -> Iterator[Kept]:
    seen_bytes = 0
    for id_, media_type, tenant, packed, size_bytes in rows:
        yield Kept(id_, media_type, tenant, packed)
        seen_bytes += size_bytes
        if seen_bytes >= limit_bytes:
            return
