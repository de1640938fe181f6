"""Counters that are told once per collection: nothing is lost, and they have an end."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from opentelemetry.metrics import CallbackOptions
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.instrumentation.conftest import QUESTION, Instrument, Recorder

from goldseam.instrumentation import _counts, _instruments, uninstrument
from goldseam.instrumentation._counts import MAX_SERIES, Counts
from goldseam.semconv import metrics


def told(counts: Counts) -> dict[tuple[tuple[str, object], ...], float]:
    """Return what the SDK would be told, by attributes."""
    seen = counts.observe(CallbackOptions())
    return {tuple((each.attributes or {}).items()): each.value for each in seen}


def test_series_are_kept_apart() -> None:
    """What differs in one value is counted apart; None is no attribute."""
    counts = Counts(("provider", "status"))
    for values in (("openai", None), ("openai", 429), ("openai", 429)):
        counts.add(1, values)

    assert told(counts) == {
        (("provider", "openai"),): 1,
        (("provider", "openai"), ("status", 429)): 2,
    }


def test_overflow_is_one_series() -> None:
    """What comes after the last series is counted together, as the specification marks it."""
    counts = Counts(("model",))
    for number in range(MAX_SERIES + 5):
        counts.add(2, (f"m-{number}",))
    counts.add(1, ("m-0",))

    series = told(counts)

    assert len(series) == MAX_SERIES + 1
    assert series[(("otel.metric.overflow", True),)] == 10
    assert series[(("model", "m-0"),)] == 3


@contextmanager
def switching_often() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)


def test_no_thread_loses_a_count() -> None:
    """Additions of several threads all arrive."""
    counts, start = Counts(("model",)), threading.Barrier(4)

    def add() -> None:
        start.wait()
        for _ in range(2_000):
            counts.add(1, ("m",))

    threads = [threading.Thread(target=add) for _ in range(4)]
    with switching_often():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert list(told(counts).values()) == [8_000]


def test_instrumenting_again_goes_on_counting(
    client: openai.OpenAI, recorder: Recorder, instrument: Instrument
) -> None:
    """A meter provider that lives on is told of calls before and after."""
    for _ in range(2):
        instrument()
        client.chat.completions.create(model="m", messages=QUESTION)
        uninstrument()

    assert [value for _, value in recorder.points(metrics.CLIENT_ATTEMPTS)] == [2]
    assert [value for _, value in recorder.points(metrics.CLIENT_ACTIVE_REQUESTS)] == [0]


def test_provider_set_later_is_told_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that instruments itself twice before its meter provider stands loses no count."""
    waiting: Any = _ProxyMeterProvider()
    monkeypatch.setattr(_instruments, "_made", {})
    reader = InMemoryMetricReader()

    for _ in range(2):
        meter = waiting.get_meter("test")
        _instruments.of(None, meter).attempts.add(1, ("openai", "m", None, None))
    waiting.on_set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))

    assert _sums(reader, metrics.CLIENT_ATTEMPTS) == [2]


def test_each_meter_provider_has_its_own() -> None:
    """Calls are counted where they are told."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    providers = [MeterProvider([reader], shutdown_on_exit=False) for reader in readers]

    for provider in providers:
        instruments = _instruments.of(provider, provider.get_meter("test"))
        instruments.unclassified.add(1, ("openai",))

    assert [_sums(reader, metrics.ERROR_UNCLASSIFIED) for reader in readers] == [[1], [1]]


def test_instrument_is_asked_at_each_collection() -> None:
    """The instrument is made with the counts as its callback."""
    callbacks: list[Callable[[CallbackOptions], Any]] = []

    counts = _counts.create(
        lambda _name, asked, **_: callbacks.extend(asked),
        "n", unit="1", description="d", attributes=("a",),
    )  # fmt: skip
    counts.add(3, ("x",))

    (asked,) = callbacks
    assert [each.value for each in asked(CallbackOptions())] == [3]


def _sums(reader: InMemoryMetricReader, name: str) -> list[float]:
    data: Any = reader.get_metrics_data()
    return [
        point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]
