"""Spans become rows: columns, status, errors, recovery, pending, and what must be survived."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from dirty_equals import IsStr
from inline_snapshot import snapshot

from goldseam.collector.decode import decode_protobuf
from goldseam.collector.mapping import Mapped, map_spans
from goldseam.collector.mapping.metadata import MAX_METADATA_BYTES
from goldseam.collector.mapping.provider import normalise
from goldseam.collector.spans import Event, Span, Value
from goldseam.semconv import log_id
from goldseam.storage.records import RecoveryRecord, RequestRecord

START_NS = 1_790_000_000_123_456_789
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
ROW = log_id(START_NS, int(TRACE, 16), int(SPAN, 16))


def span(attributes: dict[str, Value] | None = None, **changes: Any) -> Span:
    """Build a finished chat request of two seconds."""
    chat = Span(
        trace_id=TRACE,
        span_id=SPAN,
        name="chat gpt-4o",
        kind=3,
        start_ns=START_NS,
        end_ns=START_NS + 2_000_000_000,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.id": "chatcmpl-1",
            **(attributes or {}),
        },
    )
    return replace(chat, **changes)


def row(attributes: dict[str, Value] | None = None, **changes: Any) -> RequestRecord:
    """Map one chat request to its row."""
    (record,) = map_spans([span(attributes, **changes)]).batch.requests
    return record


def flaws(attributes: dict[str, Value]) -> dict[str, int]:
    """Map one chat request and count what did not fit."""
    return dict(map_spans([span(attributes)]).flaws)


def filled(record: RequestRecord | RecoveryRecord) -> dict[str, Any]:
    """Show the columns of a row that hold something."""
    return {name: value for name, value in asdict(record).items() if value not in (None, {})}


# --- columns ----------------------------------------------------------------------------------


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


# --- status and errors ------------------------------------------------------------------------


def exception(kind: str, message: str = "") -> Event:
    """Build the event that instrumentations record for an exception."""
    return Event(
        name="exception", attributes={"exception.type": kind, "exception.message": message}
    )


@pytest.mark.parametrize(
    ("attributes", "changes", "status", "code"),
    [
        ({}, {}, "success", None),
        ({}, {"status_code": 1}, "success", None),
        ({}, {"status_code": 2}, "error", "UNKNOWN"),
        ({"error.type": "openai.RateLimitError"}, {}, "error", "RATE_LIMIT"),
        ({"error.type": "asyncio.exceptions.CancelledError"}, {"status_code": 2},
         "cancelled", "CANCELLED"),
        ({"error.type": "anthropic.APITimeoutError"}, {}, "error", "TIMEOUT"),
        ({"error.type": "429"}, {"status_message": "429 RESOURCE_EXHAUSTED. {}"},
         "error", "RATE_LIMIT"),
        ({"error.type": "_OTHER", "http.response.status_code": 503}, {}, "error", "OVERLOADED"),
        ({"goldseam.error.code": "CONTEXT_LENGTH", "error.type": "openai.BadRequestError"}, {},
         "error", "CONTEXT_LENGTH"),
        ({"gen_ai.response.finish_reasons": ["error"]}, {}, "error", "UNKNOWN"),
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, {}, "success", None),
        ({}, {"status_code": 1, "events": (exception("ValueError"),)}, "success", None),
        ({"gen_ai.response.id": ""}, {"events": (exception("openai.APIConnectionError"),)},
         "error", "CONNECTION"),
        ({}, {"status_code": 2, "status_message": "Error code: 401 - {'error': {}}"},
         "error", "AUTH"),
        ({}, {"status_code": 2, "events": (exception("X", "status_code: 529, body: {}"),)},
         "error", "OVERLOADED"),
    ],
    ids=repr,
)  # fmt: skip
def test_status_and_code_follow_the_evidence(
    attributes: dict[str, Value], changes: dict[str, Any], status: str, code: str | None
) -> None:
    """Each kind of evidence that dialects leave leads to the same codes."""
    record = row(attributes, **changes)

    assert (record.status, record.error_code) == (status, code)


def test_the_last_of_two_exception_events_counts_once() -> None:
    """An error that was recorded twice is one error."""
    events = (exception("ValueError", "first"), exception("openai.RateLimitError", "last"))

    mapped = map_spans([span(status_code=2, events=events)])

    (record,) = mapped.batch.requests
    assert (record.error_code, record.error_message) == ("RATE_LIMIT", "last")
    assert len(mapped.batch.patterns) == 1


def test_secrets_do_not_reach_the_table() -> None:
    """Error texts are masked on this side too, whoever sent them."""
    record = row(status_code=2, status_message="Incorrect API key sk-abcdefghijklmnop1234567890AB")

    assert record.error_message is not None
    assert "abcdefghijklmnop" not in record.error_message


def test_a_row_and_its_pattern_name_the_same_error() -> None:
    """Every pattern that a row mentions comes along with its cause and its fix."""
    mapped = map_spans([span({"error.type": "openai.RateLimitError"}, status_message="too many")])

    (record,) = mapped.batch.requests
    assert record.error_pattern is not None
    pattern = mapped.batch.patterns[record.tenant_id, record.error_pattern]
    assert record.first_error_code == record.error_code == pattern.error_code == "RATE_LIMIT"
    assert pattern.error_message_pattern
    assert pattern.probable_cause
    assert pattern.suggested_action


def test_silence_is_marked() -> None:
    """A success without any sign of an answer, and a stream without an end, are flagged."""
    silent = row({"gen_ai.response.id": ""})
    stream = row({"gen_ai.request.stream": True})

    assert silent.response_metadata["no_response_evidence"] is True
    assert stream.response_metadata["incomplete_stream"] is True
    assert "incomplete_stream" not in row().response_metadata


# --- recovery steps ---------------------------------------------------------------------------


def step(number: int | None = None, attributes: dict[str, Value] | None = None) -> Span:
    """Build a recovery step of 750 ms under the request."""
    said: dict[str, Value] = {} if number is None else {"goldseam.recovery.step": number}
    return Span(
        trace_id=TRACE,
        span_id=f"{number or 9:016x}",
        parent_span_id=SPAN,
        name="recovery retry",
        kind=1,
        start_ns=START_NS + 1_000_000_000 * (number or 9),
        end_ns=START_NS + 1_000_000_000 * (number or 9) + 750_000_000,
        attributes={
            "goldseam.span.type": "recovery_step",
            "goldseam.recovery.strategy": "retry",
            **said,
            **(attributes or {}),
        },
    )


def steps(*spans: Span) -> list[RecoveryRecord]:
    """Map spans to recovery rows."""
    return map_spans(spans).batch.recoveries


def test_every_column_of_a_recovery_step() -> None:
    """A step fills its row; what has no column is in the result."""
    (record,) = steps(
        step(
            1,
            {
                "goldseam.log.id": str(ROW),
                "goldseam.tenant.id": "acme",
                "goldseam.recovery.attempt": 1,
                "goldseam.recovery.action": "wait 0.5s, resend",
                "goldseam.recovery.success": True,
                "goldseam.recovery.delay": 0.5,
                "goldseam.recovery.provider.name": "Ollama",
                "goldseam.recovery.model": "llama3.1",
                "gen_ai.usage.input_tokens": 19,
            },
        )
    )

    assert filled(record) == {
        "tenant_id": "acme",
        "created_at": datetime(2026, 9, 21, 14, 13, 21, 123456, tzinfo=UTC),
        "id": log_id(START_NS + 1_000_000_000, int(TRACE, 16), 1),
        "request_log_id": ROW,
        "trace_id": TRACE,
        "strategy_name": "retry",
        "step_number": 1,
        "action_taken": "wait 0.5s, resend",
        "was_successful": True,
        "recovery_time_ms": 750.0,
        "provider": "ollama",
        "model": "llama3.1",
        "recovery_result": {
            "delay_s": 0.5,
            "attempt": 1,
            "provider": "ollama",
            "model": "llama3.1",
            "input_tokens": 19,
            "span_id": f"{1:016x}",
        },
    }


def test_a_step_finds_its_request_by_parent() -> None:
    """Without an id the parent in the same OTLP request tells, in whatever order they came."""
    for spans in ([step(1), span()], [span(), step(1)]):
        (record,) = steps(*spans)
        assert record.request_log_id == ROW


def test_a_step_without_its_request_waits_for_nobody() -> None:
    """A step whose request is elsewhere tells the writer by which span to find it."""
    (record,) = steps(step(1))

    assert record.request_log_id is None
    assert record.recovery_result["parent_span_id"] == step(1).parent_span_id


def test_steps_are_numbered_by_their_start() -> None:
    """Steps that do not say their number get one."""
    second, first = step(2), step(1)
    unnumbered = [
        replace(s, attributes={"goldseam.span.type": "recovery_step"}) for s in (second, first)
    ]

    records = steps(*unnumbered)

    assert [(r.step_number, r.strategy_name) for r in records] == [(1, "unknown"), (2, "unknown")]
    assert records[0].created_at < records[1].created_at


@pytest.mark.parametrize(
    ("attributes", "status_code", "expected"),
    [
        ({}, 0, True),
        ({}, 2, False),
        ({"goldseam.recovery.success": False}, 0, False),
        ({"goldseam.recovery.success": "true"}, 2, True),
    ],
    ids=repr,
)
def test_success_of_a_step(
    attributes: dict[str, Value], status_code: int, *, expected: bool
) -> None:
    """A step says whether it mended the call; its status is the second best witness."""
    (record,) = steps(replace(step(1, attributes), status_code=status_code))

    assert record.was_successful is expected


def test_a_failed_step_says_why() -> None:
    """The code of a step comes from the attribute, else from the span's own evidence."""
    (told,) = steps(step(1, {"goldseam.error.code": "TIMEOUT"}))
    (found,) = steps(replace(step(1, {"error.type": "openai.RateLimitError"}), status_code=2))

    assert (told.error_code, found.error_code) == ("TIMEOUT", "RATE_LIMIT")


