"""A call that succeeds: one span and its metrics, with exact names and types."""

import hashlib
import uuid
from typing import Any

import openai
import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import QUESTION, Caller, Recorder, facts_of

from goldseam.instrumentation import context
from goldseam.recovery.testing import ScriptedProvider, Usage, chat, embedding, raw
from goldseam.semconv import log_id

pytestmark = pytest.mark.usefixtures("watched")

DETAILED_USAGE = """{
  "id": "c-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
  "service_tier": "default", "system_fingerprint": "fp_1",
  "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Nine"}},
    {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "Ni"}}
  ],
  "usage": {
    "prompt_tokens": 19, "completion_tokens": 12, "total_tokens": 31,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 6}
  }
}"""


def test_success_is_one_client_span(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """A chat completion gives one span with these names and values, sync and async alike."""
    provider.script(chat("Nine", usage=Usage(14, 2)))

    answer = caller.ask(temperature=1, max_completion_tokens=50, seed=7, stop=["my own words"])

    assert answer.choices[0].message.content == "Nine"
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
            "openai.api.type": "chat_completions",
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.seed": 7,
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


def test_answer_facts_keep_their_names_and_types(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """Cached and reasoning tokens, tier, fingerprint and every finish reason are told."""
    provider.script(raw(headers={"content-type": "application/json"}, body=DETAILED_USAGE))

    caller.ask(n=2, service_tier="auto", response_format={"type": "json_object"})

    told = {
        key: value
        for key, value in recorder.facts.items()
        if key.startswith(("gen_ai.response", "gen_ai.usage", "gen_ai.output", "openai."))
    }
    assert told == snapshot(
        {
            "openai.api.type": "chat_completions",
            "openai.request.service_tier": "auto",
            "gen_ai.output.type": "json",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": "c-1",
            "gen_ai.usage.input_tokens": 19,
            "gen_ai.usage.output_tokens": 12,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.usage.reasoning.output_tokens": 6,
            "openai.response.service_tier": "default",
            "openai.response.system_fingerprint": "fp_1",
            "gen_ai.response.finish_reasons": ("stop", "length"),
        }
    )
    assert recorder.facts["gen_ai.request.choice.count"] == 2
    assert recorder.facts["goldseam.response.length"] == len("Nine\nNi")


def test_metrics_of_a_success(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """Duration, tokens and the attempt are counted once, with bounded attributes."""
    provider.script(chat("Nine", usage=Usage(14, 2)))

    with context(tenant_id="acme", user_id="ada"):
        caller.ask()

    base = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o",
    }
    server = {"server.address": "127.0.0.1", "server.port": provider.port}
    assert recorder.points("gen_ai.client.operation.duration") == [({**base, **server}, 1)]
    assert recorder.points("gen_ai.client.token.usage") == [
        ({**base, "gen_ai.token.type": "input"}, 1),
        ({**base, "gen_ai.token.type": "output"}, 1),
    ]
    whose = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    assert recorder.points("goldseam.client.attempts") == [(whose, 1)]
    assert recorder.points("goldseam.recovery.requests") == []


def test_log_id_is_the_one_that_the_collector_computes(caller: Caller, recorder: Recorder) -> None:
    """The row id on the span follows from the span's own start, trace and id."""
    caller.ask()

    span = recorder.request
    assert span.start_time is not None
    assert span.context is not None
    expected = log_id(span.start_time, span.context.trace_id, span.context.span_id)
    assert uuid.UUID(recorder.facts["goldseam.log.id"]) == expected


def test_prompt_hash_is_over_the_text_parts(caller: Caller, recorder: Recorder) -> None:
    """Texts are joined by line breaks in normal form C; roles and images do not count."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    caller.ask(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Cafe\u0301?"}, image]},
        ]
    )

    text = "Be brief.\nCaf\u00e9?"
    assert recorder.facts["goldseam.prompt.sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert recorder.facts["goldseam.prompt.length"] == len(text)


def test_context_names_who_calls(caller: Caller, recorder: Recorder) -> None:
    """What `context` says stands on the span; the inner one wins."""
    with context(tenant_id="acme", module="invoices"), context(module="orders", request_id=42):
        caller.ask()

    named = {key: value for key, value in recorder.facts.items() if key in _WHO}
    assert named == {
        "goldseam.tenant.id": "acme",
        "goldseam.module": "orders",
        "goldseam.request.id": "42",
    }


_WHO = [f"goldseam.{name}" for name in ("tenant.id", "module", "request.id", "user.id", "task")]


def test_embeddings_are_a_span_too(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """Embeddings tell operation, model, tokens and the hash of the texts."""
    provider.script(embedding((0.5,), usage=Usage(4, 0)))

    caller.call("embeddings.create", model="embed-3", input=["a", "b"], dimensions=256)

    assert recorder.tree() == ["embeddings embed-3 CLIENT request"]
    assert recorder.facts["gen_ai.operation.name"] == "embeddings"
    assert recorder.facts["gen_ai.embeddings.dimension.count"] == 256
    assert recorder.facts["gen_ai.usage.input_tokens"] == 4
    assert recorder.facts["goldseam.prompt.length"] == len("a\nb")


def test_other_requests_pass_untouched(client: openai.OpenAI, recorder: Recorder) -> None:
    """Listing models is no AI call and gives no span."""
    assert client.models.list().data[0].id == "scripted-model"
    assert recorder.finished == []


def test_request_span_is_current_for_the_http_layer(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    """What traces the HTTP request becomes a child of the request span."""
    tracer = recorder.tracer_provider.get_tracer("http")
    send = client._client.send

    def traced_send(*args: Any, **kwargs: Any) -> Any:
        with tracer.start_as_current_span("POST"):
            return send(*args, **kwargs)

    client._client.send = traced_send  # type: ignore[method-assign] # what HTTP tracing does
    client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    assert recorder.tree() == ["chat gpt-4o CLIENT request", "  POST INTERNAL None"]


def test_extra_body_may_name_the_model(caller: Caller, recorder: Recorder) -> None:
    """The model on the span is the one that goes over the wire."""
    caller.ask(extra_body={"model": "other"})

    assert recorder.facts["gen_ai.request.model"] == "other"


def test_copies_and_absolute_paths_are_watched(client: openai.OpenAI, recorder: Recorder) -> None:
    """`with_options` copies and plain `post` go through the same place."""
    client.with_options(timeout=5).chat.completions.create(model="gpt-4o", messages=QUESTION)
    client.post(
        "/chat/completions", body={"model": "by-hand", "messages": QUESTION}, cast_to=object
    )

    assert [span.name for span in recorder.requests] == ["chat gpt-4o", "chat by-hand"]
    assert facts_of(recorder.requests[1])["gen_ai.response.model"] == "by-hand"


class TestRawResponses:
    """`with_raw_response` and `with_streaming_response`."""

    def test_raw_response_tells_its_facts(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The body that the client holds is read once more; the caller's parse still works."""
        provider.script(chat("Nine", usage=Usage(14, 2)))

        response = caller.call(
            "chat.completions.with_raw_response.create", model="gpt-4o", messages=QUESTION
        )

        assert response.parse().choices[0].message.content == "Nine"
        assert response.headers["x-request-id"]
        assert recorder.facts["gen_ai.usage.input_tokens"] == 14
        assert "goldseam.retry.count" not in recorder.facts

    def test_streaming_response_is_followed_until_read(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The span ends when the caller has read the body, with what the body says."""
        provider.script(chat("Nine", usage=Usage(14, 2)))

        with client.chat.completions.with_streaming_response.create(
            model="gpt-4o", messages=QUESTION
        ) as response:
            assert recorder.finished == []
            assert response.parse().choices[0].message.content == "Nine"

        assert recorder.facts["gen_ai.usage.input_tokens"] == 14

    @pytest.mark.anyio
    async def test_async_streaming_response_is_followed_until_read(
        self, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The async twin does the same."""
        provider.script(chat("Nine", usage=Usage(14, 2)))

        async with (
            openai.AsyncOpenAI(api_key="k", base_url=provider.base_url) as client,
            client.chat.completions.with_streaming_response.create(
                model="gpt-4o", messages=QUESTION
            ) as response,
        ):
            assert (await response.parse()).choices[0].message.content == "Nine"

        assert recorder.facts["gen_ai.usage.input_tokens"] == 14

    def test_streaming_response_that_is_not_read_ends_with_its_close(
        self, client: openai.OpenAI, recorder: Recorder
    ) -> None:
        """A caller who looks at the headers only still gets one finished span."""
        with client.chat.completions.with_streaming_response.create(
            model="gpt-4o", messages=QUESTION
        ) as response:
            assert response.status_code == 200

        assert recorder.tree() == ["chat gpt-4o CLIENT request"]

    def test_bytes_of_a_streaming_response_stay_the_callers(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Reading piece by piece gives every byte, and the span ends."""
        provider.script(raw(headers={"content-type": "application/json"}, body=DETAILED_USAGE))

        with client.chat.completions.with_streaming_response.create(
            model="gpt-4o", messages=QUESTION
        ) as response:
            assert b"".join(response.iter_bytes()).decode() == DETAILED_USAGE

        assert recorder.tree() == ["chat gpt-4o CLIENT request"]

    @pytest.mark.parametrize("path", ["chat.completions.parse", "beta.chat.completions.parse"])
    def test_parse_is_watched(
        self, path: str, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Structured answers are parsed by the SDK as ever."""
        provider.script(chat('{"sum": 9}'))
        schema = {"type": "json_schema", "json_schema": {"name": "sum", "schema": {}}}

        answer = caller.call(path, model="gpt-4o", messages=QUESTION, response_format=schema)

        assert answer.choices[0].message.content == '{"sum": 9}'
        assert recorder.facts["gen_ai.output.type"] == "json"
