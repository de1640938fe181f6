"""OTLP bodies whose spans can be told apart, and writers that repeat what is not acknowledged.

A span carries its name as request id, unique over a trial, so that afterwards each row can be held
against what its writer was told.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

WRITERS: Final = 4
SPANS_PER_BODY: Final = 10
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

_ANSWER_TIMEOUT_S: Final = 60.0
"""Longer than anything may take, so that a slow answer is told from none."""
_REPEAT_S: Final = 0.05
_FINISH_S: Final = 180.0

Attempt = Callable[[], bool]
"""Sends one body once more; tells whether it was acknowledged."""

Prepare = Callable[[str], Attempt]
"""Makes a body whose spans are called `name/0`, `name/1`, …"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 if nothing did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def attributes_of(name: str) -> dict[str, str]:
    """Return what a span says of itself."""
    return {
        "goldseam.span.type": "request",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "goldseam.request.id": name,
    }


def body_of(name: str, *, spans: int = SPANS_PER_BODY, padding_bytes: int = 0) -> bytes:
    """Return a body with request ids `name/0`, `name/1`, …; one span in five has failed.

    Args:
        name: Unique over a trial.
        spans: How many.
        padding_bytes: That each span carries besides, and that cannot be compressed.
    """
    scope = ScopeSpans()
    scope.scope.name = "goldseam.instrumentation"
    for number in range(spans):
        now_ns = time.time_ns()
        span = Span(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="chat gpt-4o",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=now_ns - 1_000_000_000,
            end_time_unix_nano=now_ns,
        )
        if number % 5 == 0:
            span.status.code = Status.STATUS_CODE_ERROR
            span.status.message = "Error code: 429 - rate limit reached"
        span.attributes.extend(
            KeyValue(key=key, value=AnyValue(string_value=value))
            for key, value in attributes_of(f"{name}/{number}").items()
        )
        if padding_bytes:
            span.attributes.add(key="padding").value.bytes_value = os.urandom(padding_bytes)
        scope.spans.append(span)
    group = ResourceSpans(scope_spans=[scope])
    body: bytes = ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()
    return body


class Line:
    """A connection that is kept open between bodies and opened anew when it breaks."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_TIMEOUT_S)

    def post(self, body: bytes, media_type: str = PROTOBUF, encoding: str = "") -> Answer:
        """Send a body once."""
        headers = {"Content-Type": media_type}
        if encoding:
            headers["Content-Encoding"] = encoding
        try:
            self._connection.request("POST", "/v1/traces", body, headers)
            response = self._connection.getresponse()
            return Answer(response.status, _lower(response), response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return Answer()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def post(port: int, body: bytes, media_type: str = PROTOBUF, encoding: str = "") -> Answer:
    """Send a body over a connection of its own."""
    line = Line(port)
    try:
        return line.post(body, media_type, encoding)
    finally:
        line.close()


def over_http(port: int) -> Prepare:
    """Return what prepares bodies for a collector's HTTP port."""

    def prepare(name: str) -> Attempt:
        body = body_of(name)
        return lambda: post(port, body).status == http.client.OK

    return prepare


@dataclass
class Writers:
    """Four threads that send, each until it is acknowledged, before they send the next.

    Attributes:
        prepare: Makes and sends bodies.
        spans_per_s: All writers' together; None for as fast as they get answers.
        sent: Names of spans that went out, acknowledged or not.
        acknowledged: Names of those that are safe, say the answers.
        repeated: Bodies that had to be sent again.
    """

    prepare: Prepare
    spans_per_s: float | None = None
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    repeated: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs, then finish what was begun."""
        self._threads += [
            threading.Thread(target=self._write, args=(number,), daemon=True)
            for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.finish()

    def finish(self) -> None:
        """Begin nothing new, and repeat what was begun until it is acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_FINISH_S)

    @property
    def unfinished(self) -> int:
        """Writers whose last body was never acknowledged."""
        return sum(thread.is_alive() for thread in self._threads)

    def _write(self, writer: int) -> None:
        began_s, number = time.monotonic(), 0
        while not self._stop.is_set():
            name = f"writer-{writer}/{number}"
            spans = {f"{name}/{each}" for each in range(SPANS_PER_BODY)}
            self.sent.update(spans)
            attempt = self.prepare(name)
            while not attempt():
                self.repeated += 1
                time.sleep(_REPEAT_S)
            self.acknowledged.update(spans)
            number += 1
            if self.spans_per_s is not None:
                due_s = began_s + number * SPANS_PER_BODY * WRITERS / self.spans_per_s
                self._stop.wait(max(0.0, due_s - time.monotonic()))


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
