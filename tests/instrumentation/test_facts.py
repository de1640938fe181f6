"""Names, addresses and callers: the small pure parts."""

import asyncio

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, openai_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    exception_attributes,
    http_attributes,
    server_attributes,
)

from goldseam.instrumentation import _formats, _names, context
from goldseam.instrumentation._context import call_attributes, without_own_baggage
from goldseam.instrumentation._endpoint import Endpoints, recognise
from goldseam.instrumentation._formats import _other, format_of, other_of
from goldseam.instrumentation._guard import fenced
from goldseam.recovery import Provider

CONVENTIONS = {
    value
    for module in (
        gen_ai_attributes,
        openai_attributes,
        error_attributes,
        exception_attributes,
        http_attributes,
        server_attributes,
    )
    for name, value in vars(module).items()
    if name.isupper() or name.endswith("_TEMPLATE")
}


def test_names_are_the_conventions() -> None:
    """Every name that we write out exists in the installed conventions."""
    ours = {value for name, value in vars(_names).items() if name.isupper()}

    assert ours - CONVENTIONS == set()


PROVIDERS = {
    "cheap": Provider(name="cheap", base_url="https://api.groq.com/openai/v1"),
    "gateway": Provider(name="gateway", base_url="http://gateway.local:9000"),
    "deep": Provider(name="deep", base_url="http://gateway.local:9000/deep/v1/"),
}


@pytest.mark.parametrize(
    ("url", "provider", "family", "address", "port"),
    [
        ("https://api.openai.com/v1/", "openai", "openai", "api.openai.com", 443),
        ("https://me.openai.azure.com/openai/", "azure.ai.openai", "azure.ai.openai",
         "me.openai.azure.com", 443),
        ("http://localhost:11434/v1", "ollama", "ollama", "localhost", 11434),
        ("http://[::1]:11434/v1", "ollama", "ollama", "::1", 11434),
        ("http://host.docker.internal:11434/v1", "ollama", "ollama",
         "host.docker.internal", 11434),
        ("http://ollama-gpu.models.svc/v1", "ollama", "ollama", "ollama-gpu.models.svc", 80),
        ("http://vllm:8000/v1", "vllm", "vllm", "vllm", 8000),
        ("https://me.cognitiveservices.azure.com/openai/", "azure.ai.openai", "azure.ai.openai",
         "me.cognitiveservices.azure.com", 443),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock", "aws.bedrock",
         "bedrock-runtime.eu-west-1.amazonaws.com", 443),
        ("https://aiplatform.eu.rep.googleapis.com/v1", "gcp.vertex_ai", "gcp.vertex_ai",
         "aiplatform.eu.rep.googleapis.com", 443),
        ("https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "ovhcloud", "ovhcloud",
         "oai.endpoints.kepler.ai.cloud.ovh.net", 443),
        ("https://api.mistral.ai/v1", "mistral_ai", "mistral_ai", "api.mistral.ai", 443),
        ("https://api.groq.com/openai/v1/", "cheap", "groq", "api.groq.com", 443),
        ("http://gateway.local:9000/any/v1", "gateway", "gateway", "gateway.local", 9000),
        ("http://gateway.local:9000/deep/v1", "deep", "deep", "gateway.local", 9000),
        ("http://gateway.local:9001/v1", "openai", "openai", "gateway.local", 9001),
        ("http://evil-api.openai.com.example/v1", "openai", "openai",
         "evil-api.openai.com.example", 80),
        ("", "openai", "openai", "", 0),
    ],
)  # fmt: skip
def test_provider_is_recognised(
    url: str, provider: str, family: str, address: str, port: int
) -> None:
    """Configured providers come first, the longest path wins; then hosts; then the protocol."""
    found = recognise(url, PROVIDERS)

    assert (found.provider, found.family) == (provider, family)
    assert (found.address, found.port) == (address, port)


def test_reassigned_base_url_is_noticed() -> None:
    """A client that changes its address is another endpoint from then on."""

    class Client:
        base_url = "https://api.openai.com/v1"

    client, endpoints = Client(), Endpoints({})
    assert endpoints.of(client) is endpoints.of(client)
    client.base_url = "http://localhost:11434/v1"

    assert endpoints.of(client).provider == "ollama"


@pytest.mark.parametrize(
    ("method", "url", "operation"),
    [
        ("post", "/chat/completions", "chat"),
        ("POST", "https://host/v1/chat/completions?api-version=1", "chat"),
        ("post", "embeddings", "embeddings"),
        ("get", "/chat/completions", None),
        ("post", "/chat/completions/abc", None),
        ("post", "/completions", "text_completion"),
        ("post", "/openai/v1/chat/completions", "chat"),
        ("post", "/responses", "chat"),
        ("post", "/responses/resp_1/cancel", None),
        ("post", "/v1/messages?beta=true", "chat"),
        ("post", "/v1/messages/count_tokens", None),
        ("post", "/threads/thread_1/messages", None),
        ("post", "/models", None),
    ],
)
def test_format_of_a_request(method: str, url: str, operation: str | None) -> None:
    """Method and path decide whether a request is a known AI call."""
    found = format_of(method, url)

    assert (found.operation if found else None) == operation


