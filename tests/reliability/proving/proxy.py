"""A loopback proxy that makes bad weather: it resets, stalls or trickles what passes through it."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from random import Random
from typing import Final

_CHUNK_BYTES: Final = 65_536
_TRICKLE_BYTES: Final = 64
_TRICKLE_S: Final = 0.02
_POLL_S: Final = 0.05
_RESET: Final = struct.pack("ii", 1, 0)
"""`SO_LINGER` with no time: closing then sends RST."""

Dial = Callable[[], socket.socket]
"""Connects to what is behind the proxy."""


class Weather(StrEnum):
    """What happens to the bytes."""

    CLEAR = "clear"
    RESET = "reset"
    STALL = "stall"
    TRICKLE = "trickle"


class Proxy:
    """Listens on a free port and passes bytes both ways, as `weather` says at that moment.

    Args:
        dial: Connects to the other side.
        chance: Decides how many bytes come through before a reset.
    """

    def __init__(self, dial: Dial, chance: Random) -> None:
        self.weather = Weather.CLEAR
        self.resets = 0
        self._dial = dial
        self._chance = chance
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Take connections while the block runs."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._closed.set()
            self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
                far = self._dial()
            except OSError:  # closed, or nobody is behind it
                with contextlib.suppress(OSError, UnboundLocalError):
                    near.close()
                continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass bytes one way until one side ends, then end both."""
        with contextlib.suppress(OSError):
            while not self._closed.is_set() and (data := source.recv(_CHUNK_BYTES)):
                while self.weather is Weather.STALL and not self._closed.is_set():
                    time.sleep(_POLL_S)
                if self.weather is Weather.RESET:
                    self._reset(data, source, target)
                    break
                self._pass_on(data, target)
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()

    def _pass_on(self, data: bytes, target: socket.socket) -> None:
        while data and self.weather is Weather.TRICKLE and not self._closed.is_set():
            target.sendall(data[:_TRICKLE_BYTES])
            data = data[_TRICKLE_BYTES:]
            time.sleep(_TRICKLE_S)
        target.sendall(data)

    def _reset(self, data: bytes, source: socket.socket, target: socket.socket) -> None:
        """Let some of the bytes through, then cut both sides without a goodbye."""
        self.resets += 1
        target.sendall(data[: self._chance.randrange(len(data) + 1)])
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                side.shutdown(socket.SHUT_RD)  # or the other thread's wait would keep it open
                side.close()


def to_port(port: int) -> Dial:
    """Dial a port of loopback."""
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=None)


def to_socket(path: str) -> Dial:
    """Dial a Unix socket."""

    def dial() -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.connect(path)
        return line

    return dial
