"""Spans become rows: which attribute fills which column, and what is kept of content."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from dirty_equals import IsStr
from inline_snapshot import snapshot

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.mapping import map_spans
from goldseam.collector.mapping.metadata import MAX_METADATA_BYTES
from goldseam.collector.mapping.provider import normalise
from goldseam.collector.spans import Value

from .mapping_spans import ROW, START_NS, filled, flaws, row, span


def test_every_column_of_a_mended_request(recorder: Any) -> None:
    """Goldseam's own request span, through real OTLP bytes, fills every column it can."""
    original = "Error code: 429 - {'error': {'message': 'Rate limit reached for gpt-4o'}}"
    request = recorder.tracer.start_span("chat gpt-4o", start_time=START_NS)
    request.set_attributes(
        {
            "goldseam.span.type": "request",
            "goldseam.request.id": "order-7",
            "goldseam.tenant.id": "acme",
            "goldseam.module": "search",
            "goldseam.user.id": "u-1",
            "goldseam.task": "rank",
            "goldseam.prompt.sha256": "AB" * 32,
            "goldseam.prompt.length": 120,
            "goldseam.response.length": 4,
            "goldseam.retry.count": 2,
            "goldseam.recovery.outcome": "recovered",
            "goldseam.recovery.strategy": "fallback",
            "goldseam.recovery.steps": 2,
            "goldseam.recovery.duration": 1.25,
            "goldseam.recovery.wait": 0.5,
            "goldseam.recovery.provider.name": "ollama",
            "goldseam.recovery.degraded": True,
            "goldseam.confidence.score": 0.9,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.stop_sequences": ["a", "b"],
            "gen_ai.response.model": "llama3.1",
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 19,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.conversation.id": "c-1",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": 8080,
        }
    )
    request.add_event(
        "goldseam.original_error",
        {
            "error.type": "openai.RateLimitError",
            "goldseam.error.code": "RATE_LIMIT",
            "exception.message": original,
        },
    )
    request.end(START_NS + 2_000_000_000)

    mapped = map_spans(decode_protobuf(recorder.body()))

    (record,) = mapped.batch.requests
    assert filled(record) == snapshot(
        {
            "tenant_id": "acme",
            "created_at": datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=UTC),
            "id": record.id,
            "request_id": "order-7",
            "trace_id": IsStr(regex="[0-9a-f]{32}"),
            "span_id": IsStr(regex="[0-9a-f]{16}"),
            "module": "search",
            "user_id": "u-1",
            "task": "rank",
            "operation": "chat",
            "prompt_sha256": "ab" * 32,
            "prompt_length": 120,
            "model_requested": "gpt-4o",
            "provider_requested": "openai",
            "provider_used": "ollama",
            "provider_model": "llama3.1",
            "status": "success",
            "response_length": 4,
            "input_tokens": 19,
            "output_tokens": 10,
            "cache_read_tokens": 8,
            "tokens_used": 29,
            "processing_time_ms": 2000.0,
            "is_stream": False,
            "http_status": 200,
            "retry_count": 2,
            "first_error_code": "RATE_LIMIT",
            "error_pattern": IsStr(regex="RATE_LIMIT:openai:[0-9a-f]+"),
            "recovery_outcome": "recovered",
            "recovery_strategy": "fallback",
            "recovery_steps": 2,
            "recovery_time_ms": 1250.0,
            "recovery_wait_ms": 500.0,
            "degraded": True,
            "cache_hit": False,
            "confidence_score": 0.9,
            "conversation_id": "c-1",
            "service_name": "shop",
            "dialect": "GS",
            "request_metadata": {
                "scope": "goldseam.instrumentation",
                "scope_version": "0.1.0",
                "server.address": "127.0.0.1",
                "server.port": 8080,
                "gen_ai.request.temperature": 0.2,
                "gen_ai.request.stop_sequences.count": 2,
                "telemetry.sdk.language": "python",
                "service.name": "shop",
            },
            "response_metadata": {
                "gen_ai.response.id": "chatcmpl-1",
                "finish_reasons": ["stop"],
            },
        }
    )
    (pattern,) = mapped.batch.patterns.values()
    assert (pattern.tenant_id, pattern.error_pattern) == ("acme", record.error_pattern)
    assert pattern.provider == "openai"
    assert mapped.counts == {"request": 1}
    assert mapped.flaws == {"unpriced": 1}  # a local model has no price


def test_the_key_is_a_function_of_the_span() -> None:
    """Start, trace and span id give the row id that the application side computes too."""
    assert row().id == ROW
    assert row().request_id == str(ROW)


