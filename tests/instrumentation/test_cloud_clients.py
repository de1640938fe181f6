"""The SDKs' clients for clouds: the class tells the provider where the address does not."""

import asyncio
from typing import Any

import openai
import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import KEY, QUESTION, Recorder
from tests.instrumentation.styles import create, entered, exported, read, settle

from goldseam.instrumentation._sdks import provider_of
from goldseam.recovery.testing import ScriptedProvider, Usage, chat, error, stream

CHAT: Any = {"model": "my-gpt", "messages": QUESTION}

pytestmark = pytest.mark.usefixtures("watched")


def _azure(provider: ScriptedProvider, *, is_async: bool, **asked: Any) -> Any:
    """Ask a deployment and return the answer, or the chunks of a stream."""
    made = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    options: Any = {"azure_endpoint": provider.origin, "api_version": "2024-10-21"}

    async def main() -> Any:
        async with entered(made(api_key=KEY, max_retries=0, **options)) as client:
            if not asked.get("stream"):
                return await create(client, "chat.completions", {**CHAT, **asked})
            return await read(await settle(client.chat.completions.create(**CHAT, **asked)))

    return asyncio.run(main())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_azure_answers(*, is_async: bool, provider: ScriptedProvider, recorder: Recorder) -> None:
    """A deployment's answer, behind a gateway of the application's own."""
    provider.script(chat("Nine", usage=Usage(14, 2)))

    _azure(provider, is_async=is_async)

    assert provider.requests[0].path == "/openai/deployments/my-gpt/chat/completions"
    assert recorder.leaked == []
    assert exported(recorder.request) == snapshot(
        [
            "CLIENT chat my-gpt",
            "status UNSET",
            "gen_ai.operation.name = 'chat'",
            "gen_ai.provider.name = 'azure.ai.openai'",
            "gen_ai.request.model = 'my-gpt'",
            "gen_ai.response.finish_reasons = ('stop',)",
            "gen_ai.response.id = 'chatcmpl-1'",
            "gen_ai.response.model = 'my-gpt'",
            "gen_ai.usage.input_tokens = 14",
            "gen_ai.usage.output_tokens = 2",
            "goldseam.log.id = …",
            "goldseam.prompt.length = 15",
            "goldseam.prompt.sha256 = db2f7c77…",
            "goldseam.provider.name = 'azure.ai.openai'",
            "goldseam.recovery.outcome = 'not_needed'",
            "goldseam.response.length = 4",
            "goldseam.span.type = 'request'",
            "http.response.status_code = 200",
            "openai.api.type = 'chat_completions'",
            "server.address = '127.0.0.1'",
            "server.port = …",
        ]
    )


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_azure_streams(*, is_async: bool, provider: ScriptedProvider, recorder: Recorder) -> None:
    """A deployment's stream, read to its end."""
    provider.script(stream(("Ni", "ne"), usage=Usage(14, 2)))

    _azure(provider, is_async=is_async, stream=True, stream_options={"include_usage": True})

    assert recorder.leaked == []
    assert exported(recorder.request) == snapshot(
        [
            "CLIENT chat my-gpt",
            "status UNSET",
            "gen_ai.operation.name = 'chat'",
            "gen_ai.provider.name = 'azure.ai.openai'",
            "gen_ai.request.model = 'my-gpt'",
            "gen_ai.request.stream = True",
            "gen_ai.response.finish_reasons = ('stop',)",
            "gen_ai.response.id = 'chatcmpl-1'",
            "gen_ai.response.model = 'my-gpt'",
            "gen_ai.response.time_to_first_chunk = float",
            "gen_ai.usage.input_tokens = 14",
            "gen_ai.usage.output_tokens = 2",
            "goldseam.log.id = …",
            "goldseam.prompt.length = 15",
            "goldseam.prompt.sha256 = db2f7c77…",
            "goldseam.provider.name = 'azure.ai.openai'",
            "goldseam.recovery.outcome = 'not_needed'",
            "goldseam.response.length = 4",
            "goldseam.span.type = 'request'",
            "http.response.status_code = 200",
            "openai.api.type = 'chat_completions'",
            "server.address = '127.0.0.1'",
            "server.port = …",
        ]
    )


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_azure_refuses(*, is_async: bool, provider: ScriptedProvider, recorder: Recorder) -> None:
    """A deployment's refusal reaches the caller and the span."""
    provider.script(error(429, retry_after=3))

    with pytest.raises(openai.RateLimitError):
        _azure(provider, is_async=is_async)

    assert recorder.leaked == []
    assert exported(recorder.request) == snapshot(
        [
            "CLIENT chat my-gpt",
            "status ERROR",
            "status text 'Rate limit reached for requests.'",
            "error.type = 'openai.RateLimitError'",
            "gen_ai.operation.name = 'chat'",
            "gen_ai.provider.name = 'azure.ai.openai'",
            "gen_ai.request.model = 'my-gpt'",
            "goldseam.error.code = 'RATE_LIMIT'",
            "goldseam.log.id = …",
            "goldseam.prompt.length = 15",
            "goldseam.prompt.sha256 = db2f7c77…",
            "goldseam.provider.name = 'azure.ai.openai'",
            "goldseam.recovery.outcome = 'skipped'",
            "goldseam.span.type = 'request'",
            "http.response.header.retry-after = ('3',)",
            "http.response.header.x-request-id = ('req_00000001',)",
            "http.response.status_code = 429",
            "openai.api.type = 'chat_completions'",
            "server.address = '127.0.0.1'",
            "server.port = …",
        ]
    )


@pytest.mark.parametrize(
    ("module", "class_name", "options", "expected"),
    [
        ("openai", "AzureOpenAI", {"api_key": KEY, "api_version": "1"}, "azure.ai.openai"),
        ("anthropic", "AnthropicFoundry", {"api_key": KEY}, "azure.ai.inference"),
        ("anthropic", "AnthropicVertex",
         {"access_token": KEY, "project_id": "p", "region": "r"}, "gcp.vertex_ai"),
    ],
)  # fmt: skip
def test_class_tells_the_provider(
    module: str, class_name: str, options: dict[str, Any], expected: str
) -> None:
    """At an address that nobody knows the provider is the one that the class is made for."""
    library = pytest.importorskip(module)
    with getattr(library, class_name)(base_url="http://gateway.local", **options) as client:
        assert provider_of(client) == expected
