"""Baggage: onto the application's spans by an allow-list, and never to a provider."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry import baggage, propagate
from opentelemetry import context as otel
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.trace import TracerProvider
from tests.instrumentation.conftest import QUESTION, Instrument, Recorder, facts_of
from tests.instrumentation.styles import make_client, sdk_params

from goldseam.instrumentation import BaggageSpanProcessor, GoldseamInstrumentor
from goldseam.recovery.testing import ScriptedProvider


@pytest.fixture
def carried() -> Iterator[None]:
    """Baggage of ours, of others, and of nobody's list is in the context."""
    carried = otel.get_current()
    for key in ("goldseam.tenant.id", "goldseam.user.id", "goldseam.secret", "other"):
        carried = baggage.set_baggage(key, f"{key}!", carried)
    carried = baggage.set_baggage("goldseam.module", "é" * 500, carried)
    token = otel.attach(carried)
    yield
    otel.detach(token)


@pytest.fixture
def http_spans(recorder: Recorder) -> Iterator[None]:
    """The official HTTP instrumentation is active and sends baggage along."""
    theirs = pytest.importorskip("opentelemetry.instrumentation.httpx").HTTPXClientInstrumentor()
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(W3CBaggagePropagator())
    theirs.instrument(tracer_provider=recorder.tracer_provider)
    yield
    theirs.uninstrument()
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("carried")
class TestSpans:
    """The span processor."""

    def test_listed_keys_reach_every_span(self, instrument: Instrument, recorder: Recorder) -> None:
        """A span of the application's own has the four facts, cut, and nothing else."""
        instrument()

        recorder.tracer_provider.get_tracer("app").start_span("work", attributes={"a": 1}).end()

        (span,) = recorder.finished
        assert facts_of(span) == {
            "a": 1,
            "goldseam.tenant.id": "goldseam.tenant.id!",
            "goldseam.user.id": "goldseam.user.id!",
            "goldseam.module": "é" * 128,
        }

    def test_what_a_span_knows_stays(self, instrument: Instrument, recorder: Recorder) -> None:
        """An attribute that was set on purpose wins over baggage."""
        instrument()

        tracer = recorder.tracer_provider.get_tracer("app")
        tracer.start_span("work", attributes={"goldseam.tenant.id": "mine"}).end()

        assert facts_of(recorder.finished[0])["goldseam.tenant.id"] == "mine"

    def test_off_and_on_adds_one_processor(
        self, instrument: Instrument, recorder: Recorder
    ) -> None:
        """Switched off nothing is copied; switched on again it is copied once."""
        tracer = recorder.tracer_provider.get_tracer("app")
        before = len(recorder.tracer_provider._active_span_processor._span_processors)
        instrument()
        GoldseamInstrumentor().uninstrument()
        tracer.start_span("off").end()
        instrument()
        tracer.start_span("on").end()

        off, on = recorder.finished
        assert facts_of(off) == {}
        assert "goldseam.tenant.id" in facts_of(on)
        after = len(recorder.tracer_provider._active_span_processor._span_processors)
        assert after == before + 1

    def test_by_hand_with_other_keys(self) -> None:
        """A program may add the processor itself, and say what it copies."""
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BaggageSpanProcessor(["other"]))

        span: Any = provider.get_tracer("app").start_span("work")

        assert dict(span.attributes) == {"other": "other!"}


@pytest.mark.usefixtures("carried", "http_spans")
class TestProviders:
    """What a provider gets to see, with the official HTTP instrumentation active."""

    @pytest.mark.parametrize("name", sdk_params(["openai", "groq"]))
    def test_sdk_call_carries_only_what_is_not_ours(
        self, instrument: Instrument, provider: ScriptedProvider, name: str
    ) -> None:
        """The header of an SDK's call has the other's entry and none of ours."""
        instrument()

        with make_client(name, provider, is_async=False) as client:
            if not isinstance(client._client, httpx.Client):
                pytest.skip("this SDK is on httpx2, which nobody else instruments")
            client.chat.completions.create(model="m", messages=QUESTION)

        assert provider.requests[0].headers.get("baggage") == "other=other%21"

    def test_wire_call_carries_only_what_is_not_ours(
        self, instrument: Instrument, provider: ScriptedProvider
    ) -> None:
        """The same for hand-written code, also where it wrote the header itself."""
        instrument()

        url = f"{provider.base_url}/chat/completions"
        with httpx.Client(headers={"baggage": "goldseam.tenant.id=acme,mine=1"}) as http:
            http.post(url, json={"model": "m", "messages": QUESTION})

        sent = str(provider.requests[0].headers.get("baggage"))
        assert "goldseam" not in sent
        assert sent

    def test_other_services_get_it_all(
        self, instrument: Instrument, provider: ScriptedProvider
    ) -> None:
        """A request that asks no model keeps its baggage: it is how facts travel to us."""
        instrument()

        httpx.get(f"{provider.base_url}/models")

        assert "goldseam.tenant.id" in str(provider.requests[0].headers.get("baggage"))
