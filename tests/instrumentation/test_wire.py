"""The wire: hand-written calls become request spans, and what the caller gets stays the same."""

import asyncio
import gc
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import pytest
import wrapt
from inline_snapshot import snapshot
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.instrumentation.utils import (
    suppress_http_instrumentation,
    suppress_instrumentation,
)
from tests.instrumentation.conftest import QUESTION, Instrument, Recorder, facts_of

from goldseam.instrumentation import GoldseamInstrumentor, context
from goldseam.recovery.testing import (
    Reply,
    ScriptedProvider,
    Usage,
    chat,
    completion,
    cut,
    embedding,
    error,
    hang,
    raw,
    stream,
)

BODY: Any = {"model": "gpt-4o", "messages": QUESTION}
STREAMED: Any = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
WORDS = ("one", " two", " three", " four")
CANARY = "the quick canary jumps over the lazy prompt"

LIBRARIES = [name for name in ("httpx", "httpx2") if importlib.util.find_spec(name)]


class Http:
    """One HTTP library, called sync or async alike."""

    def __init__(self, name: str, *, is_async: bool) -> None:
        self.library: Any = importlib.import_module(name)
        self.is_async = is_async

    def post(self, url: str, **options: Any) -> Any:
        """Post with a fresh client and return the response, read."""
        if self.is_async:
            return asyncio.run(self._apost(url, options))
        with self.library.Client() as client:
            return client.post(url, **options)

    async def _apost(self, url: str, options: dict[str, Any]) -> Any:
        async with self.library.AsyncClient() as client:
            return await client.post(url, **options)

    def stream(self, url: str, use: str, **options: Any) -> Any:
        """Open a stream with a fresh client and use it in one of the ways of `USES`."""
        if self.is_async:
            return asyncio.run(self._astream(url, ASYNC_USES[use], options))
        with self.library.Client() as client, client.stream("POST", url, **options) as response:
            return USES[use](response)

    async def _astream(self, url: str, use: Callable[[Any], Any], options: dict[str, Any]) -> Any:
        async with (
            self.library.AsyncClient() as client,
            client.stream("POST", url, **options) as response,
        ):
            return await use(response)


def _some(response: Any) -> Any:
    return next(response.iter_bytes())


async def _asome(response: Any) -> Any:
    parts = response.aiter_bytes()
    try:
        return await anext(parts)
    finally:
        await parts.aclose()


USES: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda response: b"".join(response.iter_bytes()),
    "raw": lambda response: b"".join(response.iter_raw()),
    "text": lambda response: "".join(response.iter_text()).encode(),
    "lines": lambda response: "".join(f"{line}\n" for line in response.iter_lines()).encode(),
    "read": lambda response: response.read(),
    "some": _some,
    "nothing": lambda _response: b"",
}


async def _joined(parts: Any) -> bytes:
    return b"".join([part if isinstance(part, bytes) else part.encode() async for part in parts])


async def _lines(response: Any) -> bytes:
    return "".join([f"{line}\n" async for line in response.aiter_lines()]).encode()


async def _nothing(_response: Any) -> bytes:
    return b""


ASYNC_USES: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda response: _joined(response.aiter_bytes()),
    "raw": lambda response: _joined(response.aiter_raw()),
    "text": lambda response: _joined(response.aiter_text()),
    "lines": _lines,
    "read": lambda response: response.aread(),
    "some": _asome,
    "nothing": _nothing,
}


@pytest.fixture(
    params=[(name, kind) for name in LIBRARIES for kind in ("sync", "async")],
    ids=" ".join,
)
def http(request: pytest.FixtureRequest) -> Http:
    """Each HTTP library, sync and async."""
    name, kind = request.param
    return Http(name, is_async=kind == "async")


@pytest.fixture
def url(provider: ScriptedProvider) -> str:
    """Where chat completions are asked."""
    return f"{provider.base_url}/chat/completions"


