"""One name for each provider, whatever a dialect calls it."""

from functools import lru_cache
from typing import Final

UNKNOWN: Final = "unknown"
MAX_PROVIDER: Final = 64

NAMES_KEPT: Final = 1_024
"""Names, as senders write them, whose normal form is remembered."""

_NAMES: Final = {
    alias: name
    for name, aliases in {
        "openai": ("openaichat", "openai_v2"),
        "azure.ai.openai": (
            "azure", "az.ai.openai", "azure.openai", "azure_openai", "azure-openai",
        ),
        "azure.ai.inference": ("az.ai.inference", "azure_ai"),
        "gcp.gemini": ("gemini", "google", "google_genai", "google.generative-ai"),
        "gcp.vertex_ai": ("vertex_ai", "google.vertex", "vertexai"),
        "aws.bedrock": ("bedrock", "aws_bedrock", "amazon-bedrock", "aws"),
        "mistral_ai": ("mistral", "mistralai"),
        "x_ai": ("xai", "x.ai"),
        "ibm.watsonx.ai": ("watsonx",),
        "moonshot_ai": ("moonshot",),
    }.items()
    for alias in aliases
}  # fmt: skip

_INSTRUMENTED: Final = frozenset({
    "anthropic", "bedrock", "cohere", "google_genai", "groq", "mistralai", "ollama", "openai",
    "openai_v2", "together",
})  # fmt: skip
"""Last words of scopes that are a provider's name."""

_API_SUFFIXES: Final = (".chat", ".responses", ".embedding", ".completion", ".messages", ".image")
"""Some dialects append the part of the API that was called."""


@lru_cache(maxsize=NAMES_KEPT)
def normalise(provider: str) -> str:
    """Return the name that the tables use for `provider`; an unknown name stays as it is."""
    name = provider.strip().lower()
    for suffix in _API_SUFFIXES:
        name = name.removesuffix(suffix)
    return _NAMES.get(name, name)[:MAX_PROVIDER] or UNKNOWN


def from_scope(scope_name: str) -> str:
    """Return the provider whose SDK a scope instruments, `unknown` if it does not tell.

    For spans that have lost attributes.
    """
    last = scope_name.removesuffix(".v1").rpartition(".")[2]
    return normalise(last) if last in _INSTRUMENTED else UNKNOWN
