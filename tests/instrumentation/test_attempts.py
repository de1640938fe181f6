"""What the SDK sends by itself: every request of a call is counted, shown and told apart."""

from typing import Any

import openai
import pytest
from inline_snapshot import snapshot
from tests.instrumentation.conftest import KEY, QUESTION, Caller, Instrument, Recorder, mending

from goldseam.instrumentation import _attempts
from goldseam.recovery.testing import ScriptedProvider, chat, cut, error, stream

PATIENT: Any = {"max_retries": 4}
SOON: Any = {"retry-after-ms": "10"}


def _shown(recorder: Recorder) -> list[dict[str, Any]]:
    """Return the attempt events; durations are checked and left out."""
    shown = []
    for name, facts in recorder.events():
        assert name == "goldseam.attempt"
        assert 0 < facts.pop("goldseam.attempt.duration") < 5
        shown.append(facts)
    delays = [facts.pop("goldseam.attempt.delay", None) for facts in shown]
    assert delays[0] is None
    assert all(0.01 <= delay < 5 for delay in delays[1:])
    return shown


@pytest.mark.usefixtures("watched")
class TestOwnRepeats:
    """Recovery is off, so the SDK repeats as it always did."""

    def test_every_request_is_shown(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """429, 500, 200: one span, three events with status, wait, id and limits, no error."""
        limits = {"x-ratelimit-limit-requests": "60", **SOON}
        provider.script(error(429, headers=limits), error(500, headers=SOON), chat("Nine"))

        assert caller.ask(client=PATIENT).choices[0].message.content == "Nine"

        assert recorder.tree() == ["chat gpt-4o CLIENT request"]
        assert recorder.facts["goldseam.retry.count"] == 2
        assert recorder.facts["http.response.status_code"] == 200
        assert recorder.facts["http.response.header.x-request-id"] == ("req_00000003",)
        assert _shown(recorder) == snapshot(
            [
                {
                    "goldseam.attempt.number": 1,
                    "http.response.status_code": 429,
                    "http.response.header.x-request-id": ("req_00000001",),
                    "http.response.header.x-ratelimit-limit-requests": ("60",),
                    "http.response.header.retry-after-ms": ("10",),
                    "error.type": "429",
                },
                {
                    "goldseam.attempt.number": 2,
                    "http.response.status_code": 500,
                    "http.response.header.x-request-id": ("req_00000002",),
                    "http.response.header.retry-after-ms": ("10",),
                    "error.type": "500",
                },
                {
                    "goldseam.attempt.number": 3,
                    "http.response.status_code": 200,
                    "http.response.header.x-request-id": ("req_00000003",),
                },
            ]
        )

    def test_every_request_is_counted_by_its_own_outcome(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The attempts counter tells a refused request from the one that was answered."""
        provider.script(error(429, headers=SOON), error(500, headers=SOON), chat("Nine"))

        caller.ask(client=PATIENT)

        whose = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
        refused = [
            ({**whose, "error.type": str(status), "http.response.status_code": status}, 1)
            for status in (429, 500)
        ]
        assert recorder.points("goldseam.client.attempts") == [*refused, (whose, 1)]

    def test_lost_connection_is_shown_by_its_kind(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A request without any answer has the exception's name."""
        provider.script(cut(), chat("Nine"))

        caller.ask(client=PATIENT)

        kinds = [facts.get("error.type") for _, facts in recorder.events()]
        assert str(kinds[0]).endswith(("ReadError", "RemoteProtocolError"))
        assert kinds[1] is None
        assert recorder.facts["goldseam.retry.count"] == 1

    def test_failure_for_good(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The last request's failure is the call's; the one before is counted apart."""
        provider.script(error(500, headers=SOON), error(429, headers=SOON))

        with pytest.raises(openai.RateLimitError):
            caller.ask(client={"max_retries": 1})

        assert recorder.facts["goldseam.retry.count"] == 1
        assert recorder.facts["http.response.status_code"] == 429
        assert [facts["error.type"] for _, facts in recorder.events()] == ["500", "429"]
        counted = [facts["error.type"] for facts, _ in recorder.points("goldseam.client.attempts")]
        assert counted == ["500", "openai.RateLimitError"]

    def test_one_request_is_no_event(self, caller: Caller, recorder: Recorder) -> None:
        """A call that takes one request says so by its count alone."""
        caller.ask()

        assert recorder.events() == []
        assert "goldseam.retry.count" not in recorder.facts

    def test_streams_and_raw_responses_count_alike(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """Whatever the call returns, its repeats are known."""
        provider.script(error(500, headers=SOON), chat("Nine"))

        caller.call(
            "chat.completions.with_raw_response.create",
            client=PATIENT,
            model="m",
            messages=QUESTION,
        )

        assert recorder.facts["goldseam.retry.count"] == 1

    def test_stream(self, provider: ScriptedProvider, recorder: Recorder) -> None:
        """The requests before a stream are told with it."""
        provider.script(error(500, headers=SOON), stream(("Ni", "ne")))
        with openai.OpenAI(api_key=KEY, base_url=provider.base_url) as client:
            list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))

        assert recorder.facts["goldseam.retry.count"] == 1
        assert len(recorder.events()) == 2

    def test_events_are_bounded(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """A client that repeats without end has its count, but no endless list."""
        monkeypatch.setattr(_attempts, "MAX_SHOWN", 2)
        provider.script(*[error(500, headers=SOON)] * 3, chat("Nine"))

        caller.ask(client=PATIENT)

        assert recorder.facts["goldseam.retry.count"] == 3
        assert len(recorder.events()) == 2
        assert sum(count for _, count in recorder.points("goldseam.client.attempts")) == 4


def test_recovery_shows_its_attempts_as_spans(
    caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """With recovery on, attempts are spans; the same attempts are no events besides."""
    instrument(recovery=mending(provider))
    provider.script(error(429), chat("Nine"))

    caller.ask()

    assert len(recorder.of_type("attempt")) == 2
    assert "goldseam.attempt" not in [name for name, _ in recorder.events()]
    assert recorder.facts["goldseam.retry.count"] == 1
    assert sum(count for _, count in recorder.points("goldseam.client.attempts")) == 2


def test_requests_on_the_way_are_no_attempts(
    provider: ScriptedProvider, backup: ScriptedProvider, recorder: Recorder, instrument: Instrument
) -> None:
    """A token that a client fetches inside the call is neither counted nor watched."""
    instrument()
    library: Any = __import__("httpx" if openai.__version__.startswith("2") else "httpx2")

    class Token(library.Auth):  # type: ignore[misc] # of either library
        def auth_flow(self, request: Any) -> Any:
            library.post(f"{backup.base_url}/token", json={})
            yield request

    with openai.OpenAI(
        api_key=KEY, base_url=provider.base_url, http_client=library.Client(auth=Token())
    ) as client:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    assert backup.count == 1
    assert recorder.tree() == ["chat gpt-4o CLIENT request"]
    assert "goldseam.retry.count" not in recorder.facts
