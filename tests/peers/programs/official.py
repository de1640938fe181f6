"""Calls with one of the official instrumentations of the openai client beside Goldseam."""

import asyncio
import importlib
import sys
from typing import Any

import openai
from seen import MESSAGES, during, provider, report

from goldseam.instrumentation import instrument
from goldseam.recovery.testing import chat, embedding, error, response, stream

MODULE, ORDER, MODE = sys.argv[2], sys.argv[1], sys.argv[3]

theirs: Any = importlib.import_module(MODULE).OpenAIInstrumentor()
if ORDER == "theirs first":
    theirs.instrument()
instrument(recovery=MODE)
if ORDER == "ours first":
    theirs.instrument()

OPTIONS: Any = {"api_key": "key", "base_url": provider.base_url, "max_retries": 0}
CHAT: Any = {"model": "m", "messages": MESSAGES}


async def in_tasks() -> None:
    """Make the asynchronous calls."""
    async with openai.AsyncOpenAI(**OPTIONS) as client:
        with during("async chat", chat("Nine")):
            await client.chat.completions.create(**CHAT)
        with during("async stream", stream(("Ni", "ne"))):
            async for _ in await client.chat.completions.create(**CHAT, stream=True):
                pass
        with during("async refusal", error(400)):
            await client.chat.completions.create(**CHAT)


with openai.OpenAI(**OPTIONS) as client:
    with during("chat", chat("Nine")):
        client.chat.completions.create(**CHAT)
    with during("stream", stream(("Ni", "ne"))):
        list(client.chat.completions.create(**CHAT, stream=True))
    with during("refusal", error(400)):
        client.chat.completions.create(**CHAT)
    with during("embeddings", embedding()):
        client.embeddings.create(model="m", input="one")
    with during("responses", response("Nine")):
        client.responses.create(model="m", input="one")
asyncio.run(in_tasks())
report()
