"""A server that stops answering and closes nothing is given up."""

import contextlib
import socket
import threading

import psycopg
import pytest

from goldseam.storage import Role, engine
from goldseam.storage.patience import hung_up_after


class SilentLine:
    """Passes what a client and PostgreSQL say to each other, until it is told to keep silent."""

    def __init__(self, path: str) -> None:
        self._silent = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(path)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._server, self._listener]
        self._threads = [threading.Thread(target=self._take)]
        self._threads[0].start()

    def close(self) -> None:
        """End both sides."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def keep_silent(self) -> None:
        """Answer nothing from now on; close nothing either."""
        self._silent.set()

    def _take(self) -> None:
        client, _ = self._listener.accept()
        self._sockets.append(client)
        self._threads.append(threading.Thread(target=self._pass, args=(client, self._server)))
        self._threads[1].start()
        self._pass(self._server, client)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65_536):
            if not self._silent.is_set():
                target.sendall(data)


def test_a_silent_server_is_hung_up_on(database: str) -> None:
    """Whoever waits for its answer gets an error of the kind that means away."""
    folder = psycopg.conninfo.conninfo_to_dict(database)["host"]
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with contextlib.closing(SilentLine(f"{folder}/.s.PGSQL.5432")) as line:
        url = f"postgresql://goldseam@127.0.0.1:{line.port}/{name}"
        connection = engine.connect(url, Role.WRITER, statement_timeout_s=30)
        connection.execute("SELECT 1")
        line.keep_silent()

        with pytest.raises(psycopg.OperationalError), hung_up_after(0.2, connection):
            connection.execute("SELECT 2")
        connection.close()


def test_a_server_that_answers_is_left_alone(database: str) -> None:
    """The connection works after the block."""
    with engine.connect(database, Role.WRITER) as connection:
        with hung_up_after(30, connection):
            connection.execute("SELECT 1")
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_a_vanished_client_keeps_no_locks(database: str) -> None:
    """The server ends a transaction of the writer in which nothing is asked any more."""
    with engine.connect(database, Role.WRITER, statement_timeout_s=0.3) as connection:
        told = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert told == ("300ms",)
