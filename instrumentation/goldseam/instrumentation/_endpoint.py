"""Which provider a client talks to, recognised from its base URL.

Called by `_sdk` at the start of a call. Providers of Goldseam's configuration come first, then
known hosts, then the provider that the client's class is made for. The answer is kept per address.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry.util.types import AttributeValue

from goldseam.instrumentation import _names
from goldseam.instrumentation._sdks import OPENAI, provider_of
from goldseam.semconv import attributes as names

if TYPE_CHECKING:
    from goldseam.recovery.providers import Provider

KNOWN_HOSTS: Final[Mapping[str, str]] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.ai": "cohere",
    "api.moonshot.ai": "moonshot_ai",
    "api.cerebras.ai": "cerebras",
    "api.fireworks.ai": "fireworks",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "openrouter.ai": "openrouter",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
"""Host to provider name; the conventions' names where they have one."""

KNOWN_SUFFIXES: Final = (
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    (".endpoints.kepler.ai.cloud.ovh.net", "ovhcloud"),
    (".endpoints.ai.cloud.ovh.net", "ovhcloud"),
    (".openai.com", "openai"),
    (".aiplatform.googleapis.com", "gcp.vertex_ai"),
    (".aiplatform.us.rep.googleapis.com", "gcp.vertex_ai"),
    (".aiplatform.eu.rep.googleapis.com", "gcp.vertex_ai"),
    ("-aiplatform.googleapis.com", "gcp.vertex_ai"),
    (".ollama.com", "ollama"),
)

KNOWN_WORDS: Final = (
    (re.compile(r"\bbedrock-(?:runtime|mantle)\b"), "aws.bedrock"),
    (re.compile(r"\bvllm\b"), "vllm"),
    (re.compile(r"\bollama\b"), "ollama"),
)
"""Words of a host's name that tell the provider: `vllm`, `ollama-gpu.models.svc`."""

KNOWN_PORTS: Final[Mapping[int, str]] = {11434: "ollama"}
"""Ports that nothing else uses, on whatever host."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_REMEMBERED_URLS: Final = 256
"""A program that makes a URL per call must not grow this cache without end."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider's address.

    Attributes:
        provider: Goldseam's name for the provider, as in its configuration.
        family: The conventions' provider name; equal to `provider` where nothing else is known.
        address: Host name or address.
        port: TCP port.
        attributes: The span attributes that follow from the above.
        server: Those of the attributes that name the server.
        is_known: Whether the address told the provider.
    """

    provider: str
    family: str
    address: str
    port: int
    attributes: Mapping[str, AttributeValue] = field(repr=False)
    server: Mapping[str, AttributeValue] = field(repr=False)
    is_known: bool = True


def recognise(
    base_url: str, providers: "Mapping[str, Provider]", *, otherwise: str = OPENAI.provider
) -> Endpoint:
    """Return the endpoint behind `base_url`.

    Args:
        base_url: The address of the provider, or of something below it.
        providers: The configured providers.
        otherwise: The provider of an address that nobody knows.
    """
    return _endpoint(base_url, _configured_provider(base_url, providers), otherwise)


def endpoint_of(provider: "Provider") -> Endpoint:
    """Return the endpoint of a configured provider."""
    return _endpoint(provider.base_url, provider.name, provider.name)


def _endpoint(base_url: str, configured: str | None, otherwise: str) -> Endpoint:
    host, port, _ = _place(base_url)
    known = _known_provider(host, port)
    provider = configured or known or otherwise
    family = known or provider
    server: dict[str, AttributeValue] = {_names.SERVER_ADDRESS: host, _names.SERVER_PORT: port}
    return Endpoint(
        provider=provider,
        family=family,
        address=host,
        port=port,
        attributes={
            names.PROVIDER_NAME: provider,
            _names.PROVIDER_NAME: family,
            **server,
        },
        server=server,
        is_known=bool(configured or known),
    )


class Endpoints:
    """Remembers the endpoints of the addresses that clients talk to."""

    def __init__(self, providers: "Mapping[str, Provider]") -> None:
        self._providers = providers
        self._by_object: dict[int, tuple[Any, type, Endpoint]] = {}
        self._by_url: dict[tuple[str, str], Endpoint] = {}

    def of(self, client: Any) -> Endpoint:
        """Return the endpoint that `client` talks to now; its base URL may be reassigned."""
        url, kind = client.base_url, type(client)
        known = self._by_object.get(id(url))
        if known is not None and known[1] is kind:
            return known[2]
        endpoint = self.of_url(str(url), provider_of(client))
        if len(self._by_object) >= _MAX_REMEMBERED_URLS:
            self._by_object.clear()
        self._by_object[id(url)] = url, kind, endpoint  # kept alive, so that the id stays its own
        return endpoint

    def of_url(self, url: str, otherwise: str = OPENAI.provider) -> Endpoint:
        """Return the endpoint of an address; `otherwise` is the provider of an unknown one."""
        key = (url, otherwise)
        endpoint = self._by_url.get(key)
        if endpoint is None:
            endpoint = recognise(url, self._providers, otherwise=otherwise)
            if len(self._by_url) < _MAX_REMEMBERED_URLS:
                self._by_url[key] = endpoint
        return endpoint


def _place(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return (parts.hostname or "").lower(), port, parts.path.rstrip("/")


def _known_provider(host: str, port: int) -> str | None:
    known = KNOWN_HOSTS.get(host) or KNOWN_PORTS.get(port)
    if known:
        return known
    dotted = f".{host}"
    found = (name for suffix, name in KNOWN_SUFFIXES if dotted.endswith(suffix))
    told = (name for word, name in KNOWN_WORDS if word.search(host))
    return next(found, None) or next(told, None)


def _configured_provider(url: str, providers: "Mapping[str, Provider]") -> str | None:
    host, port, path = _place(url)
    best, best_length = None, -1
    for name, provider in providers.items():
        other_host, other_port, other_path = _place(provider.base_url)
        inside = path == other_path or path.startswith(f"{other_path}/")
        if (host, port) == (other_host, other_port) and inside and len(other_path) > best_length:
            best, best_length = name, len(other_path)
    return best
