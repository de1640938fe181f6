"""Calls through LiteLLM: to an openai address, to Anthropic's, to Ollama, and to a plain host."""

import asyncio
from typing import Any

import litellm
from seen import MESSAGES, during, provider, report

from goldseam.instrumentation import instrument
from goldseam.recovery.testing import (
    chat,
    embedding,
    error,
    message,
    message_error,
    ollama,
    stream,
)

instrument(recovery="off")

ROUTES: Any = {
    "openai": (
        {"model": "openai/m", "api_base": provider.base_url}, chat("Nine"), stream(("Ni", "ne")),
        error(400),
    ),
    "hosted_vllm": (
        {"model": "hosted_vllm/m", "api_base": provider.base_url}, chat("Nine"),
        stream(("Ni", "ne")), error(400),
    ),
    "anthropic": (
        {"model": "anthropic/m", "api_base": provider.origin}, message("Nine"), message("Ni ne"),
        message_error(400),
    ),
    "ollama": (
        {"model": "ollama_chat/m", "api_base": provider.origin}, ollama("Nine"), ollama("Ni ne"),
        error(400),
    ),
}  # fmt: skip


async def in_tasks(name: str) -> None:
    """Make the asynchronous calls."""
    route, whole, parts, refusal = ROUTES[name]
    asked = {**route, "messages": MESSAGES, "api_key": "key", "num_retries": 0, "max_retries": 0}
    with during(f"{name} async", whole):
        await litellm.acompletion(**asked)
    with during(f"{name} async stream", parts):
        async for _ in await litellm.acompletion(**asked, stream=True):
            pass
    with during(f"{name} async refusal", refusal):
        await litellm.acompletion(**asked)


for name, (route, whole, parts, refusal) in ROUTES.items():
    asked = {**route, "messages": MESSAGES, "api_key": "key", "num_retries": 0, "max_retries": 0}
    with during(name, whole):
        litellm.completion(**asked)
    with during(f"{name} stream", parts):
        list(litellm.completion(**asked, stream=True))
    with during(f"{name} refusal", refusal):
        litellm.completion(**asked)
    asyncio.run(in_tasks(name))
with during("openai embeddings", embedding()):
    litellm.embedding(model="openai/m", api_base=provider.base_url, api_key="key", input=["one"])
report()
