"""On the wire too, Goldseam's own faults never reach the application's call."""

import asyncio
import importlib
from typing import Any

import pytest
from tests.instrumentation.conftest import QUESTION, Instrument, Recorder

from goldseam.instrumentation import (
    _attempts,
    _endpoint,
    _fault,
    _invocation,
    _wire,
    _wire_answer,
    _wire_body,
)
from goldseam.instrumentation._formats import _chat
from goldseam.recovery.testing import ScriptedProvider, chat, error, stream

PLACES = [
    (_attempts.Attempts, "within"),
    (_attempts.Attempts, "_note"),
    (_attempts.Attempts, "attributes"),
    (_attempts.Attempts, "earlier"),
    (_attempts.Sent, "attributes"),
    (_endpoint.Endpoints, "of_url"),
    (_endpoint, "recognise"),
    (_fault, "from_status"),
    (_fault, "safe_message"),
    (_invocation, "call_attributes"),
    (_invocation, "is_truncated"),
    (_invocation.Invocation, "fault_of_status"),
    (_invocation.Invocation, "stop_with"),
    (_invocation.Invocation, "fail"),
    (_wire, "attempts_in"),
    (_wire, "wire_path"),
    (_wire, "is_request"),
    (_wire, "end_collected"),
    (_wire, "_is_told_by_others"),
    (_wire, "_body_of"),
    (_wire, "_clean_baggage"),
    (_wire, "_private_texts"),
    (_wire, "_WireCall"),
    (_wire, "AnswerEnd"),
    (_wire, "follow_stream"),
    (_wire_answer, "reader_of"),
    (_wire_answer, "when_collected"),
    (_wire_answer.AnswerEnd, "_refused"),
    (_wire_answer.AnswerEnd, "_is_complete"),
    (_wire_answer.AnswerEnd, "_stop"),
    (_wire_answer.AnswerEnd, "_fail"),
    (_wire_body, "_decoder"),
    (_wire_body.WholeReader, "add"),
    (_wire_body.WholeReader, "complete"),
    (_wire_body.WholeReader, "error_body"),
    (_wire_body.StreamReader, "add"),
    (_wire_body.StreamReader, "complete"),
    (_wire_body.StreamReader, "_event"),
    (_chat.ChatTally, "_add_json"),
]

BODY: Any = {"model": "gpt-4o", "messages": QUESTION}

pytestmark = pytest.mark.usefixtures("faults_expected")


class OurFaultError(Exception):
    """Stands for a bug of Goldseam."""


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    raise OurFaultError


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "place", PLACES, ids=lambda place: f"{place[0].__name__.rpartition('.')[2]}.{place[1]}"
)
def test_calls_come_through(
    place: tuple[Any, str],
    kind: str,
    provider: ScriptedProvider,
    recorder: Recorder,
    instrument: Instrument,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever of ours breaks, answer, refusal and stream are the provider's, asked for once."""
    instrument()
    monkeypatch.setattr(*place, _fail)
    provider.script(chat("Nine"), error(429), stream(("Ni", "ne")))
    url = f"{provider.base_url}/chat/completions"

    answer, refusal, streamed = _sync(url) if kind == "sync" else asyncio.run(_async(url))

    assert answer.json()["choices"][0]["message"]["content"] == "Nine"
    assert refusal.status_code == 429
    assert streamed.endswith(b"data: [DONE]\n\n")
    assert provider.count == 3


def _sync(url: str) -> tuple[Any, Any, bytes]:
    library: Any = importlib.import_module("httpx")
    with library.Client() as client:
        answer, refusal = (client.post(url, json=BODY) for _ in range(2))
        with client.stream("POST", url, json={**BODY, "stream": True}) as response:
            return answer, refusal, b"".join(response.iter_bytes())


async def _async(url: str) -> tuple[Any, Any, bytes]:
    library: Any = importlib.import_module("httpx")
    async with library.AsyncClient() as client:
        answer, refusal = [await client.post(url, json=BODY) for _ in range(2)]
        async with client.stream("POST", url, json={**BODY, "stream": True}) as response:
            return answer, refusal, b"".join([part async for part in response.aiter_bytes()])