def test_the_start_of_the_span_is_kept_to_the_microsecond() -> None:
    """`created_at` is the span's start in UTC."""
    assert row().created_at == datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "attributes", "expected"),
    [
        ("tenant_id", {}, "default"),
        ("tenant_id", {"goldseam.tenant.id": "a", "tenant.id": "b"}, "a"),
        ("tenant_id", {"goldseam.tenant.id": " ", "tenant.id": "b"}, "b"),
        ("tenant_id", {"tenant_id": 42}, "42"),
        ("tenant_id", {"tenant_id": "x" * 200}, "x" * 128),
        ("module", {}, "unknown"),
        ("module", {"gen_ai.agent.name": "planner"}, "planner"),
        ("user_id", {"enduser.id": "u"}, "u"),
        ("task", {}, "chat"),
        ("task", {"gen_ai.prompt.name": "greet"}, "greet"),
        ("provider_used", {"goldseam.provider.name": "ollama"}, "ollama"),
        ("provider_requested", {"goldseam.recovery.provider.name": "ollama"}, "openai"),
        ("provider_used", {"gen_ai.provider.name": "", "gen_ai.system": "az.ai.openai"},
         "azure.ai.openai"),
        ("provider_used", {"gen_ai.provider.name": "", "server.address": "llm.local"}, "llm.local"),
        ("provider_used", {"gen_ai.provider.name": ""}, "unknown"),
        ("is_stream", {"gen_ai.request.stream": "False"}, False),
        ("is_stream", {"gen_ai.request.stream": "True"}, True),
        ("is_stream", {"gen_ai.response.time_to_first_chunk": 0.25}, True),
        ("ttfc_ms", {"gen_ai.response.time_to_first_chunk": 0.25}, 250.0),
        ("confidence_score", {"goldseam.confidence.score": 1.5}, None),
        ("cost_usd", {"gen_ai.usage.cost": 0.002}, 0.002),
        ("cost_usd", {"gen_ai.usage.cost": 0, "gen_ai.usage.input_tokens": 5}, 1.25e-05),
        ("cost_usd", {"gen_ai.usage.cost": 0, "gen_ai.usage.input_tokens": 5,
         "gen_ai.request.model": "novel"}, None),
        ("cost_usd", {"gen_ai.usage.cost.amount": 1.0, "gen_ai.usage.cost.currency": "EUR"}, None),
        ("prompt_sha256", {"goldseam.prompt.sha256": "nonsense"}, None),
        ("http_status", {"http.response.status_code": 999}, None),
        ("http_status", {"http.status_code": "200"}, 200),
        ("retry_count", {"http.request.resend_count": 2}, 2),
        ("retry_count", {"goldseam.retry.count": 3, "http.request.resend_count": 2}, 3),
    ],
    ids=repr,
)  # fmt: skip
def test_the_first_usable_source_fills_a_column(
    column: str, attributes: dict[str, Value], expected: object
) -> None:
    """Blank and unusable values give way to the next source."""
    assert getattr(row(attributes), column) == expected


def test_resource_attributes_come_after_span_attributes() -> None:
    """The span knows better than its process."""
    resource: dict[str, Value] = {"service.name": "shop", "goldseam.module": "web"}

    assert row(resource=resource).module == "web"
    assert row({"code.namespace": "app.search"}, resource=resource).module == "app.search"
    assert row({}, resource={"service.name": "shop"}).module == "shop"


def test_a_request_without_any_detail_is_a_row() -> None:
    """No model, provider or operation costs nothing but nulls."""
    bare = map_spans([replace(span(), attributes={"goldseam.span.type": "request"})])

    (record,) = bare.batch.requests
    assert (record.model_requested, record.provider_used, record.operation) == (
        None,
        "unknown",
        "unknown",
    )


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("openai", "openai"),
        (" OpenAI ", "openai"),
        ("openai.chat", "openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("azure-openai.chat", "azure.ai.openai"),
        ("azure_ai", "azure.ai.inference"),
        ("gemini", "gcp.gemini"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("amazon-bedrock", "aws.bedrock"),
        ("mistral.chat", "mistral_ai"),
        ("x.ai", "x_ai"),
        ("anthropic.messages", "anthropic"),
        ("acme.image", "acme"),
        ("groq", "groq"),
        ("", "unknown"),
    ],
)
def test_providers_have_one_name(sent: str, stored: str) -> None:
    """What dialects call a provider is brought to the name of the conventions."""
    assert normalise(sent) == stored


