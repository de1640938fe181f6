"""Calls through LangChain: its openai package, which uses the SDK, and its Ollama package."""

import asyncio
from typing import Any

from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from seen import during, provider, report

from goldseam.instrumentation import instrument
from goldseam.recovery.testing import (
    chat,
    embedding,
    error,
    ollama,
    ollama_embedding,
    ollama_error,
    stream,
)

instrument(recovery="off")

OPENAI: Any = {"api_key": "key", "base_url": provider.base_url, "max_retries": 0}


async def in_tasks(name: str, model: Any, whole: Any, parts: Any, refusal: Any) -> None:
    """Make the asynchronous calls."""
    with during(f"{name} async", whole):
        await model.ainvoke("four plus five?")
    with during(f"{name} async stream", parts):
        async for _ in model.astream("four plus five?"):
            pass
    with during(f"{name} async refusal", refusal):
        await model.ainvoke("four plus five?")


def calls(name: str, model: Any, whole: Any, parts: Any, refusal: Any) -> None:
    """Make the same calls in all manners."""
    with during(name, whole):
        model.invoke("four plus five?")
    with during(f"{name} stream", parts):
        list(model.stream("four plus five?"))
    with during(f"{name} refusal", refusal):
        model.invoke("four plus five?")
    asyncio.run(in_tasks(name, model, whole, parts, refusal))


calls("openai", ChatOpenAI(model="m", **OPENAI), chat("Nine"), stream(("Ni", "ne")), error(400))
calls(
    "ollama",
    ChatOllama(model="m", base_url=provider.origin),
    ollama("Nine"),
    ollama("Ni ne"),
    ollama_error(400, "No."),
)
with during("openai embeddings", embedding()):
    OpenAIEmbeddings(model="m", check_embedding_ctx_length=False, **OPENAI).embed_query("one")
with during("ollama embeddings", ollama_embedding()):
    OllamaEmbeddings(model="m", base_url=provider.origin).embed_query("one")
report()
