"""One call is one span: beside others' spans, when its caller gives up, and on other addresses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from opentelemetry import context as otel
from tests.instrumentation.conftest import QUESTION, Caller, Instrument, Recorder, mending
from tests.instrumentation.styles import create, entered, make_client

from goldseam.recovery.testing import ScriptedProvider, hang, stream

CHAT: Any = {"model": "gpt-4o", "messages": QUESTION}
THEIRS: Any = {"gen_ai.operation.name": "chat"}


def test_call_that_others_tell_has_no_span_of_ours(
    caller: Caller, recorder: Recorder, instrument: Instrument
) -> None:
    """Inside a span of another GenAI instrumentation, or with its mark in the context: none."""
    instrument()
    tracer = recorder.tracer_provider.get_tracer("theirs")
    with tracer.start_as_current_span("chat", attributes=THEIRS):
        caller.ask()
    token = otel.attach(otel.set_value("opentelemetry.genai.client.inference.context", object()))
    try:
        caller.ask()
    finally:
        otel.detach(token)

    assert recorder.requests == []


@pytest.mark.parametrize("mode", ["observe", "on"])
def test_recovery_has_its_span_below_theirs(
    mode: str, caller: Caller, provider: ScriptedProvider, recorder: Recorder,
    instrument: Instrument,
) -> None:  # fmt: skip
    """Recovery needs a span to show its steps under; the collector counts the two as one."""
    instrument(recovery=mending(provider, mode=mode))
    tracer = recorder.tracer_provider.get_tracer("theirs")
    with tracer.start_as_current_span("chat", attributes=THEIRS):
        caller.ask()

    assert recorder.tree() == ["chat INTERNAL None", "  chat gpt-4o CLIENT request"]


def test_call_of_an_agent_is_a_call(
    caller: Caller, recorder: Recorder, instrument: Instrument
) -> None:
    """An agent's span has its calls below it."""
    instrument()
    tracer = recorder.tracer_provider.get_tracer("theirs")
    attributes = {"gen_ai.operation.name": "invoke_agent"}
    with tracer.start_as_current_span("agent", attributes=attributes):
        caller.ask()

    assert recorder.tree() == ["agent INTERNAL None", "  chat gpt-4o CLIENT request"]


async def _with_task(call: Awaitable[Any], provider: ScriptedProvider) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.to_thread(provider.wait_for_requests, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _with_wait_for(call: Awaitable[Any], _provider: ScriptedProvider) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call, 0.2)


async def _with_anyio(call: Awaitable[Any], provider: ScriptedProvider) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                await call

            group.start_soon(wait)
            await asyncio.to_thread(provider.wait_for_requests, 1)
            scope.cancel()


@pytest.mark.parametrize("mode", ["off", "on"])
@pytest.mark.parametrize("give_up", [_with_task, _with_wait_for, _with_anyio])
def test_cancelled_in_flight(
    give_up: Callable[..., Awaitable[None]], mode: str, provider: ScriptedProvider,
    recorder: Recorder, instrument: Instrument,
) -> None:  # fmt: skip
    """A call that is given up while it waits is one cancelled span, and is not asked again.

    Its status says nothing: an interruption tells of the application's tasks, by their addresses.
    """
    instrument(recovery=mending(provider, mode=mode))
    provider.script(hang())

    async def main() -> None:
        async with entered(make_client("openai", provider, is_async=True)) as client:
            await give_up(create(client, "chat.completions", CHAT), provider)

    asyncio.run(main())

    assert recorder.leaked == []
    assert recorder.facts["goldseam.error.code"] == "CANCELLED"
    assert recorder.request.status.status_code.name == "ERROR"
    assert not recorder.request.status.description
    assert provider.count == 1


@pytest.mark.usefixtures("watched")
def test_wire_stream_ends_with_its_last_event(
    provider: ScriptedProvider, recorder: Recorder
) -> None:
    """A client that reads up to `[DONE]` and keeps the response has an ended span all the same."""
    httpx: Any = pytest.importorskip("httpx")
    provider.script(stream(("a", "b")))
    url = f"{provider.base_url}/chat/completions"
    with httpx.Client() as client:
        request = client.build_request("POST", url, json={**CHAT, "stream": True})
        response = client.send(request, stream=True)
        lines = response.iter_lines()
        while next(lines) != "data: [DONE]":
            assert recorder.finished == []

        assert recorder.facts["gen_ai.response.finish_reasons"] == ("stop",)
        response.close()

    assert recorder.leaked == []
    assert len(recorder.finished) == 1
