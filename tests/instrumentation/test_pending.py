"""Pending spans: who is announced, when, to whom, and what it costs when nobody listens."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any

import openai
import pytest
from dirty_equals import IsPartialDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan
from tests.instrumentation.conftest import KEY, QUESTION, Instrument, Recorder

from goldseam.instrumentation import GoldseamInstrumentor, SettingsError, _pending, _settings
from goldseam.instrumentation._pending import Pending
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery.testing import Reply, Request, ScriptedProvider, chat

SOON_S = 10


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP and gives what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.status = 200
        self.spans: SimpleQueue[WireSpan] = SimpleQueue()
        self.headers: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def next(self) -> WireSpan:
        """Wait for the next span."""
        return self.spans.get(timeout=SOON_S)


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.server.spans.put(span)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Print nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


class Batches:
    """Stands where spans are sent: keeps each batch, and holds the sender until it may go on."""

    def __init__(self) -> None:
        self.arrived: SimpleQueue[list[str]] = SimpleQueue()
        self.gate = threading.Semaphore(0)

    def __call__(self, spans: Any) -> None:
        """Take a batch."""
        self.arrived.put([span.name for span in spans])
        assert self.gate.acquire(timeout=SOON_S)

    def next(self) -> list[str]:
        """Wait for the next batch and let its sender go on."""
        names = self.arrived.get(timeout=SOON_S)
        self.gate.release()
        return names


@pytest.fixture
def start(recorder: Recorder) -> Callable[[str], Any]:
    """Start a span of the recorder's tracer."""
    return recorder.tracer_provider.get_tracer("test").start_span


@pytest.fixture
def batches() -> Batches:
    """What a queue under test sends."""
    return Batches()


@pytest.fixture
def pending(batches: Batches) -> Iterator[Pending]:
    """A queue that sends at once."""
    queue = Pending(batches, linger_s=0)
    yield queue
    batches.gate.release(1_000)
    queue.close()


def attributes_of(span: WireSpan) -> dict[str, Any]:
    """Return the attributes of a span off the wire."""
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