@pytest.mark.parametrize(
    ("sent", "stored", "flawed"),
    [
        (19, 19, False),
        ("19", 19, False),
        (19.0, 19, False),
        (0, 0, False),
        ("", None, False),
        (None, None, False),
        (19.5, None, True),
        (True, None, True),
        (-1, None, True),
        ("n/a", None, True),
        ("nan", None, True),
        (float("inf"), None, True),
        (2**63 - 1, None, True),
        ([19], None, True),
    ],
    ids=repr,
)
def test_token_counts_are_coerced_or_left_out(
    sent: Value, stored: int | None, *, flawed: bool
) -> None:
    """A count is a whole number from 0 to a billion, or nothing, and then it is counted."""
    attributes = {"gen_ai.usage.input_tokens": sent}

    assert row(attributes).input_tokens == stored
    assert ("bad_value" in flaws(attributes)) is flawed


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, None),
        ({"gen_ai.usage.input_tokens": 19}, 19),
        ({"gen_ai.usage.output_tokens": 10}, 10),
        ({"gen_ai.usage.input_tokens": 19, "gen_ai.usage.output_tokens": 10}, 29),
        ({"gen_ai.usage.input_tokens": 19, "gen_ai.usage.total_tokens": 40}, 40),
        ({"gen_ai.usage.input_tokens": 19, "gen_ai.usage.reasoning.output_tokens": 7}, 19),
    ],
    ids=repr,
)
def test_used_tokens_are_the_total_or_the_sum(
    attributes: dict[str, Value], expected: int | None
) -> None:
    """Unknown is null, not 0; parts of input or output are never added again."""
    assert row(attributes).tokens_used == expected


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (["stop"], ["stop"]),
        ('["stop"]', ["stop"]),
        ("stop", ["stop"]),
        (["stop", "stop", None, ""], ["stop"]),
        (["tool_calls", "stop", "tool_calls"], ["tool_calls", "stop", "tool_calls"]),
        ("", []),
        ('["st', []),
    ],
    ids=repr,
)
def test_finish_reasons_are_a_list_of_words(sent: Value, kept: list[str]) -> None:
    """Lists, JSON text and single words are read; equal neighbours are merged."""
    metadata = row({"gen_ai.response.finish_reasons": sent}).response_metadata

    assert metadata.get("finish_reasons", []) == kept


@pytest.mark.parametrize(
    ("start_ns", "end_ns"),
    [(START_NS, START_NS - 1), (START_NS, 0)],
    ids=["backwards", "no-end"],
)
def test_a_broken_clock_gives_no_duration(start_ns: int, end_ns: int) -> None:
    """The duration is 0 and flagged, unless the span states it itself."""
    broken = row(start_ns=start_ns, end_ns=end_ns)
    stated = row({"gen_ai.client.operation.duration": 1.5}, start_ns=start_ns, end_ns=end_ns)

    assert broken.processing_time_ms == 0
    assert broken.response_metadata["clock_skew"] is True
    assert stated.processing_time_ms == 1_500


# --- content ----------------------------------------------------------------------------------

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {
        "role": "user",
        "parts": [
            {"type": "text", "content": "Four plus five? Très bien"},
            {"type": "blob", "content": "AAAA"},
        ],
    },
]
TEXT = "Be brief.\nFour plus five? Très bien"


@pytest.mark.parametrize("sent", [MESSAGES, json.dumps(MESSAGES)], ids=["list", "json"])
def test_content_is_measured_and_forgotten(sent: Value) -> None:
    """Length and hash of the text parts are kept, the text is in no column."""
    record = row({"gen_ai.input.messages": sent, "gen_ai.output.messages": json.dumps(MESSAGES)})

    assert record.prompt_length == record.response_length == len(TEXT)
    assert record.prompt_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert "Four plus five" not in repr(record)


def test_unreadable_content_has_a_length_and_no_hash() -> None:
    """Cut JSON and very long JSON are not guessed at."""
    cut = row({"gen_ai.input.messages": '[{"role": "us'})
    long = row({"gen_ai.input.messages": json.dumps([{"content": "x" * 2_000_000}])})

    assert (cut.prompt_length, cut.prompt_sha256) == (13, None)
    assert long.prompt_length is not None
    assert long.prompt_length > 2_000_000
    assert long.prompt_sha256 is None


def test_metadata_is_a_whitelist_of_bounded_size() -> None:
    """Unknown attributes stay out, and nothing can make the column large."""
    many: dict[str, Value] = {f"gen_ai.request.x{n}": n for n in range(5_000)}
    resource: dict[str, Value] = {f"service.{n}": "y" * 9_000 for n in range(50)}

    many["http.request.header.authorization"] = "z"
    mapped = map_spans([span(many, resource=resource)])

    (record,) = mapped.batch.requests
    assert len(json.dumps(record.request_metadata)) <= MAX_METADATA_BYTES
    assert "authorization" not in repr(record)
    assert mapped.flaws["metadata_cut"] > 0


def test_tools_are_kept_by_name_only() -> None:
    """Definitions of tools hold descriptions and schemas, which are content."""
    tools = [
        {"type": "function", "name": "search", "description": "secret"},
        {"type": "function", "function": {"name": "weather", "parameters": {"secret": 1}}},
        7,
    ]

    record = row({"gen_ai.tool.definitions": json.dumps(tools)})

    assert record.request_metadata["tools"] == ["search", "weather"]
    assert "secret" not in repr(record)
