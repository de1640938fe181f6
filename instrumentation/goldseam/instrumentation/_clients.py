"""Clients of other providers, for fallback: made when first needed, kept for their connections.

`_recovery` asks for them. They are of the same SDK as the application's client, so that the answer
has the types it expects, with nothing else of that client: its headers, keys, transport and proxies
may hold what another provider must not see. Async clients belong to the event loop that made them
and go with it; the certificates that all of them trust are loaded once, because that takes longer
than everything else of a first fallback.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from goldseam.instrumentation._sdks import OWN_CLIENT, Sdk, sdk_of
from goldseam.recovery import Provider

NO_KEY: Final = "none"
"""The SDK wants a key; providers that need none ignore it."""

_FROM_ENVIRONMENT: Final[Mapping[str, Any]] = {
    "organization": None,
    "project": None,
    "admin_api_key": None,
    "project_id": None,
    "auth_token": None,
    "_credential_headers": {},
    "_custom_headers": {},
}
"""What SDKs take from environment variables and files, and would send to any provider."""

_Key: TypeAlias = tuple[str, str]
"""SDK and provider."""


class Clients:
    """The clients of one `instrument()`."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._sync: dict[_Key, Any] = {}
        self._by_loop: WeakKeyDictionary[Any, dict[_Key, Any]] = WeakKeyDictionary()

    def sync_client(self, provider: Provider, asking: Any) -> Any:
        """Return the client of a provider for threads.

        Args:
            provider: Whom it asks.
            asking: The application's client; ours is of the same SDK.
        """
        if self._process != os.getpid():  # the connections of a forked process are its parent's
            self._process, self._sync = os.getpid(), {}
        sdk = sdk_of(asking)
        return _kept(self._sync, sdk, sdk.client, provider)

    def async_client(self, provider: Provider, asking: Any) -> Any:
        """Return the client of a provider for tasks of the running event loop; as `sync_client`."""
        sdk = sdk_of(asking)
        mine = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        return _kept(mine, sdk, f"Async{sdk.client}", provider)

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


def _kept(clients: dict[_Key, Any], sdk: Sdk, class_name: str, provider: Provider) -> Any:
    key = sdk.package, provider.name
    known = clients.get(key)
    if known is None:
        known = new_client(sdk, class_name, provider)
        setattr(known, OWN_CLIENT, True)
        clients[key] = known
    return known


def new_client(sdk: Sdk, class_name: str, provider: Provider) -> Any:
    """Return a client that asks `provider`, repeats nothing, and has nothing of other providers.

    Args:
        sdk: The SDK; it has been imported.
        class_name: Which of its clients.
        provider: Whom it asks.
    """
    client_class = getattr(sys.modules[sdk.package], class_name)
    client = client_class(
        api_key=provider.api_key() or NO_KEY,
        base_url=provider.base_url,
        max_retries=0,
        http_client=_http_client(sdk, class_name, provider),
        **sdk.client_options,
    )
    for name, nothing in _FROM_ENVIRONMENT.items():
        if hasattr(client, name):
            setattr(client, name, nothing)
    return client


def _http_client(sdk: Sdk, class_name: str, provider: Provider) -> Any:
    """Return the HTTP client that the SDK would make, with certificates that are loaded already.

    None leaves it to the SDK, where its parts have other names.
    """
    base = sys.modules[sdk.base_module]
    kind = "Async" if class_name.startswith("Async") else "Sync"
    http_class = getattr(base, f"{kind}HttpxClientWrapper", None)
    if http_class is None:
        return None
    library = _library_of(http_class)
    is_plain = provider.base_url.startswith("http:")
    context = _no_certificates() if is_plain else _certificates(library)
    return http_class(base_url=provider.base_url, timeout=base.DEFAULT_TIMEOUT, verify=context)


def _library_of(http_class: type[Any]) -> str:
    """Return which HTTP library a client's class belongs to: `httpx` or `httpx2`."""
    packages = (cls.__module__.partition(".")[0] for cls in http_class.__mro__)
    return next(name for name in packages if name.startswith("httpx"))


@cache
def _certificates(library: str) -> ssl.SSLContext:
    """Return what the HTTP library trusts by default."""
    context: ssl.SSLContext = sys.modules[library].create_ssl_context()
    return context


@cache
def _no_certificates() -> ssl.SSLContext:
    """Return a context that trusts nobody: an address without TLS needs none."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
