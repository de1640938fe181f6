"""What any language must do to tell Goldseam of a call: one span as OTLP/JSON, one POST.

    python examples/otlp_by_hand.py

Needs nothing but Python. Other libraries send the same with their own exporter; then only the
address is to be set, OTEL_EXPORTER_OTLP_ENDPOINT.
"""

import json
import os
import secrets
import time
import urllib.request

ENDPOINT = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
CLIENT = 3
"""The kind of a span that asks somebody else."""

TEXTS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "goldseam.tenant.id": "acme",
    "goldseam.module": "by-hand",
}
NUMBERS = {"gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3}

now_ns = time.time_ns()
span = {
    "traceId": secrets.token_hex(16),
    "spanId": secrets.token_hex(8),
    "name": "chat gpt-4o-mini",
    "kind": CLIENT,
    "startTimeUnixNano": str(now_ns - 250_000_000),
    "endTimeUnixNano": str(now_ns),
    "attributes": [
        *({"key": key, "value": {"stringValue": text}} for key, text in TEXTS.items()),
        *({"key": key, "value": {"intValue": str(number)}} for key, number in NUMBERS.items()),
    ],
}
body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "by-hand"}, "spans": [span]}]}]}
request = urllib.request.Request(
    f"{ENDPOINT}/v1/traces",
    json.dumps(body).encode(),
    {"Content-Type": "application/json"},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.status, span["traceId"])
