"""Fixtures of the instrumentation's tests: scripted providers, recorded telemetry, real clients."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from goldseam.instrumentation import GoldseamInstrumentor, _guard
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery import Policy, Provider, RecoveryConfig
from goldseam.recovery.testing import ScriptedProvider

QUESTION: Any = [{"role": "user", "content": "four plus five?"}]
KEY = "sk-the-key-of-the-application"


class Recorder(SpanProcessor):
    """Everything that was recorded, and what was started and never ended."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.finished: list[ReadableSpan] = []
        self._started: list[Span] = []
        self.tracer_provider = TracerProvider(
            sampler=ALWAYS_ON if sampled else ALWAYS_OFF, shutdown_on_exit=False
        )
        self.tracer_provider.add_span_processor(self)
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002 - the base's
        """Keep a span that starts."""
        self._started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span that ends."""
        self.finished.append(span)

    @property
    def leaked(self) -> list[str]:
        """Names of spans that have not ended."""
        return [span.name for span in self._started if span.end_time is None]

    @property
    def requests(self) -> list[ReadableSpan]:
        """The finished request spans."""
        return self.of_type("request")

    @property
    def request(self) -> ReadableSpan:
        """The only finished request span."""
        (span,) = self.requests
        return span

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes of the only request span."""
        return facts_of(self.request)

    def outcome(self) -> tuple[str, Any, Any]:
        """Return how the only request span ended; nothing may be left open."""
        assert self.leaked == []
        facts = self.facts
        status = self.request.status.status_code.name
        return status, facts.get("error.type"), facts.get("goldseam.error.code")

    def of_type(self, kind: str) -> list[ReadableSpan]:
        """Return the finished spans of one `goldseam.span.type`."""
        return [span for span in self.finished if facts_of(span).get("goldseam.span.type") == kind]

    def tree(self) -> list[str]:
        """Return the finished spans as indented lines, each level in order of start."""
        children: dict[int, list[ReadableSpan]] = {}
        for span in sorted(self.finished, key=lambda span: span.start_time or 0):
            children.setdefault(span.parent.span_id if span.parent else 0, []).append(span)
        return list(_lines(children, 0, ""))

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the events of the only request span."""
        found: Any = self.request.events
        return [(event.name, dict(event.attributes)) for event in found]

    def points(self, metric: str) -> list[tuple[dict[str, Any], float]]:
        """Return the attributes of a metric's points with their count (histograms) or value."""
        data: Any = self.reader.get_metrics_data()
        points = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]
        return [(dict(p.attributes), p.count if hasattr(p, "count") else p.value) for p in points]

    def everything(self) -> str:
        """Return all that would be exported, as one text to search."""
        data = self.reader.get_metrics_data()
        return "\n".join(
            [*(span.to_json() for span in self.finished), data.to_json() if data else ""]
        )


def facts_of(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def _lines(children: dict[int, list[ReadableSpan]], parent: int, indent: str) -> Iterator[str]:
    for span in children.get(parent, ()):
        facts = facts_of(span)
        told = [span.name, span.kind.name, str(facts.get("goldseam.span.type"))]
        if not span.status.is_unset:
            told.append(span.status.status_code.name)
        told += [str(facts[key]) for key in ("goldseam.error.code",) if key in facts]
        yield indent + " ".join(told)
        if span.context is not None:
            yield from _lines(children, span.context.span_id, indent + "  ")


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """The provider that the application asks."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture
def backup() -> Iterator[ScriptedProvider]:
    """The provider that calls can fall back to."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture
def recorder() -> Recorder:
    """Where spans and metrics of the test go."""
    return Recorder()


Instrument = Callable[..., None]


@pytest.fixture
def instrument(recorder: Recorder) -> Iterator[Instrument]:
    """Instrument into `recorder`; undone after the test."""
    instrumentor = GoldseamInstrumentor()

    def into(recorder: Recorder = recorder, **settings: Any) -> None:
        instrumentor.instrument(
            tracer_provider=recorder.tracer_provider,
            meter_provider=recorder.meter_provider,
            **{"recovery": "off", **settings},
        )

    yield into
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def watched(instrument: Instrument) -> None:
    """Goldseam is on and recovery is off."""
    instrument()


@pytest.fixture(autouse=True)
def no_internal_fault(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """No test passes by way of the fence, but those about the fence."""
    _guard._reported.clear()
    with caplog.at_level(logging.WARNING, logger="goldseam"):
        yield
    if "faults_expected" not in request.fixturenames:
        assert [r.getMessage() for r in caplog.records if "fault" in r.getMessage()] == []


@pytest.fixture
def faults_expected() -> None:
    """The test makes Goldseam fail on purpose."""


def mending(
    primary: ScriptedProvider, *fallback: ScriptedProvider, mode: Any = "on", **policy: Any
) -> RecoveryConfig:
    """Return a recovery configuration with short waits that falls back from `primary`."""
    names = [f"backup{number or ''}" for number in range(len(fallback))]
    providers = {
        name: Provider(name=name, base_url=each.base_url, models={"gpt-4o": "llama3.1"})
        for name, each in zip(names, fallback, strict=True)
    }
    providers["primary"] = Provider(name="primary", base_url=primary.base_url)
    return RecoveryConfig(
        mode=mode,
        policy=Policy(**{"backoff_caps_s": (0.01,), "fallback": tuple(names), **policy}),
        providers=providers,
    )


class Caller:
    """Makes calls with a real client, sync or async alike."""

    def __init__(self, provider: ScriptedProvider, *, is_async: bool) -> None:
        self._provider = provider
        self.is_async = is_async

    def ask(self, **options: Any) -> Any:
        """Ask a chat completion."""
        return self.call(
            "chat.completions.create", **{"model": "gpt-4o", "messages": QUESTION, **options}
        )

    def call(self, path: str, *, client: dict[str, Any] | None = None, **given: Any) -> Any:
        """Call an SDK method with a fresh client and return what it returns."""
        options: dict[str, Any] = {
            "api_key": KEY,
            "base_url": self._provider.base_url,
            "max_retries": 0,
        }
        options.update(client or {})
        if self.is_async:
            return asyncio.run(_acall(options, path, given))
        with openai.OpenAI(**options) as made:
            return _method(made, path)(**given)


async def _acall(options: dict[str, Any], path: str, given: dict[str, Any]) -> Any:
    choke_point = SWITCH.choke_point
    async with openai.AsyncOpenAI(**options) as made:
        try:
            return await _method(made, path)(**given)
        finally:
            if choke_point is not None:
                await choke_point.aclose()


def _method(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


@pytest.fixture(params=["sync", "async"])
def caller(provider: ScriptedProvider, request: pytest.FixtureRequest) -> Caller:
    """A client of `provider`, sync and async."""
    return Caller(provider, is_async=request.param == "async")


@pytest.fixture
def client(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    """A sync client of `provider` that does not repeat by itself."""
    with openai.OpenAI(api_key=KEY, base_url=provider.base_url, max_retries=0) as made:
        yield made
