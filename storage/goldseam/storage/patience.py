"""How long a session may be silent: a server or a network may stop answering and close nothing.

Keepalives do not notice a peer whose system lives while its program does not. `writes` and the
collector put `hung_up_after` around what they send; the server ends what such a session had begun
(`engine.connect`).
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import psycopg


@contextlib.contextmanager
def hung_up_after(limit_s: float, connection: psycopg.Connection) -> Iterator[None]:
    """Cut the connection if the block takes longer, so that whoever waits for an answer gets one.

    Args:
        limit_s: Seconds; more than the statements in the block may take.
        connection: What the block uses.

    Raises:
        psycopg.OperationalError: From the block itself, after the cut.
    """
    timer = threading.Timer(limit_s, _cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: psycopg.Connection) -> None:
    with (
        contextlib.suppress(OSError, psycopg.Error),  # it was closed in the meantime
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)
