"""The chat request that tests of the mapping start from, and what it becomes."""

from dataclasses import asdict, replace
from typing import Any

from goldseam.collector.mapping import map_spans
from goldseam.collector.spans import Span, Value
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
