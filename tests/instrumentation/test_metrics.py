"""Metrics of calls: what each instrument says, and that calls in flight come back to zero."""

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan
from tests.instrumentation.conftest import KEY, QUESTION, Instrument, Recorder, mending

from goldseam.instrumentation import context
from goldseam.instrumentation._instruments import MAX_MODULES, Modules
from goldseam.recovery.testing import ScriptedProvider, chat, cut, error, hang, ollama, stream
from goldseam.semconv import metrics

ACTIVE = metrics.CLIENT_ACTIVE_REQUESTS
PER_CHUNK = metrics.TIME_PER_OUTPUT_CHUNK
LABELS = {"gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat"}


def found(recorder: Recorder) -> Iterator[Any]:
    """Yield every metric that the reader holds."""
    data: Any = recorder.reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            yield from scope.metrics


class TestActiveRequests:
    """`goldseam.client.active_requests`."""

    @pytest.fixture(autouse=True)
    def _watching(self, instrument: Instrument) -> None:
        instrument()

    def test_open_stream_is_one(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A stream counts until it ends."""
        provider.script(stream("one two"))

        chunks = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        before = recorder.points(ACTIVE)
        list(chunks)

        assert before == [(LABELS, 1)]
        assert recorder.points(ACTIVE) == [(LABELS, 0)]

    def test_every_end_comes_back_to_zero(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Success, errors, cut, closed, left and dropped streams all end once."""
        ask: Any = client.chat.completions.create
        asked: Any = {"model": "m", "messages": QUESTION}
        provider.script(
            chat("a"), error(500), stream("one two"), stream("one two"), stream("one two"),
            cut("mid_body"), cut("before_headers"),
        )  # fmt: skip

        ask(**asked)
        with contextlib.suppress(openai.APIError):
            ask(**asked)
        list(ask(**asked, stream=True))
        with ask(**asked, stream=True) as chunks:
            next(chunks)
        next(iter(ask(**asked, stream=True)))
        gc.collect()
        for streamed in (True, False):
            with contextlib.suppress(openai.APIError, httpx.HTTPError):
                list(ask(**asked, stream=streamed))

        assert len(recorder.requests) == 7
        assert recorder.points(ACTIVE) == [(LABELS, 0)]

    def test_cancelled_call_comes_back_to_zero(
        self, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A task that is cancelled in the middle of its call counts no more."""
        provider.script(hang())

        async def cancelled() -> list[Any]:
            async with openai.AsyncOpenAI(api_key=KEY, base_url=provider.base_url) as client:
                asked = client.chat.completions.create(model="m", messages=QUESTION)
                task = asyncio.create_task(asked)
                await asyncio.to_thread(provider.wait_for_requests, 1)
                during = recorder.points(ACTIVE)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                return during

        assert asyncio.run(cancelled()) == [(LABELS, 1)]
        assert recorder.points(ACTIVE) == [(LABELS, 0)]

    def test_wire_call_comes_back_to_zero(
        self, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A call that only the wire sees counts alike."""
        provider.script(ollama("Nine"))

        url = f"{provider.base_url.removesuffix('/v1')}/api/chat"
        httpx.post(url, json={"model": "m", "messages": QUESTION, "stream": False})

        assert [value for _, value in recorder.points(ACTIVE)] == [0]


class TestStreams:
    """Times of streamed answers."""

    @pytest.mark.usefixtures("watched")
    def test_time_per_chunk_is_one_record_per_stream(
        self, client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The mean over the chunks after the first, with the attributes of the duration."""
        provider.script(stream("one two three", gap_s=0.01))

        list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))

        (point,) = next(m for m in found(recorder) if m.name == PER_CHUNK).data.data_points
        (duration,) = next(
            m for m in found(recorder) if m.name == metrics.OPERATION_DURATION
        ).data.data_points
        assert point.count == 1
        assert 0.002 < point.sum < duration.sum
        assert dict(point.attributes) == dict(duration.attributes)

    @pytest.mark.usefixtures("watched")
    def test_whole_answer_has_none(self, client: openai.OpenAI, recorder: Recorder) -> None:
        """What is no stream has no time per chunk, nor to the first one."""
        client.chat.completions.create(model="m", messages=QUESTION)

        assert recorder.points(PER_CHUNK) == []
        assert recorder.points(metrics.TIME_TO_FIRST_CHUNK) == []

    @pytest.mark.usefixtures("watched")
    def test_wire_stream_has_it(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """Streams that only the wire sees are timed alike."""
        provider.script(ollama("one two three"))

        url = f"{provider.base_url.removesuffix('/v1')}/api/chat"
        with httpx.stream("POST", url, json={"model": "m", "messages": QUESTION}) as response:
            response.read()

        assert [count for _, count in recorder.points(metrics.TIME_TO_FIRST_CHUNK)] == [1]


class TestModules:
    """`goldseam.module` on request metrics."""

    def test_module_of_the_context_is_an_attribute(
        self, client: openai.OpenAI, recorder: Recorder, instrument: Instrument
    ) -> None:
        """Duration and tokens tell the module; attempts do not."""
        instrument()

        with context(module="invoices", tenant_id="acme", user_id="ada"):
            client.chat.completions.create(model="m", messages=QUESTION)

        (attributes, _), *_ = recorder.points(metrics.OPERATION_DURATION)
        assert attributes["goldseam.module"] == "invoices"
        assert all("goldseam.module" in told for told, _ in recorder.points(metrics.TOKEN_USAGE))
        assert "goldseam.module" not in recorder.points(metrics.CLIENT_ATTEMPTS)[0][0]

    def test_modules_are_bounded(self) -> None:
        """After the first hundred, all others are one."""
        modules = Modules()

        told = [modules.bounded(str(number)) for number in range(MAX_MODULES + 5)]

        assert told[-5:] == ["other"] * 5
        assert modules.bounded("0") == "0"


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        (metrics.OPERATION_DURATION, metrics.DURATION_BUCKETS_S),
        (metrics.TOKEN_USAGE, metrics.TOKEN_BUCKETS),
        (metrics.TIME_TO_FIRST_CHUNK, metrics.DURATION_BUCKETS_S),
        (metrics.TIME_PER_OUTPUT_CHUNK, metrics.DURATION_BUCKETS_S),
        (metrics.RECOVERY_STEP_DURATION, metrics.RECOVERY_STEP_BUCKETS_S),
    ],
)
def test_advised_buckets_reach_the_reader(
    client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument,
    name: str, bounds: tuple[float, ...],
) -> None:  # fmt: skip
    """Without a view, the SDK takes the buckets that the conventions advise."""
    instrument(recovery=mending(provider))
    provider.script(error(503), stream("one two three"))

    list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
    client.chat.completions.create(model="m", messages=QUESTION)

    metric = next(metric for metric in found(recorder) if metric.name == name)
    assert all(tuple(point.explicit_bounds) == bounds for point in metric.data.data_points)


def test_exemplars_lead_to_the_trace(
    client: openai.OpenAI, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """Records of a call's times carry the request span's ids; its tokens are one step away."""
    instrument()
    provider.script(stream("one two three"))

    list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))

    context = recorder.request.context
    assert context is not None
    names = {metrics.OPERATION_DURATION, metrics.TIME_TO_FIRST_CHUNK, PER_CHUNK}
    points = [p for each in found(recorder) if each.name in names for p in each.data.data_points]
    assert len(points) == 3
    for point in points:
        ids = {(each.trace_id, each.span_id) for each in point.exemplars}
        assert ids == {(context.trace_id, context.span_id)}


def test_unsampled_call_has_metrics_and_no_exemplar(
    client: openai.OpenAI, instrument: Instrument
) -> None:
    """What has no trace to lead to is counted all the same."""
    recorder = Recorder(sampled=False)
    instrument(recorder)

    client.chat.completions.create(model="m", messages=QUESTION)

    metric = next(m for m in found(recorder) if m.name == metrics.OPERATION_DURATION)
    assert [(point.count, list(point.exemplars)) for point in metric.data.data_points] == [(1, [])]
    assert isinstance(trace.get_current_span(otel.get_current()), NonRecordingSpan)
