"""What each Python library is made to do: run by `capture.py` in the library's own environment.

Every program makes the same calls as far as its library can: a chat, a streamed chat, a chat that
is refused with 429, an embedding. The provider's address is in PROVIDER, spans go to where the
OTEL_* variables say; each program ends by sending all of them in one request.
"""

import os
import sys
from contextlib import suppress
from typing import Any

PROVIDER = os.environ["PROVIDER"]
MODEL, REFUSED = "gpt-4o", "gpt-4o-mini"
CLAUDE, CLAUDE_REFUSED = "claude-sonnet-4-5", "claude-haiku-4-5"
QUESTION = "What is four plus five?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


def provider_from_sdk() -> Any:
    """Set up the plain SDK, sending over HTTP."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def openai_calls() -> None:
    from openai import OpenAI

    client = OpenAI(base_url=f"{PROVIDER}/v1", api_key="none", max_retries=0)
    client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0.2, user="u-1")
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    for _ in stream:
        pass
    with suppress(Exception):
        client.chat.completions.create(model=REFUSED, messages=MESSAGES)
    client.embeddings.create(model="text-embedding-3-small", input=QUESTION)


def anthropic_calls() -> None:
    from anthropic import Anthropic

    client = Anthropic(base_url=PROVIDER, api_key="none", max_retries=0)
    client.messages.create(model=CLAUDE, max_tokens=64, messages=MESSAGES)
    for _ in client.messages.create(model=CLAUDE, max_tokens=64, messages=MESSAGES, stream=True):
        pass
    with suppress(Exception):
        client.messages.create(model=CLAUDE_REFUSED, max_tokens=64, messages=MESSAGES)


def langchain_calls() -> None:
    from langchain_openai import ChatOpenAI

    for model in (MODEL, REFUSED):
        chat = ChatOpenAI(
            model=model, base_url=f"{PROVIDER}/v1", api_key="none", max_retries=0, stream_usage=True
        )
        with suppress(Exception):
            chat.invoke(QUESTION)
        with suppress(Exception):
            for _ in chat.stream(QUESTION):
                pass


def openai_v2() -> None:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    provider = provider_from_sdk()
    OpenAIInstrumentor().instrument()
    openai_calls()
    provider.shutdown()


openai_v2_latest = openai_v2


def genai_openai() -> None:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    provider = provider_from_sdk()
    OpenAIInstrumentor().instrument()
    openai_calls()
    provider.shutdown()


def genai_anthropic() -> None:
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor

    provider = provider_from_sdk()
    AnthropicInstrumentor().instrument()
    anthropic_calls()
    provider.shutdown()


def genai_langchain() -> None:
    from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

    provider = provider_from_sdk()
    LangChainInstrumentor().instrument()
    langchain_calls()
    provider.shutdown()


def google_genai() -> None:
    from google import genai
    from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

    provider = provider_from_sdk()
    GoogleGenAiSdkInstrumentor().instrument()
    client = genai.Client(api_key="none", http_options={"base_url": PROVIDER})
    client.models.generate_content(model="gemini-2.5-flash", contents=QUESTION)
    for _ in client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION):
        pass
    with suppress(Exception):
        client.models.generate_content(model="gemini-2.5-flash-lite", contents=QUESTION)
    client.models.embed_content(model="gemini-embedding-001", contents=QUESTION)
    provider.shutdown()


def anthropic() -> None:
    provider = provider_from_sdk()
    anthropic_calls()
    provider.shutdown()


def openllmetry() -> None:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    provider = provider_from_sdk()
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()
    openai_calls()
    anthropic_calls()
    provider.shutdown()


def openinference() -> None:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = provider_from_sdk()
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()
    openai_calls()
    anthropic_calls()
    provider.shutdown()


def langchain() -> None:
    """OpenInference on the framework and on the SDK below it: two spans a call."""
    from openinference.instrumentation.langchain import LangChainInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = provider_from_sdk()
    LangChainInstrumentor().instrument()
    OpenAIInstrumentor().instrument()
    langchain_calls()
    provider.shutdown()


def logfire() -> None:
    import logfire as library

    library.configure(send_to_logfire=False, console=False, inspect_arguments=False)
    library.instrument_openai()
    openai_calls()
    library.shutdown()


def openlit() -> None:
    import openlit as library
    from opentelemetry import trace

    library.init(disable_metrics=True, pricing_json=os.environ["PRICES"])
    openai_calls()
    trace.get_tracer_provider().shutdown()


def litellm() -> None:
    import litellm as library
    from opentelemetry import trace

    provider = provider_from_sdk()
    library.callbacks = ["otel"]
    common: Any = {"api_base": f"{PROVIDER}/v1", "api_key": "none", "messages": MESSAGES}
    library.completion(model=f"openai/{MODEL}", user="u-1", **common)
    stream = library.completion(
        model=f"openai/{MODEL}", stream=True, stream_options={"include_usage": True}, **common
    )
    for _ in stream:
        pass
    with suppress(Exception):
        library.completion(model=f"openai/{REFUSED}", num_retries=0, max_retries=0, **common)
    library.embedding(
        model="openai/text-embedding-3-small",
        input=[QUESTION],
        api_base=f"{PROVIDER}/v1",
        api_key="none",
    )
    import time

    time.sleep(3)  # its callbacks run in threads that nobody can wait for
    provider.shutdown()
    trace.get_tracer_provider()


def pydantic_ai() -> None:
    import asyncio

    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = provider_from_sdk()
    Agent.instrument_all()

    def agent(model: str) -> Any:
        client = AsyncOpenAI(base_url=f"{PROVIDER}/v1", api_key="none", max_retries=0)
        maker = OpenAIProvider(openai_client=client)
        return Agent(OpenAIChatModel(model, provider=maker), name="helper")

    async def stream() -> None:
        async with agent(MODEL).run_stream(QUESTION) as result:
            async for _ in result.stream_text():
                pass

    asyncio.run(agent(MODEL).run(QUESTION))
    asyncio.run(stream())
    with suppress(Exception):
        asyncio.run(agent(REFUSED).run(QUESTION))
    provider.shutdown()


def langfuse() -> None:
    import openai
    from langfuse import Langfuse
    from langfuse.openai import OpenAI

    provider = provider_from_sdk()
    Langfuse(public_key="pk", secret_key="sk", host=PROVIDER, tracer_provider=provider, timeout=1)
    client = OpenAI(base_url=f"{PROVIDER}/v1", api_key="none", max_retries=0)
    client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0.2)
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    for _ in stream:
        pass
    with suppress(openai.OpenAIError):
        client.chat.completions.create(model=REFUSED, messages=MESSAGES)
    client.embeddings.create(model="text-embedding-3-small", input=QUESTION)
    provider.shutdown()


def langsmith() -> None:
    from langsmith.wrappers import wrap_openai
    from openai import OpenAI

    provider = provider_from_sdk()
    client = wrap_openai(OpenAI(base_url=f"{PROVIDER}/v1", api_key="none", max_retries=0))
    client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0.2)
    for _ in client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ):
        pass
    with suppress(Exception):
        client.chat.completions.create(model=REFUSED, messages=MESSAGES)
    from langsmith import Client

    with suppress(Exception):
        Client().flush()
    import time

    time.sleep(3)  # its own threads hand the spans over
    provider.shutdown()


def google_adk() -> None:
    import asyncio

    from google.adk.agents import LlmAgent
    from google.adk.models import Gemini
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    provider = provider_from_sdk()

    async def ask(model: str) -> None:
        agent = LlmAgent(name="helper", model=Gemini(model=model), instruction="Be brief.")
        runner = InMemoryRunner(agent=agent, app_name="shop")
        session = await runner.session_service.create_session(app_name="shop", user_id="u-1")
        message = types.Content(role="user", parts=[types.Part(text=QUESTION)])
        async for _ in runner.run_async(user_id="u-1", session_id=session.id, new_message=message):
            pass

    asyncio.run(ask("gemini-2.5-flash"))
    with suppress(Exception):
        asyncio.run(ask("gemini-2.5-flash-lite"))
    provider.shutdown()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