@pytest.mark.usefixtures("watched")
class TestAnswers:
    """Whole answers."""

    def test_post_is_one_client_span(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A hand-written call gives the span that an SDK's call gives."""
        provider.script(chat("Nine", usage=Usage(14, 2)))

        with context(tenant_id="acme"):
            answer = http.post(url, json={**BODY, "temperature": 0.5})

        assert answer.json()["choices"][0]["message"]["content"] == "Nine"
        assert recorder.tree() == ["chat gpt-4o CLIENT request"]
        volatile = {"goldseam.log.id": "…", "server.port": 0, "goldseam.prompt.sha256": "…"}
        assert {**recorder.facts, **volatile} == snapshot(
            {
                "goldseam.span.type": "request",
                "gen_ai.operation.name": "chat",
                "goldseam.provider.name": "openai",
                "gen_ai.provider.name": "openai",
                "server.address": "127.0.0.1",
                "server.port": 0,
                "goldseam.tenant.id": "acme",
                "openai.api.type": "chat_completions",
                "gen_ai.request.temperature": 0.5,
                "gen_ai.request.model": "gpt-4o",
                "goldseam.log.id": "…",
                "goldseam.prompt.sha256": "…",
                "goldseam.prompt.length": 15,
                "goldseam.recovery.outcome": "not_needed",
                "http.response.status_code": 200,
                "gen_ai.response.model": "gpt-4o",
                "gen_ai.response.id": "chatcmpl-1",
                "gen_ai.usage.input_tokens": 14,
                "gen_ai.usage.output_tokens": 2,
                "goldseam.response.length": 4,
                "gen_ai.response.finish_reasons": ("stop",),
            }
        )

    def test_text_completion(
        self, http: Http, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A text completion is a call too, whole and streamed."""
        provider.script(completion("Nine it is"), completion("Nine it is"))
        body = {"model": "m", "prompt": "four plus five?"}
        usage = {"stream": True, "stream_options": {"include_usage": True}}

        http.post(f"{provider.base_url}/completions", json=body)
        http.stream(f"{provider.base_url}/completions", "lines", json={**body, **usage})

        told = [
            {k: v for k, v in facts_of(s).items() if "usage" in k or "length" in k}
            for s in recorder.requests
        ]
        assert recorder.tree() == ["text_completion m CLIENT request"] * 2
        assert (
            told
            == [
                {
                    "goldseam.prompt.length": 15,
                    "goldseam.response.length": 10,
                    "gen_ai.usage.input_tokens": 9,
                    "gen_ai.usage.output_tokens": 3,
                }
            ]
            * 2
        )

    def test_answer_in_bytes(
        self, http: Http, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Speech is no JSON; the caller gets its bytes and the span its duration."""
        provider.script(raw(body=b"RIFF", headers={"content-type": "audio/wav"}))
        body = {"model": "tts", "voice": "alloy", "input": "Nine"}

        answer = http.post(f"{provider.base_url}/audio/speech", json=body)

        assert answer.content == b"RIFF"
        assert recorder.tree() == ["speech tts CLIENT request"]
        assert recorder.outcome() == ("UNSET", None, None)

    def test_metrics_are_those_of_an_sdk_call(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Duration, tokens and the attempt are counted once."""
        provider.script(chat("Nine", usage=Usage(14, 2)))

        http.post(url, json=BODY)

        (duration,) = recorder.points("gen_ai.client.operation.duration")
        assert duration[1] == 1
        assert len(recorder.points("gen_ai.client.token.usage")) == 2
        whose = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
        assert recorder.points("goldseam.client.attempts") == [(whose, 1)]

    def test_embeddings(self, http: Http, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Embeddings are known by their path as well."""
        provider.script(embedding())

        http.post(f"{provider.base_url}/embeddings", json={"model": "e", "input": ["a", "b"]})

        assert recorder.tree() == ["embeddings e CLIENT request"]
        assert recorder.facts["gen_ai.usage.input_tokens"] == 9

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    @pytest.mark.parametrize(
        ("path", "body", "provider_name"),
        [
            ("/messages", {"max_tokens": 5, "messages": QUESTION}, "anthropic"),
            ("/responses", {"input": "four plus five?"}, "openai"),
        ],
        ids=["messages", "responses"],
    )
    def test_formats_of_the_sdks(
        self,
        http: Http,
        provider: ScriptedProvider,
        recorder: Recorder,
        path: str,
        body: dict[str, Any],
        provider_name: str,
        *,
        streamed: bool,
    ) -> None:
        """Messages and responses are read on the wire as they are behind their SDKs."""
        http.post(f"{provider.base_url}{path}", json={"model": "m", "stream": streamed, **body})

        facts = recorder.facts
        assert facts["gen_ai.provider.name"] == provider_name
        assert facts["gen_ai.response.model"] == "m"
        assert facts["gen_ai.usage.input_tokens"] == 9
        assert facts["goldseam.response.length"] == 2
        assert facts["gen_ai.response.finish_reasons"]

    def test_refusal_is_an_error(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An HTTP error tells status, code, the provider's words, its request id and its limits."""
        limits = {"x-ratelimit-remaining-requests": "0"}
        provider.script(error(429, retry_after=2, headers=limits))

        assert http.post(url, json=BODY).status_code == 429

        assert recorder.outcome() == ("ERROR", "429", "RATE_LIMIT")
        assert recorder.request.status.description == "Rate limit reached for requests."
        told = {k: v for k, v in recorder.facts.items() if k.startswith("http.")}
        assert told == snapshot(
            {
                "http.response.status_code": 429,
                "http.response.header.x-request-id": ("req_00000001",),
                "http.response.header.retry-after": ("2",),
                "http.response.header.x-ratelimit-remaining-requests": ("0",),
            }
        )

    def test_lost_connection_is_an_error(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The caller sees the library's own exception, the span its kind."""
        provider.script(cut())

        with pytest.raises(http.library.HTTPError) as caught:
            http.post(url, json=BODY)

        name = f"{type(caught.value).__module__}.{type(caught.value).__qualname__}"
        assert recorder.outcome() == ("ERROR", name, "CONNECTION")

    @pytest.mark.parametrize(
        "reply",
        [
            raw(200, body="<html>"),
            raw(200, headers={"content-type": "application/json"}, body="[]"),
            raw(200, headers={"content-type": "application/json"}, body='{"choices": [null]}'),
            raw(204),
        ],
        ids=["html", "list", "null choice", "nothing"],
    )
    def test_strange_answer_is_the_callers_to_judge(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder, reply: Reply
    ) -> None:
        """An answer that nobody can read ends the span; nothing is raised or reported."""
        provider.script(reply)

        http.post(url, json=BODY)

        assert recorder.leaked == []
        assert len(recorder.requests) == 1

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("text/html; charset=utf-8", "<html>Log in</html>"),
            ("application/json", '{"id": "1", "choices": null}'),
            ("application/json", '{"choices": [{"message": {"content": ""}}]}'),
        ],
        ids=["a page", "choices null", "nothing said"],
    )
    def test_answer_that_is_none(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder,
        kind: str, body: str,
    ) -> None:  # fmt: skip
        """Status 200 without an answer is an error."""
        provider.script(raw(headers={"content-type": kind}, body=body))

        http.post(url, json=BODY)

        assert recorder.outcome() == ("ERROR", "unusable_answer", "RESPONSE_INVALID")

    def test_error_in_a_good_answer(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Status 200 with an error for a body is an error."""
        provider.script(raw(headers={"content-type": "application/json"},
                            body='{"error": {"code": 502, "message": "upstream"}}'))  # fmt: skip

        http.post(url, json=BODY)

        assert recorder.outcome() == ("ERROR", "error_in_body", "SERVER_ERROR")

    def test_redirect_is_followed_inside_one_span(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """What the client does to get the answer is one call."""
        provider.script(raw(307, headers={"location": url}), chat("Nine"))

        http.post(url, json=BODY, follow_redirects=True)

        assert provider.count == 2
        assert recorder.outcome() == ("UNSET", None, None)


@pytest.mark.usefixtures("watched")
class TestStreams:
    """Answers that the caller reads in its own time."""

    @pytest.mark.parametrize("use", ["bytes", "raw", "text", "lines", "read"])
    def test_read_to_the_end(
        self, http: Http, url: str, use: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """However the caller reads, it gets every byte, and the span gets usage and reason."""
        provider.script(stream(WORDS))

        got = http.stream(url, use, json=STREAMED)

        assert got.count(b"data: ") == 8
        assert got.rstrip().endswith(b"data: [DONE]")
        assert recorder.outcome() == ("UNSET", None, None)
        facts = recorder.facts
        assert facts["gen_ai.request.stream"] is True
        assert facts["gen_ai.response.finish_reasons"] == ("stop",)
        assert facts["goldseam.response.length"] == len("".join(WORDS))
        assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"]) == (9, 3)
        assert 0 < facts["gen_ai.response.time_to_first_chunk"] < 5

    @pytest.mark.parametrize("use", ["some", "nothing"])
    def test_closed_early_is_no_error(
        self, http: Http, url: str, use: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Leaving the block before the end ends the span with what had come."""
        provider.script(stream(WORDS, gap_s=0.01))

        http.stream(url, use, json=STREAMED)

        assert recorder.outcome() == ("UNSET", None, None)
        assert ("gen_ai.response.time_to_first_chunk" in recorder.facts) is (use == "some")

    def test_cut_in_the_middle(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A lost connection is the library's exception and an error."""
        provider.script(stream(WORDS, cut_after=2))

        with pytest.raises(http.library.RemoteProtocolError):
            http.stream(url, "bytes", json=STREAMED)

        status, _, code = recorder.outcome()
        assert (status, code) == ("ERROR", "CONNECTION")
        assert recorder.facts["goldseam.response.length"] == len("one two")

    def test_end_without_a_reason(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A stream that stops before the model did is an error."""
        events = 'data: {"choices": [{"index": 0, "delta": {"content": "Ni"}}]}\n\n'
        provider.script(raw(headers={"content-type": "text/event-stream"}, body=events))

        assert http.stream(url, "bytes", json=STREAMED) == events.encode()

        assert recorder.outcome() == ("ERROR", "incomplete_stream", "RESPONSE_INVALID")

    def test_error_among_the_events(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """An error event is told as the provider's error."""
        events = 'data: {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}\n\n'
        provider.script(raw(headers={"content-type": "text/event-stream"}, body=events))

        http.stream(url, "lines", json=STREAMED)

        assert recorder.outcome() == ("ERROR", "error_in_body", "RATE_LIMIT")

    def test_whole_answer_read_as_a_stream(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """JSON that the caller reads piece by piece has its facts, and no first chunk."""
        provider.script(chat("Nine", usage=Usage(14, 2)))

        http.stream(url, "raw", json=BODY)

        assert recorder.facts["gen_ai.usage.input_tokens"] == 14
        assert "gen_ai.response.time_to_first_chunk" not in recorder.facts

    @pytest.mark.parametrize("use", ["read", "nothing"])
    def test_refused_stream(
        self, http: Http, url: str, use: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A refusal is an error whether or not the caller reads its body."""
        provider.script(error(401))

        http.stream(url, use, json=STREAMED)

        assert recorder.outcome() == ("ERROR", "401", "AUTH")

    def test_dropped_response_ends_its_span(
        self, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A response that nobody reads or closes ends its span when Python collects it."""
        provider.script(stream(WORDS))
        for name in LIBRARIES:
            library: Any = importlib.import_module(name)
            with library.Client() as client:
                response = client.send(
                    client.build_request("POST", url, json=STREAMED), stream=True
                )
                del response
                gc.collect()

        assert recorder.leaked == []
        assert {span.status.status_code.name for span in recorder.requests} == {"UNSET"}

    @pytest.mark.parametrize("reply", [hang(), stream(WORDS, gap_s=60)], ids=["first", "later"])
    @pytest.mark.parametrize("name", LIBRARIES)
    def test_cancelled_task(
        self, name: str, url: str, reply: Reply, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Cancellation passes at once and is told as such."""
        provider.script(reply)
        library: Any = importlib.import_module(name)

        async def call() -> None:
            async with (
                library.AsyncClient(timeout=30) as client,
                client.stream("POST", url, json=STREAMED) as response,
            ):
                async for _ in response.aiter_bytes():
                    pass

        async def main() -> None:
            task = asyncio.ensure_future(call())
            await asyncio.to_thread(provider.wait_for_requests, 1)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())

        status, _, code = recorder.outcome()
        assert (status, code) == ("ERROR", "CANCELLED")


class TestSameForTheCaller:
    """What the caller gets with us is what it gets without us."""

    @pytest.mark.parametrize("use", ["bytes", "lines", "read"])
    def test_responses_are_equal(
        self, http: Http, url: str, use: str, provider: ScriptedProvider, instrument: Instrument
    ) -> None:
        """Status, headers, body, type and `elapsed` are there with and without us."""
        seen = []
        for is_watched in (False, True):
            if is_watched:
                instrument()
            provider.script(raw(headers={"content-type": "application/json"}, body='{"a": 1}'))
            provider.script(raw(headers={"content-type": "text/event-stream"}, body="data: 1\n\n"))
            whole = http.post(url, json=BODY)
            assert whole.elapsed.total_seconds() > 0
            streamed = http.stream(url, use, json=STREAMED)
            seen.append((type(whole), whole.status_code, whole.headers, whole.content, streamed))

        assert seen[0] == seen[1]

    @pytest.mark.usefixtures("watched")
    def test_generator_body_is_not_consumed(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A body that can be read only once goes to the provider; without a body, no span."""
        content = json.dumps(BODY).encode()

        async def pieces() -> Any:
            yield content

        given = pieces() if http.is_async else iter([content])
        http.post(url, content=given)

        assert provider.requests[0].json == BODY
        assert recorder.finished == []

    @pytest.mark.usefixtures("watched")
    def test_canary_is_found_nowhere(
        self, http: Http, url: str, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Prompt, answer, key and headers leave nothing in telemetry, echoed or not."""
        key = "sk-canary-0123456789abcdef"
        provider.script(chat(CANARY), error(400, message=f"cannot do {CANARY!r} with {key}"))
        provider.script(error(400, message=f"cannot do {CANARY} with {key}, my-own-header-value"))
        provider.script(stream((CANARY,)))
        headers = {"authorization": f"Bearer {key}", "x-own": "my-own-header-value"}
        url += "?key=my-own-header-value"
        body = {**BODY, "messages": [{"role": "user", "content": CANARY}]}

        for _ in range(3):
            http.post(url, json=body, headers=headers)
        http.stream(url, "lines", json={**body, "stream": True}, headers=headers)

        assert len(recorder.requests) == 4
        everything = recorder.everything()
        for secret in ("canary", "sk-canary", "my-own-header-value", "quick"):
            assert secret not in everything


@pytest.mark.usefixtures("watched")
class TestWhoseCallIsIt:
    """One span per call, and none for what is no AI call."""

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/chat/completions", {"messages": QUESTION}),
            ("/v1/chat/completions", {"model": "m"}),
            ("/v1/chat/completions", ["model", "messages"]),
            ("/my-chat/completions", BODY),
            ("/completions", BODY),
            ("/v1/chat/completions/1", BODY),
            ("/", BODY),
            ("/api/orders:close", BODY),
        ],
    )
    def test_other_posts_pass(
        self, path: str, body: Any, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A POST that does not ask a model gives no span."""
        http = Http(LIBRARIES[0], is_async=False)
        http.post(f"http://{provider.host}:{provider.port}{path}", json=body)

        assert provider.count == 1
        assert recorder.finished == []

    def test_get_passes(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Only POST asks a model."""
        library: Any = importlib.import_module(LIBRARIES[0])
        with library.Client() as client:
            client.request("GET", f"{provider.base_url}/chat/completions")

        assert recorder.finished == []

    @pytest.mark.parametrize("suppress", [suppress_instrumentation, suppress_http_instrumentation])
    def test_suppressed_passes(
        self, http: Http, url: str, recorder: Recorder, suppress: Callable[[], Any]
    ) -> None:
        """Who suppresses instrumentation wants no span from us either."""
        with suppress():
            http.post(url, json=BODY)

        assert recorder.finished == []

    @pytest.mark.parametrize(
        "mark",
        [
            {"gen_ai.operation.name": "chat"},
            {"openinference.span.kind": "LLM"},
            {"llm.request.type": "chat"},
        ],
        ids=lambda mark: next(iter(mark)),
    )
    def test_other_instrumentations_call_passes(
        self, http: Http, url: str, recorder: Recorder, mark: dict[str, str]
    ) -> None:
        """Inside a span of another GenAI instrumentation, and by its context key, we are silent."""
        tracer = recorder.tracer_provider.get_tracer("theirs")
        with tracer.start_as_current_span("chat", attributes=mark):
            http.post(url, json=BODY)
        key = "opentelemetry.genai.client.inference.context"
        token = otel.attach(otel.set_value(key, object()))
        try:
            http.post(url, json=BODY)
        finally:
            otel.detach(token)

        assert recorder.requests == []

    def test_agents_calls_are_calls(self, http: Http, url: str, recorder: Recorder) -> None:
        """An agent's span has its calls below it."""
        tracer = recorder.tracer_provider.get_tracer("theirs")
        attributes = {"gen_ai.operation.name": "invoke_agent"}
        with tracer.start_as_current_span("agent", attributes=attributes):
            http.post(url, json=BODY)

        assert recorder.tree() == ["agent INTERNAL None", "  chat gpt-4o CLIENT request"]

    def test_own_baggage_stays_here(self, http: Http, url: str, provider: ScriptedProvider) -> None:
        """`goldseam.*` entries leave the header; others go on, and a header of ours alone goes."""
        http.post(url, json=BODY, headers={"baggage": "a=1,goldseam.tenant.id=acme, b=2;p"})
        http.post(url, json=BODY, headers={"baggage": "goldseam.tenant.id=acme"})
        http.post(url, json=BODY, headers={"baggage": "a=goldseam.b"})

        sent = [request.headers.get("baggage") for request in provider.requests]
        assert sent == ["a=1,b=2;p", None, "a=goldseam.b"]

    def test_span_is_current_during_the_request(self, url: str, recorder: Recorder) -> None:
        """What happens below, such as an HTTP span, is a child; our baggage is not there."""
        seen: list[Any] = []
        library: Any = importlib.import_module(LIBRARIES[0])

        def hook(_request: Any) -> None:
            seen.append((trace.get_current_span(), baggage.get_all()))

        token = otel.attach(baggage.set_baggage("goldseam.tenant.id", "acme"))
        try:
            with library.Client(event_hooks={"request": [hook]}) as client:
                client.post(url, json=BODY)
        finally:
            otel.detach(token)

        ((span, carried),) = seen
        assert span.get_span_context() == recorder.request.context
        assert carried == {}
        assert recorder.facts["goldseam.tenant.id"] == "acme"


def test_uninstrument_restores_the_clients(
    http: Http, url: str, recorder: Recorder, instrument: Instrument
) -> None:
    """The library's own functions are back and later calls give no span."""
    owners = (http.library.Client, http.library.AsyncClient)
    before = [vars(owner)["send"] for owner in owners]
    instrument()
    assert all(isinstance(vars(owner)["send"], wrapt.FunctionWrapper) for owner in owners)

    GoldseamInstrumentor().uninstrument()

    assert all(vars(owner)["send"] is own for owner, own in zip(owners, before, strict=True))
    http.post(url, json=BODY)
    assert recorder.finished == []


@pytest.mark.parametrize("looked_up", [vars, lambda owner: {"send": owner.send}])
def test_uninstrument_takes_us_out_from_below_others(
    looked_up: Callable[[Any], Any],
    url: str,
    recorder: Recorder,
    instrument: Instrument,
) -> None:
    """A wrapper that was put over ours stays, with the library's own function right below."""
    library: Any = importlib.import_module(LIBRARIES[0])
    own = vars(library.Client)["send"]
    try:
        instrument()
        theirs = wrapt.FunctionWrapper(looked_up(library.Client)["send"], _pass_on)
        library.Client.send = theirs

        GoldseamInstrumentor().uninstrument()

        assert vars(library.Client)["send"] is theirs
        assert theirs.__wrapped__ is own
        library.post(url, json=BODY)
        assert recorder.finished == []
    finally:
        library.Client.send = own


def _pass_on(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)
