"""Sets up one subject inside its own environment and returns how it asks a question.

Called by `worker`. Every subject has the settings that its documentation leads to: a time-out of a
second, its usual repeats, and the fallback where the scenario has one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 1.0
MODEL = "gpt-4o"

Ask = Callable[[int], Awaitable[str]]


@dataclass
class Setup:
    """What the providers are, and what the subject records.

    Attributes:
        primary: Base URL of the provider that is asked.
        fallback: Base URL of the other; None without one.
        deadline_s: Goldseam's deadline; None takes the time-out.
        http: An HTTP client that answers from memory; None uses the network.
        is_stream: Whether answers are streamed.
        max_retries: The SDK's own repeats; None leaves its default.
        recorded: Attempts that the subject's telemetry shows; None where it shows none.
        closing: Called at the end.
    """

    primary: str
    fallback: str | None
    deadline_s: float | None
    http: Any = None
    is_stream: bool = False
    max_retries: int | None = None
    recorded: Callable[[], int] | None = None
    closing: list[Callable[[], Any]] = field(default_factory=list)


def bare(setup: Setup) -> Ask:
    """Ask through the SDK with its own two repeats."""
    import openai  # noqa: PLC0415 - in this subject's environment only

    repeats = {} if setup.max_retries is None else {"max_retries": setup.max_retries}
    client = openai.AsyncOpenAI(
        api_key="test", base_url=setup.primary, timeout=TIMEOUT_S, http_client=setup.http, **repeats
    )

    async def ask(case: int) -> str:
        answer = await client.chat.completions.create(model=MODEL, messages=_messages(case))
        return answer.choices[0].message.content or ""

    async def read(case: int) -> str:
        chunks = await client.chat.completions.create(
            model=MODEL, messages=_messages(case), stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    return read if setup.is_stream else ask


def goldseam(setup: Setup) -> Ask:
    """Ask through the SDK with Goldseam around it; its spans are counted."""
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: PLC0415

    from goldseam.instrumentation import instrument, uninstrument  # noqa: PLC0415

    class Counting(SpanProcessor):
        attempts = 0

        def on_end(self, span: Any) -> None:
            facts = span.attributes or {}
            kind = facts.get("goldseam.span.type")
            is_single = kind == "request" and not facts.get("goldseam.recovery.steps")
            self.attempts += kind == "attempt" or is_single

    counting = Counting()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(counting)
    instrument(tracer_provider=tracer_provider, recovery=goldseam_config(setup))
    setup.recorded = lambda: counting.attempts
    setup.closing.append(uninstrument)
    return bare(setup)


def goldseam_config(setup: Setup) -> Any:
    """Return Goldseam's settings: recovery on, with the fallback that there is."""
    from goldseam.recovery import Policy, Provider, RecoveryConfig  # noqa: PLC0415

    providers = {"primary": Provider(name="primary", base_url=setup.primary)}
    if setup.fallback is not None:
        providers["fallback"] = Provider(name="fallback", base_url=setup.fallback)
    policy = Policy(deadline_s=setup.deadline_s, fallback=("fallback",) if setup.fallback else ())
    return RecoveryConfig(mode="on", policy=policy, providers=providers)


def litellm(setup: Setup) -> Ask:
    """Ask through LiteLLM's Router with two repeats and one fallback group."""
    import litellm as lib  # noqa: PLC0415 - in this subject's environment only

    lib.suppress_debug_info = True
    lib.aclient_session = setup.http

    def group(name: str, base_url: str) -> dict[str, Any]:
        where = {"model": f"openai/{MODEL}", "api_base": base_url, "api_key": "test"}
        return {"model_name": name, "litellm_params": {**where, "timeout": TIMEOUT_S}}

    groups, fallbacks = [group("primary", setup.primary)], []
    if setup.fallback is not None:
        groups.append(group("fallback", setup.fallback))
        fallbacks.append({"primary": ["fallback"]})
    router = lib.Router(model_list=groups, fallbacks=fallbacks, num_retries=2, timeout=TIMEOUT_S)

    async def ask(case: int) -> str:
        answer = await router.acompletion(model="primary", messages=_messages(case))
        return answer.choices[0].message.content or ""

    return ask


def pydantic_ai(setup: Setup) -> Ask:
    """Ask an agent whose model falls back to another."""
    import openai  # noqa: PLC0415 - in this subject's environment only
    from pydantic_ai import Agent  # noqa: PLC0415
    from pydantic_ai.models.fallback import FallbackModel  # noqa: PLC0415
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    def model(base_url: str) -> Any:
        client = openai.AsyncOpenAI(
            api_key="test", base_url=base_url, timeout=TIMEOUT_S, http_client=setup.http
        )
        return OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client))

    models = [model(url) for url in (setup.primary, setup.fallback) if url is not None]
    agent = Agent(FallbackModel(*models) if len(models) > 1 else models[0])

    async def ask(case: int) -> str:
        return str((await agent.run(f"case {case}")).output)

    return ask


CLIENTS: dict[str, Callable[[Setup], Ask]] = {
    "bare": bare,
    "goldseam": goldseam,
    "litellm": litellm,
    "pydantic-ai": pydantic_ai,
}


def _messages(case: int) -> Any:
    return [{"role": "user", "content": f"case {case}"}]


async def settle() -> None:
    """Let background tasks of a subject end."""
    for _ in range(3):
        await asyncio.sleep(0)
