"""Clients without the SDKs' shared base class, as their makers ship them, seen on the wire."""

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import QUESTION, Instrument, Recorder, facts_of

from goldseam.recovery.testing import (
    GeminiUsage,
    ScriptedProvider,
    Usage,
    chat,
    error,
    gemini,
    gemini_blocked,
    gemini_embedding,
    gemini_error,
    ollama,
    ollama_embedding,
    ollama_error,
    stream,
)


def _told(recorder: Recorder) -> dict[str, Any]:
    """Return what the only request span tells, without what varies."""
    assert recorder.leaked == []
    left_out = ("goldseam.log.id", "goldseam.prompt.sha256", "server.", "http.", "goldseam.span")
    told = {k: v for k, v in recorder.facts.items() if not k.startswith(left_out)}
    if "gen_ai.response.time_to_first_chunk" in told:
        assert 0 < told.pop("gen_ai.response.time_to_first_chunk") < 5
    return told


@pytest.mark.usefixtures("watched")
class TestOllama:
    """The `ollama` package, on httpx."""

    @pytest.fixture
    def library(self) -> Any:
        """The package, where it is installed."""
        return pytest.importorskip("ollama")

    @pytest.fixture
    def client(self, library: Any, provider: ScriptedProvider) -> Iterator[Any]:
        """A sync client of the scripted provider."""
        with closing(library.Client(host=provider.origin)) as made:
            yield made

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_chat(
        self, kind: str, library: Any, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Model, options, usage, reason and durations are told."""
        provider.script(ollama("Nine", usage=Usage(14, 2)))
        asked: Any = {"model": "llama3.1", "messages": QUESTION, "options": {"num_predict": 9}}

        async def ask() -> Any:
            made = library.AsyncClient(host=provider.origin)
            try:
                return await made.chat(**asked)
            finally:
                await made.close()

        answer = client.chat(**asked) if kind == "sync" else asyncio.run(ask())

        assert answer.message.content == "Nine"
        assert recorder.tree() == ["chat llama3.1 CLIENT request"]
        assert _told(recorder) == snapshot(
            {
                "gen_ai.operation.name": "chat",
                "goldseam.provider.name": "ollama",
                "gen_ai.provider.name": "ollama",
                "gen_ai.request.max_tokens": 9,
                "gen_ai.request.model": "llama3.1",
                "goldseam.prompt.length": 15,
                "goldseam.recovery.outcome": "not_needed",
                "gen_ai.response.model": "llama3.1",
                "gen_ai.usage.input_tokens": 14,
                "gen_ai.usage.output_tokens": 2,
                "goldseam.response.length": 4,
                "gen_ai.response.finish_reasons": ("stop",),
                "goldseam.server.duration": 0.8,
                "goldseam.server.load_duration": 0.5,
                "goldseam.server.prompt_duration": 0.1,
                "goldseam.server.output_duration": 0.2,
            }
        )

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_stream(
        self, kind: str, library: Any, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """JSON lines reach the caller as they come; the last one's facts reach the span."""
        provider.script(ollama("one two three", usage=Usage(14, 3)))
        asked: Any = {"model": "llama3.1", "messages": QUESTION, "stream": True}

        async def ask() -> list[Any]:
            made = library.AsyncClient(host=provider.origin)
            try:
                return [part async for part in await made.chat(**asked)]
            finally:
                await made.close()

        parts = list(client.chat(**asked)) if kind == "sync" else asyncio.run(ask())

        assert "".join(part.message.content for part in parts) == "one two three"
        told = _told(recorder)
        assert told["gen_ai.request.stream"] is True
        assert told["gen_ai.usage.output_tokens"] == 3
        assert told["goldseam.response.length"] == len("one two three")
        assert told["gen_ai.response.finish_reasons"] == ("stop",)

    def test_generate(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """`/api/generate` is a text completion."""
        provider.script(ollama("Nine"))

        client.generate(model="m", system="Be", prompt="4+5?")

        assert recorder.tree() == ["text_completion m CLIENT request"]
        assert recorder.facts["goldseam.prompt.length"] == len("Be\n4+5?")
        assert recorder.facts["goldseam.response.length"] == 4

    def test_embed(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """`/api/embed` tells its input tokens."""
        provider.script(ollama_embedding(usage=Usage(5, 0)))

        client.embed(model="m", input=["a", "b"])

        assert recorder.tree() == ["embeddings m CLIENT request"]
        assert recorder.facts["gen_ai.usage.input_tokens"] == 5

    def test_refusal(
        self, library: Any, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The server's words are kept without what they quote."""
        provider.script(ollama_error(404, "model 'secret-model' not found"))

        with pytest.raises(library.ResponseError):
            client.chat(model="secret-model", messages=QUESTION)

        assert recorder.outcome() == ("ERROR", "404", "NOT_FOUND")
        assert recorder.request.status.description == "model '…' not found"

    def test_error_in_the_middle_of_a_stream(
        self, library: Any, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A line with an error ends the call with it."""
        provider.script(ollama_error(200, "out of memory", after=2))

        with pytest.raises(library.ResponseError):
            list(client.chat("m", QUESTION, stream=True))

        assert recorder.outcome()[:2] == ("ERROR", "error_in_body")

    def test_silent_truncation_is_marked(
        self, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An answer after fewer tokens than the prompt has words is marked; a full one is not."""
        provider.script(ollama("ok", usage=Usage(2048, 1)), ollama("ok", usage=Usage(8100, 1)))
        question = [{"role": "user", "content": "word " * 6000}]

        for _ in range(2):
            client.chat(model="m", messages=question)

        marks = [
            dict(s.attributes or {}).get("goldseam.prompt.truncated") for s in recorder.requests
        ]
        assert marks == [True, None]


@pytest.mark.usefixtures("watched")
class TestGemini:
    """The `google-genai` package."""

    @pytest.fixture
    def client(self, provider: ScriptedProvider) -> Iterator[Any]:
        """A client of the scripted provider."""
        genai = pytest.importorskip("google.genai")
        options = {"base_url": provider.origin}
        with closing(genai.Client(api_key="key", http_options=options)) as made:
            yield made

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_generate_content(
        self, kind: str, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The model comes from the path; thoughts are output, cached tokens are told."""
        usage = GeminiUsage(14, 2, thoughts_tokens=4, cached_tokens=8)
        provider.script(gemini("Nine", usage=usage, model="gemini-2.5-flash-001"))
        asked: Any = {
            "model": "gemini-2.5-flash",
            "contents": "four plus five?",
            "config": {"temperature": 0.5, "system_instruction": "Be brief."},
        }

        async def ask() -> Any:
            try:
                return await client.aio.models.generate_content(**asked)
            finally:
                await client.aio.aclose()

        answer = client.models.generate_content(**asked) if kind == "sync" else asyncio.run(ask())

        assert answer.text == "Nine"
        assert recorder.tree() == ["generate_content gemini-2.5-flash CLIENT request"]
        assert _told(recorder) == snapshot(
            {
                "gen_ai.operation.name": "generate_content",
                "goldseam.provider.name": "gcp.gemini",
                "gen_ai.provider.name": "gcp.gemini",
                "gen_ai.request.temperature": 0.5,
                "gen_ai.request.model": "gemini-2.5-flash",
                "goldseam.prompt.length": 25,
                "goldseam.recovery.outcome": "not_needed",
                "gen_ai.response.model": "gemini-2.5-flash-001",
                "gen_ai.response.id": "gemini-1",
                "gen_ai.usage.input_tokens": 14,
                "gen_ai.usage.output_tokens": 6,
                "gen_ai.usage.cache_read.input_tokens": 8,
                "gen_ai.usage.reasoning.output_tokens": 4,
                "goldseam.response.length": 4,
                "gen_ai.response.finish_reasons": ("STOP",),
            }
        )

    def test_stream(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Server-sent events: text, latest usage and reason."""
        provider.script(gemini("one two three", usage=GeminiUsage(9, 5)))

        parts = list(client.models.generate_content_stream(model="g", contents="Count."))

        assert "".join(part.text for part in parts) == "one two three"
        told = _told(recorder)
        assert told["gen_ai.request.stream"] is True
        assert told["gen_ai.usage.output_tokens"] == 5
        assert told["gen_ai.response.finish_reasons"] == ("STOP",)
        assert told["goldseam.response.length"] == len("one two three")

    def test_async_stream(
        self, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The same for tasks."""
        provider.script(gemini("one two three", usage=GeminiUsage(9, 5)))

        async def ask() -> list[Any]:
            asked: Any = {"model": "g", "contents": "Count."}
            try:
                parts = await client.aio.models.generate_content_stream(**asked)
                return [part.text async for part in parts]
            finally:
                await client.aio.aclose()

        assert "".join(asyncio.run(ask())) == "one two three"
        told = _told(recorder)
        assert told["gen_ai.usage.output_tokens"] == 5
        assert told["goldseam.response.length"] == len("one two three")

    def test_cut_stream(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """A lost connection reaches the caller; the span has it and what had come."""
        provider.script(gemini("one two three", cut_after=1))

        with pytest.raises(Exception, match="peer closed connection"):
            list(client.models.generate_content_stream(model="g", contents="Count."))

        assert recorder.outcome()[0::2] == ("ERROR", "CONNECTION")
        assert recorder.facts["goldseam.response.length"] == len("one")

    def test_embed(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Embeddings of several texts are one call."""
        provider.script(gemini_embedding())

        client.models.embed_content(model="e", contents=["a", "b"])

        assert recorder.tree() == ["embeddings e CLIENT request"]
        assert recorder.facts["goldseam.prompt.length"] == len("a\nb")

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_refusal(
        self, kind: str, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Google's name for the error decides on the code."""
        provider.script(gemini_error(429, "RESOURCE_EXHAUSTED", "Slow down."))

        async def ask() -> None:
            try:
                if kind == "async":
                    await client.aio.models.generate_content(model="g", contents="x")
                else:
                    client.models.generate_content(model="g", contents="x")
            finally:
                await client.aio.aclose()

        with pytest.raises(Exception, match="Slow down"):
            asyncio.run(ask())

        assert recorder.outcome() == ("ERROR", "429", "RATE_LIMIT")

    def test_blocked_prompt(
        self, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Status 200 without a candidate is a refusal by the filter."""
        provider.script(gemini_blocked())

        client.models.generate_content(model="g", contents="x")

        assert recorder.outcome() == ("ERROR", "error_in_body", "CONTENT_FILTER")

    def test_stream_as_one_array(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Without `alt=sse` the stream is one JSON array; its facts are the same."""
        provider.script(gemini("one two three", as_array=True))
        httpx: Any = importlib.import_module("httpx")
        url = f"{provider.origin}/v1beta/models/g:streamGenerateContent"

        with httpx.Client() as client, client.stream("POST", url, json={"contents": []}) as parts:
            assert len(parts.read()) > 0

        assert _told(recorder)["goldseam.response.length"] == len("one two three")
        assert recorder.outcome() == ("UNSET", None, None)


@pytest.mark.usefixtures("watched")
class TestMistral:
    """The `mistralai` package."""

    @pytest.fixture
    def client(self, provider: ScriptedProvider) -> Iterator[Any]:
        """A client of the scripted provider."""
        library = pytest.importorskip("mistralai.client")
        with library.Mistral(api_key="key", server_url=provider.origin) as made:
            yield made

    def test_complete(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """A chat completion by OpenAI's protocol."""
        provider.script(chat("Nine"))

        client.chat.complete(model="mistral-large", messages=QUESTION)

        assert recorder.tree() == ["chat mistral-large CLIENT request"]
        assert recorder.facts["gen_ai.usage.output_tokens"] == 3

    def test_stream(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """A stream that the client reads to `[DONE]`."""
        provider.script(stream(("Ni", "ne"), send_usage="always"))

        with client.chat.stream(model="mistral-large", messages=QUESTION) as events:
            assert len(list(events)) == 5

        assert recorder.outcome() == ("UNSET", None, None)
        assert recorder.facts["gen_ai.usage.output_tokens"] == 3

    def test_tasks(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Whole and streamed, for tasks."""
        provider.script(chat("Nine"), stream(("Ni", "ne"), send_usage="always"))

        async def ask() -> None:
            async with client:
                await client.chat.complete_async(model="mistral-large", messages=QUESTION)
                asked: Any = {"model": "mistral-large", "messages": QUESTION}
                async for _ in await client.chat.stream_async(**asked):
                    pass

        asyncio.run(ask())

        assert recorder.leaked == []
        assert recorder.tree() == ["chat mistral-large CLIENT request"] * 2
        assert [facts_of(s)["gen_ai.usage.output_tokens"] for s in recorder.requests] == [3, 3]

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_refusal(
        self, kind: str, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The client's own exception for the caller, status and code for the span."""
        errors: Any = importlib.import_module("mistralai.client.errors")
        provider.script(error(429))
        asked: Any = {"model": "mistral-large", "messages": QUESTION}

        async def ask() -> None:
            async with client:
                if kind == "async":
                    await client.chat.complete_async(**asked)
                else:
                    client.chat.complete(**asked)

        with pytest.raises(errors.SDKError):
            asyncio.run(ask())

        assert recorder.outcome() == ("ERROR", "429", "RATE_LIMIT")

    def test_cut_stream(self, client: Any, provider: ScriptedProvider, recorder: Recorder) -> None:
        """A lost connection reaches the caller; the span has it and what had come."""
        provider.script(stream(("one", " two"), cut_after=1))

        with (
            pytest.raises(Exception, match="peer closed connection"),
            client.chat.stream(model="mistral-large", messages=QUESTION) as events,
        ):
            list(events)

        assert recorder.outcome()[0::2] == ("ERROR", "CONNECTION")
        assert recorder.facts["goldseam.response.length"] == len("one")

    def test_fill_in_the_middle(
        self, client: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Mistral's completions of code are text completions."""
        provider.script(chat("return 9"))

        client.fim.complete(model="codestral", prompt="def nine():", suffix="")

        assert recorder.tree() == ["text_completion codestral CLIENT request"]
        assert recorder.facts["gen_ai.usage.output_tokens"] == 3

    def test_own_tracing_of_the_client_is_enough(self, provider: ScriptedProvider) -> None:
        """Where the client makes a span of the call itself, we make none."""
        pytest.importorskip("mistralai.client")
        program = f"""
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
from goldseam.instrumentation import instrument
instrument(recovery="off")
from mistralai.client import Mistral
client = Mistral(api_key="key", server_url={provider.origin!r})
client.chat.complete(model="m", messages=[{{"role": "user", "content": "hi"}}])
print(len([s for s in exporter.get_finished_spans()
           if s.attributes.get("gen_ai.operation.name") == "chat"]))
"""
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == "1"


class TestWithHttpInstrumentation:
    """`opentelemetry-instrumentation-httpx` at the same time."""

    @pytest.mark.parametrize("name", ["httpx", "httpx2"])
    @pytest.mark.parametrize("ours_first", [True, False])
    def test_its_span_is_a_child_of_ours(
        self,
        name: str,
        *,
        ours_first: bool,
        provider: ScriptedProvider,
        recorder: Recorder,
        instrument: Instrument,
    ) -> None:
        """In either order there is one AI span with the HTTP span below it."""
        theirs: Any = pytest.importorskip("opentelemetry.instrumentation.httpx")
        library: Any = pytest.importorskip(name)
        instrumentor = theirs.HTTPXClientInstrumentor()
        if ours_first:
            instrument()
        instrumentor.instrument(tracer_provider=recorder.tracer_provider)
        try:
            if not ours_first:
                instrument()
            with library.Client() as client:
                body = {"model": "m", "messages": QUESTION}
                client.post(f"{provider.base_url}/chat/completions", json=body)
        finally:
            instrumentor.uninstrument()

        tree = recorder.tree()
        assert tree[0] == "chat m CLIENT request"
        assert [line.split(" ")[2:4] for line in tree[1:]] in ([["POST", "CLIENT"]], [])
        if name == "httpx":
            assert len(tree) == 2
