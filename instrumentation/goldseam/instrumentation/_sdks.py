"""The SDKs whose calls pass a base client of their own, which is where they are watched.

`_switch` patches each of them when it is imported; `_endpoint` and `_clients` ask which one a
client belongs to. To add one, list it here: its requests need a `_base_client` module with the
classes `SyncAPIClient` and `AsyncAPIClient`.
"""

from dataclasses import dataclass, field
from typing import Any, Final

OWN_CLIENT: Final = "_goldseam_own"
"""Attribute that marks our clients: their requests are attempts, not calls of the application."""


@dataclass(frozen=True, slots=True)
class Sdk:
    """One SDK.

    Attributes:
        package: Import name.
        client: Class of its client; the asynchronous one has `Async` before it.
        provider: The conventions' name of the provider that it is made for.
        client_options: What a client must be told to open no connection by itself.
    """

    package: str
    client: str
    provider: str
    client_options: dict[str, Any] = field(default_factory=dict)

    @property
    def base_module(self) -> str:
        """The module of its base clients."""
        return f"{self.package}._base_client"


OPENAI: Final = Sdk("openai", "OpenAI", "openai")

SDKS: Final = (
    OPENAI,
    Sdk("anthropic", "Anthropic", "anthropic"),
    Sdk("groq", "Groq", "groq"),
    Sdk("together", "Together", "together"),
    Sdk("cerebras.cloud.sdk", "Cerebras", "cerebras", {"warm_tcp_connection": False}),
)

_BY_MODULE: Final = {sdk.base_module: sdk for sdk in SDKS}

_CLOUDS: Final = {
    "openai.lib.azure": "azure.ai.openai",
    "openai.lib.bedrock": "aws.bedrock",
    "anthropic.lib.bedrock._client": "aws.bedrock",
    "anthropic.lib.bedrock._mantle": "aws.bedrock",
    "anthropic.lib.foundry": "azure.ai.inference",
    "anthropic.lib.vertex._client": "gcp.vertex_ai",
}
"""Modules of the clients that an SDK has for the clouds which serve its models, to provider."""


def sdk_of(client: Any) -> Sdk:
    """Return the SDK that a client, or an application's subclass of one, belongs to."""
    modules = (cls.__module__ for cls in type(client).__mro__)
    return next((_BY_MODULE[module] for module in modules if module in _BY_MODULE), OPENAI)


def provider_of(client: Any) -> str:
    """Return the provider that a client's class is made for, whatever its address."""
    modules = (cls.__module__ for cls in type(client).__mro__)
    cloud = next((_CLOUDS[module] for module in modules if module in _CLOUDS), None)
    return cloud or sdk_of(client).provider
