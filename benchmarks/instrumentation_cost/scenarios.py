"""The calls that are measured, each as a function of a client.

Imported by the orchestrating process for names and titles, and inside a subject's environment to
make the calls.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from instrumentation_cost.answers import CHUNKS, MODEL, REFUSED_MODEL, transports

CONCURRENT: Final = 50
LONG_PROMPT_BYTES: Final = 40_000

_SENTENCE: Final = "The invoice of the third quarter lists forty-two items, all of them paid. "
LONG_PROMPT: Final = (_SENTENCE * (LONG_PROMPT_BYTES // len(_SENTENCE) + 1))[:LONG_PROMPT_BYTES]

_SYSTEM: Final = "You are a calculator. Answer in one short sentence."
_QUESTION: Final = "How much is four plus five?"


@dataclass(slots=True)
class Clients:
    """One client of each kind, over transports that answer from memory, and a loop to run in."""

    sync: Any
    asynchronous: Any
    loop: asyncio.AbstractEventLoop


class Around(Protocol):
    """What a subject without a wrapper of its own puts around a call."""

    def sync(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return the call with what belongs around it."""

    def asynchronous(
        self, call: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> Callable[[Any], Coroutine[Any, Any, None]]:
        """Return the call with what belongs around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of call.

    Attributes:
        name: What the command line calls it.
        title: What tables call it.
        call: Makes one call with the sync client.
        async_call: Makes one call with the async client; exactly one of the two is given.
        concurrent: Calls under way at a time.
        sampled: Whether the sampler keeps the span.
        calls: Calls of one measurement of instructions.
    """

    name: str
    title: str
    call: Callable[[Any], None] | None = None
    async_call: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    concurrent: int = 1
    sampled: bool = True
    calls: int = 20


def make_clients() -> Clients:
    """Return clients that never leave the process."""
    import openai  # noqa: PLC0415 - the orchestrating process has no need of it

    from instrumentation_cost.answers import http_module  # noqa: PLC0415 - as above

    http = http_module()
    sync_transport, async_transport = transports()
    options = {"api_key": "unused", "base_url": "https://api.openai.com/v1", "max_retries": 0}
    return Clients(
        openai.OpenAI(**options, http_client=http.Client(transport=sync_transport)),
        openai.AsyncOpenAI(**options, http_client=http.AsyncClient(transport=async_transport)),
        asyncio.new_event_loop(),
    )


def run(scenario: Scenario, clients: Clients, count: int, around: Around | None) -> None:
    """Make `count` calls of a scenario."""
    if scenario.call is not None:
        call = around.sync(scenario.call) if around else scenario.call
        for _ in range(count):
            call(clients.sync)
    elif scenario.async_call is not None:
        start = around.asynchronous(scenario.async_call) if around else scenario.async_call
        clients.loop.run_until_complete(_run_async(start, clients.asynchronous, scenario, count))


async def _run_async(
    call: Callable[[Any], Awaitable[None]], client: Any, scenario: Scenario, count: int
) -> None:
    if scenario.concurrent == 1:
        for _ in range(count):
            await call(client)
        return
    for _ in range(count // scenario.concurrent):
        await asyncio.gather(*(call(client) for _ in range(scenario.concurrent)))


def _messages(question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": question}]


def _chat(client: Any) -> None:
    client.chat.completions.create(
        model=MODEL, messages=_messages(_QUESTION), temperature=0.2, max_tokens=100
    )


async def _chat_async(client: Any) -> None:
    await client.chat.completions.create(
        model=MODEL, messages=_messages(_QUESTION), temperature=0.2, max_tokens=100
    )


def _stream(client: Any) -> None:
    seen = 0
    for _ in client.chat.completions.create(
        model=MODEL,
        messages=_messages(_QUESTION),
        temperature=0.2,
        max_tokens=100,
        stream=True,
        stream_options={"include_usage": True},
    ):
        seen += 1
    _expect(seen == CHUNKS)


def _responses(client: Any) -> None:
    client.responses.create(
        model=MODEL,
        instructions=_SYSTEM,
        input=_QUESTION,
        temperature=0.2,
        max_output_tokens=100,
    )


def _embeddings(client: Any) -> None:
    client.embeddings.create(
        model="text-embedding-3-small", input=_QUESTION, encoding_format="float"
    )


def _chat_long(client: Any) -> None:
    client.chat.completions.create(
        model=MODEL, messages=_messages(LONG_PROMPT), temperature=0.2, max_tokens=100
    )


def _chat_refused(client: Any) -> None:
    import openai  # noqa: PLC0415 - the orchestrating process has no need of it

    try:
        client.chat.completions.create(
            model=REFUSED_MODEL, messages=_messages(_QUESTION), temperature=9, max_tokens=100
        )
    except openai.BadRequestError:
        return
    _expect(holds=False)


def _hash_long(_client: Any) -> None:
    hashlib.sha256(LONG_PROMPT.encode()).hexdigest()


def _expect(holds: bool) -> None:  # noqa: FBT001 - reads like an assertion
    if not holds:
        raise RuntimeError("the canned provider gave another answer than the scenario wants")


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(name="chat", title="chat sync", call=_chat, calls=20),
    Scenario(name="chat-async", title="chat async", async_call=_chat_async, calls=20),
    Scenario(
        name="chat-async-50",
        title="chat async, 50 at once",
        async_call=_chat_async,
        concurrent=CONCURRENT,
        calls=CONCURRENT,
    ),
    Scenario(name="stream", title="stream of 50", call=_stream, calls=3),
    Scenario(name="responses", title="responses", call=_responses, calls=20),
    Scenario(name="embeddings", title="embeddings", call=_embeddings, calls=20),
    Scenario(name="chat-40k", title="chat, 40 kB prompt", call=_chat_long, calls=5),
    Scenario(name="chat-400", title="chat answered 400", call=_chat_refused, calls=20),
    Scenario(name="chat-dropped", title="chat, span dropped", call=_chat, sampled=False, calls=20),
)

HASH_ALONE: Final = Scenario(name="sha256", title="SHA-256 of 40 kB", call=_hash_long, calls=5)
"""What hashing the long prompt costs by itself, with no client at all."""


def named(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises:
        ValueError: There is none; the message lists those there are.
    """
    found = {scenario.name: scenario for scenario in (*SCENARIOS, HASH_ALONE)}
    if name not in found:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(found)}")
    return found[name]
