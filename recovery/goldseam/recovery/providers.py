"""The providers that a call may be sent to, and which of them are ready.

`config` makes them; `drivers` asks which are ready; the instrumentation makes clients from them.
Keys are read from the environment when they are needed and stand in no repr.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from goldseam.recovery.values import Alternative, Target

Api = Literal["openai", "anthropic"]
"""The HTTP APIs that a request can be carried on in: OpenAI's, which most providers speak, or
Anthropic's. A request goes only to providers of the API it is written in."""

Preset = Literal["development", "production"]
"""A chain of two providers: a local or European one first, OpenAI behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    Attributes:
        name: Its name in policies and telemetry.
        base_url: Address of its API, ending where the client's `base_url` would.
        api_key_env: Name of the environment variable that holds the key; None needs no key.
        models: Asked model to model here; `*` stands for all others; absent means the same name.
        timeout_s: Time-out of one attempt there; None takes the caller's.
        api: The API that it speaks at `base_url`.
        windows: Tokens that a model here takes, prompt and answer together; `*` stands for all
            others.
        limit_window_s: The provider counts requests in windows of so many seconds and does not say
            how long to wait: after a rate limit it is left alone until the window is over.
        unloads_after_s: Idle seconds after which it unloads a model, so that the next answer takes
            long without being a sign of trouble; None where it does not.
    """

    name: str
    base_url: str
    api_key_env: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    api: Api = "openai"
    unloads_after_s: float | None = None
    windows: Mapping[str, int] = field(default_factory=dict)
    limit_window_s: float | None = None

    def api_key(self) -> str | None:
        """Return the key from the environment; None where none is set."""
        return (os.environ.get(self.api_key_env) or None) if self.api_key_env else None

    @property
    def is_ready(self) -> bool:
        """Whether a call could be sent there: it needs no key, or has one."""
        return self.api_key_env is None or self.api_key() is not None

    def target_for(self, model: str | None) -> Target:
        """Return where a request for `model` goes here."""
        if model is None:
            return Target(self.name, self.models.get("*"))
        return Target(self.name, self.models.get(model, self.models.get("*", model)))

    def window_of(self, target: Target) -> int | None:
        """Return how many tokens a model here takes; None where nobody said."""
        return self.windows.get(target.model or "*", self.windows.get("*"))


def ready_alternatives(providers: Iterable[Provider], asked: Target) -> tuple[Alternative, ...]:
    """Return the ready providers' targets for what was asked, in order, without the asked one."""
    targets = (
        Alternative(target, provider.timeout_s, provider.window_of(target))
        for provider in providers
        if provider.is_ready
        for target in (provider.target_for(asked.model),)
    )
    return tuple(alternative for alternative in targets if alternative.target != asked)


PRESETS: Final[Mapping[str, Provider]] = {
    preset.name: preset
    for preset in (
        Provider(
            name="anthropic",
            base_url="https://api.anthropic.com",
            api_key_env="ANTHROPIC_API_KEY",
            api="anthropic",
        ),
        Provider(name="ollama", base_url="http://127.0.0.1:11434/v1", unloads_after_s=300.0),
        Provider(name="openai", base_url="https://api.openai.com/v1", api_key_env="OPENAI_API_KEY"),
        Provider(
            name="ovhcloud",
            base_url="https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
            api_key_env="OVH_AI_ENDPOINTS_ACCESS_TOKEN",
            limit_window_s=60.0,
        ),
    )
}
"""Providers that need no `base_url` in the settings."""

_CHAINS: Final[Mapping[Preset, Mapping[str, str]]] = {
    "development": {"ollama": "llama3.2", "openai": "gpt-4o-mini"},
    "production": {"ovhcloud": "Meta-Llama-3_3-70B-Instruct", "openai": "gpt-4o-mini"},
}
"""Each preset's providers, in order, with the model that is asked there for any other."""


def preset_providers(preset: Preset) -> tuple[Provider, ...]:
    """Return a preset's providers, the first to ask first.

    Each answers with one model of its own, whatever was asked: what runs at Ollama or OVHcloud has
    no namesake at OpenAI.
    """
    chain = _CHAINS[preset]
    return tuple(replace(PRESETS[name], models={"*": model}) for name, model in chain.items())
