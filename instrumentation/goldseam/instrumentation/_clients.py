"""Clients of other providers, for fallback: made when first needed, kept for their connections.

`_recovery` asks for them. They are the SDK's own classes with nothing of the application's client:
its headers, keys, transport and proxies may hold what another provider must not see. Async clients
belong to the event loop that made them and go with it.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from goldseam.recovery import Provider

OWN_CLIENT: Final = "_goldseam_own"
"""Attribute that marks our clients: their requests are attempts, not calls of the application."""

NO_KEY: Final = "none"
"""The SDK wants a key; providers that need none ignore it."""

_FROM_ENVIRONMENT: Final[Mapping[str, Any]] = {
    "organization": None,
    "project": None,
    "admin_api_key": None,
    "_custom_headers": {},
}
"""What the SDK takes from `OPENAI_*` variables and would send to any provider."""


class Clients:
    """The clients of one `instrument()`."""

    def __init__(self) -> None:
        self._sync: dict[str, Any] = {}
        self._by_loop: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()

    def sync_client(self, provider: Provider) -> Any:
        """Return the client of a provider for threads."""
        name = provider.name
        return self._sync.get(name) or self._sync.setdefault(name, _make("OpenAI", provider))

    def async_client(self, provider: Provider) -> Any:
        """Return the client of a provider for tasks of the running event loop."""
        mine = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        name = provider.name
        return mine.get(name) or mine.setdefault(name, _make("AsyncOpenAI", provider))

    def close(self) -> None:
        """Close the connections that can be closed from here."""
        for client in self._sync.values():
            client.close()
        self._sync.clear()
        self._by_loop.clear()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        for client in self._by_loop.pop(asyncio.get_running_loop(), {}).values():
            await client.close()


def _make(class_name: str, provider: Provider) -> Any:
    client_class = getattr(sys.modules["openai"], class_name)
    client = client_class(
        api_key=provider.api_key() or NO_KEY, base_url=provider.base_url, max_retries=0
    )
    for name, nothing in _FROM_ENVIRONMENT.items():
        if hasattr(client, name):
            setattr(client, name, nothing)
    setattr(client, OWN_CLIENT, True)
    return client
