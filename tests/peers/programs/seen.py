"""What the programs beside this one share: a provider, recorded spans, and their report.

A program imports `asking`, makes calls inside `during`, and ends with `report`. It runs in an
environment of its own, so it uses nothing of the tests but this file.
"""

import gc
import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from goldseam.recovery.testing import Reply, Request, ScriptedProvider, error, raw

MESSAGES: Final[Any] = [{"role": "user", "content": "four plus five?"}]

_replies: Final[deque[Reply]] = deque()


def _respond(request: Request) -> Reply:
    """Give the replies in order; LiteLLM asks Ollama about a model before it asks the model."""
    if request.path == "/api/show":
        return raw(headers={"content-type": "application/json"}, body="{}")
    return _replies.popleft() if _replies else error(500, message="No reply is left.")


provider: Final = ScriptedProvider(respond=_respond)


class _Recorder(SpanProcessor):
    def __init__(self) -> None:
        self.started: list[Span] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002 - the base's
        self.started.append(span)


_recorder: Final = _Recorder()
_report: Final[dict[str, tuple[str, list[Span]]]] = {}
_tracer_provider = TracerProvider(shutdown_on_exit=False)
_tracer_provider.add_span_processor(_recorder)
trace.set_tracer_provider(_tracer_provider)
metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))


@contextmanager
def during(label: str, *replies: Reply) -> Iterator[None]:
    """Note the spans of the calls made inside; a provider's refusal is part of the test."""
    _replies.clear()
    _replies.extend(replies)
    _recorder.started = []
    ended = "answered"
    try:
        yield
    except Exception as raised:  # noqa: BLE001 - each client has errors of its own
        ended = type(raised).__name__
    ended = f"{ended}, {len(_replies)} replies left" if _replies else ended
    _report[label] = (ended, _recorder.started)


def _told(span: ReadableSpan) -> str:
    facts = dict(span.attributes or {})
    scope = span.instrumentation_scope.name if span.instrumentation_scope else "?"
    told = [scope.rpartition(".")[2], span.name, span.status.status_code.name]
    told += [
        str(facts[name]) for name in ("gen_ai.usage.input_tokens", "error.type") if name in facts
    ]
    return " ".join(told if span.end_time else [*told, "OPEN"])


def report() -> None:
    """Print what was seen, and end."""
    provider.close()
    gc.collect()  # some clients forget a stream before its last byte
    told = {label: [ended, *map(_told, spans)] for label, (ended, spans) in _report.items()}
    json.dump(told, sys.stdout)