@pytest.mark.parametrize(
    ("method", "url", "operation"),
    [
        ("post", "/images/generations", "image_generation"),
        ("post", "/openai/v1/audio/transcriptions", "transcription"),
        ("post", "/audio/speech", "speech"),
        ("post", "/moderations", "moderation"),
        ("post", "/rerank", "rerank"),
        ("post", "/v1/messages/count_tokens", "count_tokens"),
        ("post", "/v1/messages/batches/msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d/cancel", "cancel"),
        ("post", "/threads/thread_9bFk2/runs?include=x", "runs"),
        ("post", "/fine-tunes", "fine-tunes"),
        ("post", "/files/file-9bFk2", "files"),
        ("post", "/", "other"),
        ("get", "/models", None),
        ("delete", "/files/file-1", None),
    ],
)
def test_operation_of_another_request(method: str, url: str, operation: str | None) -> None:
    """Any other POST of an SDK is named after its path; ids are no names."""
    found = other_of(method, url)

    assert (found.operation if found else None) == operation


def test_operations_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths that go on being new share one operation, which is a metric attribute."""
    monkeypatch.setattr(_other, "_formats", {})
    words = [a + b for a in "abcdefghij" for b in "abcdefghij"]

    found = [other_of("post", f"/{word}") for word in words]

    operations = [each.operation for each in found if each is not None]
    assert operations == [*words[:64], *["other"] * 36]


def test_remembered_urls_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes a URL per call is served, and memory does not grow with it."""
    remembered = dict(_formats._by_url)
    monkeypatch.setattr(_formats, "_by_url", remembered)

    found = {format_of("post", f"/{n}/chat/completions") for n in range(1000)}

    assert found == {_formats.FORMATS[0]}
    assert len(remembered) == _formats.MAX_REMEMBERED_URLS


class TestContext:
    """`context` as block, as decorator, across tasks; baggage."""

    def _now(self) -> dict[str, str]:
        return dict(call_attributes(baggage.get_all()))

    def test_decorator_of_both_kinds(self) -> None:
        """Functions and coroutine functions run inside the context they are decorated with."""

        @context(module="sync")
        def sync() -> dict[str, str]:
            return self._now()

        @context(module="async")
        async def asynchronous() -> dict[str, str]:
            await asyncio.sleep(0)
            return self._now()

        assert sync() == {"goldseam.module": "sync"}
        assert asyncio.run(asynchronous()) == {"goldseam.module": "async"}
        assert self._now() == {}

    def test_one_object_in_many_tasks(self) -> None:
        """Tasks that share a context object do not disturb each other."""
        shared = context(tenant_id="acme")

        async def inside(number: int) -> dict[str, str]:
            async with shared, context(task=number):
                await asyncio.sleep(0)
                return self._now()

        async def many() -> list[dict[str, str]]:
            return await asyncio.gather(*(inside(number) for number in range(5)))

        assert asyncio.run(many()) == [
            {"goldseam.tenant.id": "acme", "goldseam.task": str(number)} for number in range(5)
        ]

    def test_values_are_cut_and_encodable(self) -> None:
        """A value becomes text of at most 128 characters that every exporter can encode."""
        with context(user_id="x" * 500, task="\ud800"):
            assert self._now() == {"goldseam.user.id": "x" * 128, "goldseam.task": "?"}

    def test_baggage_is_read_by_an_allow_list(self) -> None:
        """Known baggage keys are read, `context` wins over them, nothing else comes in."""
        carried = otel.Context()
        for key in ("goldseam.tenant.id", "goldseam.module", "goldseam.request.id", "other"):
            carried = baggage.set_baggage(key, f"from {key}", carried)
        with context(module="mine"):
            assert dict(call_attributes(baggage.get_all(carried))) == {
                "goldseam.tenant.id": "from goldseam.tenant.id",
                "goldseam.module": "mine",
            }

    def test_own_baggage_does_not_travel_to_the_provider(self) -> None:
        """`goldseam.*` is gone from the provider call's context, the rest stays."""
        carried = baggage.set_baggage("other", "1", otel.Context())
        carried = baggage.set_baggage("goldseam.tenant.id", "acme", carried)

        assert dict(baggage.get_all(without_own_baggage(carried))) == {"other": "1"}


def test_fence_returns_what_comes() -> None:
    """Without a fault the fence is invisible."""
    assert fenced(lambda value: value + 1)(1) == 2
