"""The decision table: which spans are AI requests, and what their operation is called."""

from typing import Any

import pytest

from goldseam.collector.mapping.verdict import Verdict, operation_of, verdict
from goldseam.collector.spans import KIND_CLIENT, Span


def span(name: str = "", kind: int = KIND_CLIENT, **attributes: Any) -> Span:
    """Build a span; double underscores in names stand for dots."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span(trace_id="a" * 32, span_id="b" * 16, name=name, kind=kind, attributes=named)


MODEL: dict[str, Any] = {"gen_ai__request__model": "gpt-4o"}

REQUESTS = {
    "goldseam": span(goldseam__span__type="request"),
    "openinference-llm": span(openinference__span__kind="LLM"),
    "openinference-embedding": span(openinference__span__kind="embedding"),
    "vercel-generate": span(ai__operationId="ai.generateText.doGenerate"),
    "vercel-stream": span(ai__operationId="ai.streamText.doStream"),
    "vercel-embed": span(ai__operationId="ai.embed.doEmbed"),
    "litellm-raw-alone": span("raw_gen_ai_request"),
    "chat": span(gen_ai__operation__name="chat"),
    "upper-case": span(gen_ai__operation__name="Chat"),
    "litellm": span(kind=1, gen_ai__operation__name="acompletion"),
    "unknown-operation-of-a-client": span(gen_ai__operation__name="translate", **MODEL),
    "openllmetry": span(llm__request__type="completion"),
    "no-operation": span(gen_ai__system="openai", **MODEL),
    "openinference-before-wrapper": span(
        openinference__span__kind="LLM", gen_ai__operation__name="invoke_agent"
    ),
}

IGNORED = {
    "nothing": span(),
    "goldseam-attempt": span(goldseam__span__type="attempt", gen_ai__operation__name="chat"),
    "goldseam-unknown-type": span(goldseam__span__type="novel", gen_ai__operation__name="chat"),
    "logfire-log": span(logfire__span_type="log"),
    "openinference-chain": span(openinference__span__kind="CHAIN", gen_ai__operation__name="chat"),
    "vercel-wrapper": span(ai__operationId="ai.generateText", gen_ai__operation__name="chat"),
    "agent-with-usage": span(
        gen_ai__operation__name="invoke_agent", gen_ai__usage__input_tokens=19, **MODEL
    ),
    "tool": span(gen_ai__operation__name="execute_tool"),
    "unknown-operation-inside": span(kind=1, gen_ai__operation__name="translate", **MODEL),
    "unknown-operation-without-model": span(gen_ai__operation__name="translate"),
    "openllmetry-workflow": span(traceloop__span__kind="workflow", llm__request__type="chat"),
    "agent-without-operation": span(gen_ai__agent__name="a", gen_ai__system="openai", **MODEL),
    "provider-without-model": span(gen_ai__system="openai"),
    "wrong-type": span(gen_ai__operation__name=["chat"]),
}


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_a_provider_call_is_a_request(case: str) -> None:
    """Spans that stand for one call to a provider become rows."""
    assert verdict(REQUESTS[case]) == Verdict.REQUEST


@pytest.mark.parametrize("case", IGNORED, ids=str)
def test_any_other_span_is_ignored(case: str) -> None:
    """Wrappers, tools, attempts and foreign spans become no rows."""
    assert verdict(IGNORED[case]) == Verdict.IGNORED


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ({"goldseam__span__type": "pending"}, Verdict.PENDING),
        ({"logfire__span_type": "pending_span"}, Verdict.PENDING),
        ({"goldseam__span__type": "recovery_step"}, Verdict.STEP),
        ({"logfire__span_type": "log"}, Verdict.TRAILER),
    ],
    ids=["goldseam", "logfire", "step", "trailer"],
)
def test_marks_decide_before_operations(mark: dict[str, Any], expected: Verdict) -> None:
    """Pending spans and recovery steps are told apart from the requests they belong to."""
    assert verdict(span(gen_ai__operation__name="chat", **mark)) == expected


def test_a_pending_span_of_no_request_is_ignored() -> None:
    """Only calls to providers are announced."""
    assert verdict(span(logfire__span_type="pending_span")) == Verdict.IGNORED


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai__operation__name": "acompletion"}, "chat"),
        ({"gen_ai__operation__name": "aresponses"}, "chat"),
        ({"gen_ai__operation__name": "atext_completion"}, "text_completion"),
        ({"gen_ai__operation__name": "agenerate_content"}, "generate_content"),
        ({"gen_ai__operation__name": "embedding"}, "embeddings"),
        ({"gen_ai__operation__name": "aimage_generation"}, "image_generation"),
        ({"gen_ai__operation__name": "arerank"}, "rerank"),
        ({"gen_ai__operation__name": "Translate"}, "translate"),
        ({"openinference__span__kind": "LLM"}, "chat"),
        ({"openinference__span__kind": "EMBEDDING"}, "embeddings"),
        ({"ai__operationId": "ai.embed.doEmbed"}, "embeddings"),
        ({"ai__operationId": "ai.streamText.doStream"}, "chat"),
        ({"llm__request__type": "completion"}, "chat"),
        ({}, None),
    ],
    ids=repr,
)
def test_operations_have_one_name(attributes: dict[str, Any], expected: str | None) -> None:
    """What dialects call an operation is brought to one name."""
    assert operation_of(span(**attributes)) == expected


@pytest.mark.parametrize("name", ["http__request__method", "http__method"])
def test_a_plain_http_request_only_tells_of_another_span(name: str) -> None:
    """HTTP clients' spans enrich; one that tells of a call to a provider is that call."""
    method: dict[str, Any] = {name: "POST"}

    assert verdict(span(**method)) == Verdict.HTTP
    assert verdict(span(**method, gen_ai__operation__name="chat")) == Verdict.REQUEST