# --- pending ----------------------------------------------------------------------------------


def pending(attributes: dict[str, Value] | None = None, **changes: Any) -> Span:
    """Build the span that announces the request of `span`."""
    announced = span({"goldseam.span.type": "pending", **(attributes or {})})
    return replace(
        announced,
        **{"span_id": "1" * 16, "parent_span_id": SPAN, "end_ns": START_NS, **changes},
    )


def test_a_pending_span_opens_the_row_of_the_span_to_come() -> None:
    """The row has the key, the ids and the start of the real span."""
    parent = "00f067aa0ba902b7"
    mapped = map_spans([pending({"goldseam.pending.parent_id": parent})])

    (record,) = mapped.batch.requests
    assert (record.id, record.span_id, record.parent_span_id) == (ROW, SPAN, parent)
    assert (record.status, record.model_requested, record.error_pattern) == (
        "pending",
        "gpt-4o",
        None,
    )
    assert mapped.counts == {"pending": 1}


def test_a_pending_root_has_no_parent() -> None:
    """Zeros stand for a root."""
    (record,) = map_spans([pending({"goldseam.pending.parent_id": "0" * 16})]).batch.requests

    assert record.parent_span_id is None


@pytest.mark.parametrize("order", [1, -1], ids=["pending-first", "final-first"])
def test_a_final_span_drops_its_pending_span(order: int) -> None:
    """If both come in one OTLP request, only the final one is stored."""
    (record,) = map_spans([pending(), span()][::order]).batch.requests

    assert record.status == "success"


