"""An HTTP/1.1 connection that does not wait for ever for a request to begin.

`serve` gives it to uvicorn, which watches only connections that have had an answer: a client that
sends nothing, or its headers byte by byte, would hold its connection as long as it likes.
"""

from asyncio import TimerHandle, Transport
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WITHIN_S: Final = 10.0
"""From the first byte, or from the connection, to the end of a request's headers."""

MAX_CONNECTIONS: Final = 1_000
"""More at a time get 503; a sender keeps one open."""


class PatientProtocol(H11Protocol):
    """uvicorn's own, with a limit on the time that headers take."""

    _overdue: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock runs until they make a request."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._overdue is None:
            self._overdue = self.loop.call_later(HEADERS_WITHIN_S, self.transport.close)

    def _stop(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
