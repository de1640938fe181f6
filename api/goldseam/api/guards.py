"""What surrounds every answer: whose name we answer to, and headers that keep browsers careful."""

import ipaddress
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goldseam.api import problems

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Without keys, a page elsewhere must not reach us by pointing its own name at loopback."""

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""A route that needs another value sets its own."""


class HostGuard:
    """ASGI middleware that answers to certain names only.

    A page elsewhere could point its own name at loopback and so read from an open server.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests for our names on."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if without_port(host) not in self._names:
                refusal = problems.response(
                    HTTPStatus.MISDIRECTED_REQUEST,
                    "Without keys the API answers to loopback names only: ask for "
                    "http://localhost, or create a key with `goldseam keys create` and bind "
                    "another address.",
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


class AnswerHeaders:
    """ASGI middleware that adds security headers, and what is left of the caller's rate."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if (allowance := state.get("allowance")) is not None:
                    headers.update(allowance.headers())
            await send(message)

        await self._app(scope, receive, completed)


def without_port(host: str) -> str:
    """Return the name in a `Host` header."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is this machine's own.

    Raises:
        ValueError: It is no IP address.
    """
    return ipaddress.ip_address(address).is_loopback