# --- refusals ---------------------------------------------------------------------------------

_EARLY = int(datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 10**9
_LATE = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_ns": 0}, "bad_time"),
        ({"start_ns": _EARLY}, "bad_time"),
        ({"start_ns": _LATE}, "bad_time"),
        ({"start_ns": 2**64 - 1}, "bad_time"),
        ({"trace_id": "0" * 32}, "bad_id"),
        ({"trace_id": "ab"}, "bad_id"),
        ({"trace_id": ""}, "bad_id"),
        ({"trace_id": "z" * 32}, "bad_id"),
        ({"span_id": "0" * 16}, "bad_id"),
        ({"span_id": "ab" * 16}, "bad_id"),
    ],
    ids=repr,
)
def test_a_span_that_cannot_have_a_key_is_refused_alone(
    changes: dict[str, Any], reason: str
) -> None:
    """The span is counted with its reason, the others are stored."""
    good = replace(span(), span_id="1" * 16)

    mapped = map_spans([span(**changes), good])

    assert [record.span_id for record in mapped.batch.requests] == [good.span_id]
    assert mapped.rejected == [reason]
    assert mapped.counts == {"request": 1, "rejected": 1}


def test_the_year_2020_and_the_year_2099_are_accepted() -> None:
    """The accepted range holds its first and its last moment."""
    mapped = map_spans([span(start_ns=_EARLY + 10**9), span(start_ns=_LATE - 1)])

    assert mapped.rejected == []


def test_a_foreign_span_of_any_time_is_ignored() -> None:
    """Nobody is told about spans that would not have been stored."""
    mapped = map_spans([replace(span(), attributes={}, start_ns=0)])

    assert mapped == Mapped(counts=mapped.counts)
    assert mapped.counts == {"ignored": 1}


def test_the_parent_of_a_root_is_null() -> None:
    """Empty, zero and malformed parents are no parents."""
    assert row(parent_span_id="").parent_span_id is None
    assert row(parent_span_id="0" * 16).parent_span_id is None
    assert row(parent_span_id="xyz").parent_span_id is None
    assert row(parent_span_id="1" * 16).parent_span_id == "1" * 16


def test_a_bad_request_id_costs_the_link_only() -> None:
    """A step with a malformed id is stored, and the value is counted."""
    mapped = map_spans([step(1, {"goldseam.log.id": "no-uuid"})])

    assert mapped.batch.recoveries[0].request_log_id is None
    assert mapped.flaws == {"bad_value": 1}


def test_ids_are_uuids_of_version_8() -> None:
    """The row id sorts by time and can be told from a random one."""
    assert isinstance(row().id, UUID)
    assert row().id.version == 8