class TestAnnouncement:
    """A call in flight, seen from the collector."""

    @pytest.mark.parametrize("client", ["sdk", "wire"])
    def test_a_call_in_flight_is_announced(
        self,
        client: str,
        collector: Collector,
        provider: ScriptedProvider,
        recorder: Recorder,
        instrument: Instrument,
    ) -> None:
        """While the provider is at work the collector hears what is known of the request."""
        announced: list[WireSpan] = []

        def answer(_: Request) -> Reply:
            announced.append(collector.next())
            return chat("nine")

        provider.respond = answer
        instrument(pending_endpoint=collector.url)
        with recorder.tracer_provider.get_tracer("test").start_as_current_span("outer"):
            _ask(provider, client)

        (span,) = announced
        request = recorder.request
        assert request.context
        assert request.parent
        assert span.trace_id.hex() == f"{request.context.trace_id:032x}"
        assert span.parent_span_id.hex() == f"{request.context.span_id:016x}"
        assert span.span_id != span.parent_span_id
        assert span.start_time_unix_nano == span.end_time_unix_nano == request.start_time
        assert attributes_of(span) == IsPartialDict(
            {
                "goldseam.span.type": "pending",
                "goldseam.log.id": recorder.facts["goldseam.log.id"],
                "goldseam.pending.parent_id": f"{request.parent.span_id:016x}",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt-4o",
            }
        )

    def test_the_application_sees_no_pending_span(
        self,
        collector: Collector,
        provider: ScriptedProvider,
        recorder: Recorder,
        instrument: Instrument,
    ) -> None:
        """The application's own pipeline gets the request and nothing else."""

        def answer(_: Request) -> Reply:
            collector.next()
            return chat("nine")

        provider.respond = answer
        instrument(pending_endpoint=collector.url)
        _ask(provider, "sdk")
        assert recorder.tree() == ["chat gpt-4o CLIENT request"]
        assert recorder.leaked == []

    def test_headers_go_along(
        self,
        collector: Collector,
        provider: ScriptedProvider,
        instrument: Instrument,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A collector that asks for a key gets the one of the environment."""

        def answer(_: Request) -> Reply:
            collector.next()
            return chat("nine")

        provider.respond = answer
        monkeypatch.setenv("GOLDSEAM_PENDING_ENDPOINT", f"{collector.url}/v1/traces")
        monkeypatch.setenv("GOLDSEAM_PENDING_HEADERS", "authorization=Bearer%20k")
        instrument()
        _ask(provider, "sdk")
        assert collector.headers[0] == IsPartialDict(
            {"authorization": "Bearer k", "content-type": "application/x-protobuf"}
        )

    def test_nothing_is_set_up_unless_asked(self, instrument: Instrument) -> None:
        """Without an endpoint there is neither a queue nor a thread."""
        instrument()
        assert SWITCH.pending is None
        assert "goldseam-pending" not in [each.name for each in threading.enumerate()]


class TestQueue:
    """What is kept for the next sending, and what is not."""

    def test_what_has_ended_is_not_announced(
        self, pending: Pending, batches: Batches, start: Callable[[str], Any]
    ) -> None:
        """A request whose final span is on its way needs no pending one."""
        spans = [start(name) for name in ("first", "short", "long")]
        pending.announce(spans[0])
        first = batches.arrived.get(timeout=SOON_S)
        pending.announce(spans[1])
        pending.announce(spans[2])
        spans[1].end()
        batches.gate.release()
        assert (first, batches.next()) == (["first"], ["long"])

    def test_a_full_queue_drops_the_oldest(
        self,
        batches: Batches,
        start: Callable[[str], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Memory is bounded, and what has just started is worth more than what is old."""
        monkeypatch.setattr(_pending, "MAX_WAITING", 2)
        pending = Pending(batches, linger_s=0)
        spans = [start(name) for name in ("first", "a", "b", "c")]
        pending.announce(spans[0])
        first = batches.arrived.get(timeout=SOON_S)
        for span in spans[1:]:
            pending.announce(span)
        batches.gate.release()
        assert (first, batches.next()) == (["first"], ["b", "c"])
        pending.close()

    @pytest.mark.parametrize("decision", [Decision.DROP, Decision.RECORD_ONLY])
    def test_only_sampled_requests_are_announced(
        self,
        decision: Decision,
        collector: Collector,
        provider: ScriptedProvider,
        recorder: Recorder,
        instrument: Instrument,
    ) -> None:
        """A request whose final span will never come must not be announced."""

        class Decide(Sampler):
            def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
                return SamplingResult(decision)

            def get_description(self) -> str:
                return "decided by the test"

        recorder.tracer_provider = TracerProvider(sampler=Decide(), shutdown_on_exit=False)
        instrument(pending_endpoint=collector.url)
        provider.script(chat("nine"))
        _ask(provider, "sdk")
        pending = SWITCH.pending
        assert pending is not None
        assert (len(pending._started), pending._thread) == (0, None)

    def test_closing_announces_what_still_runs(
        self, batches: Batches, start: Callable[[str], Any]
    ) -> None:
        """At the end nobody waits for the usual moment to pass."""
        pending = Pending(batches, linger_s=3_600)
        batches.gate.release()
        running = start("running")
        pending.announce(running)
        pending.close()
        assert batches.next() == ["running"]

    def test_a_forked_process_announces_its_own(self) -> None:
        """A child starts with an empty queue and a thread of its own."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.split()) == ["child:in-child", "parent:in-parent"]


FORKING = """
import os, threading
from opentelemetry.sdk.trace import TracerProvider
from goldseam.instrumentation._pending import Pending

sent, told = [], threading.Event()

def send(spans):
    sent.extend(span.name for span in spans)
    told.set()

start = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span
pending = Pending(send, linger_s=0)
parents = start("in-parent")
pending.announce(parents)
assert told.wait(10)
child = os.fork()
if child == 0:
    sent.clear(), told.clear()
    mine = start("in-child")
    pending.announce(mine)
    assert told.wait(10)
    print("child:" + ",".join(sent), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("parent:" + ",".join(sent))
"""


class TestFaults:
    """A collector that is away or refuses, and settings that are wrong."""

    def test_an_absent_collector_is_one_warning(
        self,
        start: Callable[[str], Any],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """However often sending fails it is logged once, and what still runs is sent later."""
        monkeypatch.setattr(_pending, "MIN_PAUSE_S", 0.001)
        tries: SimpleQueue[list[str]] = SimpleQueue()
        failures = iter([ConnectionRefusedError("refused"), TimeoutError("timed out")])

        def send(spans: Any) -> None:
            failure = next(failures, None)
            if failure is not None:
                raise failure
            tries.put([span.name for span in spans])

        pending = Pending(send, linger_s=0)
        running = start("running")
        with caplog.at_level(logging.WARNING):
            pending.announce(running)
            assert tries.get(timeout=SOON_S) == ["running"]
        pending.close()
        (record,) = caplog.records
        assert "GOLDSEAM_PENDING_ENDPOINT" in record.getMessage()

    @pytest.mark.parametrize("status", [400, 404, 503])
    def test_a_refusing_collector_does_not_touch_the_call(
        self,
        status: int,
        collector: Collector,
        provider: ScriptedProvider,
        recorder: Recorder,
        instrument: Instrument,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The caller gets the answer, and the log names the status once."""
        collector.status = status

        def answer(_: Request) -> Reply:
            collector.next()
            return chat("nine")

        provider.respond = answer
        instrument(pending_endpoint=collector.url)
        assert _ask(provider, "sdk") == "nine"
        GoldseamInstrumentor().uninstrument()
        assert recorder.request.status.is_unset
        assert all(str(status) in record.getMessage() for record in caplog.records)
        assert len(caplog.records) <= 1

    def test_a_missing_extra_is_named(
        self,
        instrument: Instrument,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Without the encoder a warning says what to install, and calls go on unannounced."""
        monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.common", None)
        instrument(pending_endpoint="http://127.0.0.1:9")
        assert "pip install 'goldseam[otlp]'" in caplog.text
        assert SWITCH.pending is None

    def test_a_wrong_endpoint_is_refused(self, instrument: Instrument) -> None:
        """An argument that is no address raises and says what one looks like."""
        with pytest.raises(SettingsError, match=r"http://127\.0\.0\.1:4318"):
            instrument(pending_endpoint="localhost:4318")

    def test_a_wrong_environment_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """Zero-code start-up goes on without announcements."""
        read = _settings.read(environ={"GOLDSEAM_PENDING_ENDPOINT": "localhost:4318"})
        assert read.pending_endpoint is None
        assert "GOLDSEAM_PENDING_ENDPOINT is 'localhost:4318'" in caplog.text

    def test_off_wins_over_the_environment(self) -> None:
        """`off` announces nothing, as an argument and as a variable."""
        environ = {"GOLDSEAM_PENDING_ENDPOINT": "http://127.0.0.1:4318"}
        assert _settings.read(pending_endpoint="off", environ=environ).pending_endpoint is None
        assert _settings.read(environ={"GOLDSEAM_PENDING_ENDPOINT": "off"}).pending_endpoint is None


def test_a_foreign_span_is_not_announced() -> None:
    """A span that is no SDK's cannot be encoded, so nothing is made of it."""
    assert _pending.pending_span(NonRecordingSpan(INVALID_SPAN_CONTEXT)) is None


def _ask(provider: ScriptedProvider, client: str) -> Any:
    if client == "wire":
        httpx = pytest.importorskip("httpx")
        body = {"model": "gpt-4o", "messages": QUESTION}
        return httpx.post(f"{provider.base_url}/chat/completions", json=body).json()
    with openai.OpenAI(api_key=KEY, base_url=provider.base_url, max_retries=0) as made:
        answer = made.chat.completions.create(model="gpt-4o", messages=QUESTION)
        return answer.choices[0].message.content
