"""OTLP bodies as a chat application sends them: 25 attributes a span, about 1 kB, never one twice.

Deterministic but for the time of their start; 3 in 100 calls fail. The same bodies are used for
every step of a run.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

SHAPE: Final = "25 attributes a span, 20 tenants, 6 modules, 8 models, 3 % failed"
FAILED_EVERY: Final = 33

_STEP_NS: Final = 1_000_000
_RESOURCE: Final = {
    "service.name": "shop",
    "service.version": "4.2.0",
    "service.instance.id": "8f14e45f-ceea-467f-9575-6a3f1c2d0b11",
    "deployment.environment.name": "production",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.2",
}
_PROVIDERS: Final = ("openai", "ovhcloud", "ollama", "anthropic")


@dataclass(frozen=True, slots=True)
class Load:
    """Bodies of equal size, and how many spans they hold together."""

    bodies: tuple[bytes, ...]
    spans: int


def load(*, spans: int, spans_per_body: int, start_ns: int, series: int = 0) -> Load:
    """Return bodies with spans that start from `start_ns` on; another `series`, other spans."""
    bodies = tuple(
        _body(range(first, first + spans_per_body), start_ns, series)
        for first in range(0, spans, spans_per_body)
    )
    return Load(bodies, len(bodies) * spans_per_body)


def _body(numbers: range, start_ns: int, series: int) -> bytes:
    group = ResourceSpans()
    group.resource.attributes.extend(_attribute(k, v) for k, v in _RESOURCE.items())
    scope: ScopeSpans = group.scope_spans.add()
    scope.scope.name, scope.scope.version = "goldseam.instrumentation", "0.1.0"
    scope.spans.extend(_span(number, start_ns, series) for number in numbers)
    body: bytes = ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()
    return body


def _span(number: int, start_ns: int, series: int) -> Span:
    digest = hashlib.sha256(f"{series}/{number}".encode()).digest()
    failed = number % FAILED_EVERY == 0
    model = f"model-{digest[27] % 8}"
    began_ns = start_ns + number * _STEP_NS
    span = Span(
        trace_id=digest[:16],
        span_id=digest[16:24],
        parent_span_id=digest[8:16],
        name=f"chat {model}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=began_ns,
        end_time_unix_nano=began_ns + _duration_ns(digest),
    )
    attributes = _attributes(digest, model)
    if failed:
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = f"Error code: 429 - Rate limit reached for {model}: 30000 TPM"
        attributes |= {"error.type": "RateLimitError", "http.response.status_code": 429}
    span.attributes.extend(_attribute(key, value) for key, value in attributes.items())
    return span


def _duration_ns(digest: bytes) -> int:
    """Return a time around 1.2 s; 1 in 20 calls takes longer than 5 s."""
    spread = sum(digest[8:16]) / 2_040 - 0.5  # nearly normal
    return int(1.2e9 * 10 ** (spread * 6))


def _attributes(digest: bytes, model: str) -> dict[str, str | int | float | bool | list[str]]:
    got, gave = 100 + digest[24], 20 + digest[25]
    return {
        "goldseam.span.type": "request",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS[digest[27] % 4],
        "gen_ai.request.model": model,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 800,
        "gen_ai.response.model": f"{model}-2026-05-13",
        "gen_ai.response.id": f"chatcmpl-{digest[:12].hex()}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": got,
        "gen_ai.usage.output_tokens": gave,
        "gen_ai.usage.cache_read.input_tokens": digest[26],
        "server.address": "api.provider.example",
        "server.port": 443,
        "goldseam.tenant.id": f"tenant-{digest[25] * digest[28] // 3252}",
        "goldseam.module": f"module-{digest[26] % 6}",
        "goldseam.user.id": f"user-{digest[29]}",
        "goldseam.task": "answer a question",
        "goldseam.request.id": digest[:16].hex(),
        "goldseam.prompt.sha256": digest.hex(),
        "goldseam.prompt.length": 40 + digest[30] * 16,
        "goldseam.response.length": 20 + digest[31] * 8,
        "goldseam.retry.count": 0,
        "goldseam.recovery.outcome": "not_needed",
        "gen_ai.conversation.id": digest[16:].hex(),
    }


def _attribute(key: str, value: str | float | list[str]) -> KeyValue:
    return KeyValue(key=key, value=_value(value))


def _value(value: str | float | list[str]) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case _:
            return AnyValue(array_value=ArrayValue(values=map(_value, value)))
