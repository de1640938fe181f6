"""Calls that fail: what the caller gets, what the provider sees, and what the spans say."""

import asyncio
import traceback
from typing import Any

import openai
import pytest
from dirty_equals import IsFloat, IsPartialDict
from tests.instrumentation.conftest import (
    KEY,
    QUESTION,
    Caller,
    Instrument,
    Recorder,
    facts_of,
    mending,
)

from goldseam.instrumentation import GoldseamInstrumentor, context
from goldseam.recovery.testing import ScriptedProvider, Usage, chat, cut, error, hang, raw


def _sent(recorder: Recorder) -> float:
    """Return how many requests the metrics counted."""
    return sum(value for _, value in recorder.points("goldseam.client.attempts"))


class TestOff:
    """Recovery is off: calls are watched and nothing else."""

    @pytest.fixture(autouse=True)
    def _watched(self, watched: None) -> None:
        """Goldseam is on in every test."""

    def test_failure_is_told_and_raised(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The caller sees the SDK's exception; the span says what, which code and which status."""
        provider.script(error(429, code="insufficient_quota", message="You have no credit left."))

        with pytest.raises(openai.RateLimitError) as raised:
            caller.ask()

        assert raised.value.status_code == 429
        assert recorder.tree() == ["chat gpt-4o CLIENT request ERROR QUOTA_EXCEEDED"]
        assert recorder.request.status.description == "You have no credit left."
        assert recorder.facts == IsPartialDict(
            {
                "error.type": "openai.RateLimitError",
                "goldseam.error.code": "QUOTA_EXCEEDED",
                "http.response.status_code": 429,
                "goldseam.recovery.outcome": "skipped",
            }
        )
        assert recorder.request.events == ()
        ((attributes, count),) = recorder.points("goldseam.client.attempts")
        assert count == 1
        assert attributes["http.response.status_code"] == 429

    def test_exception_is_the_same_with_and_without(
        self, caller: Caller, provider: ScriptedProvider
    ) -> None:
        """Type, text, body, cause and context are equal; the traceback has our two frames more."""
        provider.script(error(400), error(400))

        with pytest.raises(openai.BadRequestError) as watched:
            caller.ask()
        GoldseamInstrumentor().uninstrument()
        with pytest.raises(openai.BadRequestError) as bare:
            caller.ask()

        assert (str(watched.value), watched.value.body) == (str(bare.value), bare.value.body)
        assert watched.value.__cause__ is bare.value.__cause__ is None
        ours = [f.name for f in traceback.extract_tb(watched.value.__traceback__)]
        theirs = [f.name for f in traceback.extract_tb(bare.value.__traceback__)]
        frames = [name for name in ours if name not in theirs]
        assert len(ours) - len(theirs) <= 2, frames

    def test_sdk_repeats_stay_and_are_counted(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """The SDK's own repeats go on, and a failed call tells how many there were."""
        provider.script(*[error(500, headers={"retry-after-ms": "1"})] * 3)

        with pytest.raises(openai.InternalServerError):
            caller.ask(client={"max_retries": 2})

        assert provider.count == 3
        assert recorder.facts["goldseam.retry.count"] == 2
        assert _sent(recorder) == 3

    def test_cancelled_call_is_told_as_cancelled(
        self, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A task cancelled in flight ends its span, and the cancellation goes on."""
        provider.script(hang())

        async def cancel_in_flight() -> None:
            async with openai.AsyncOpenAI(api_key=KEY, base_url=provider.base_url) as client:
                call = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
                task = asyncio.create_task(call)
                await asyncio.to_thread(provider.wait_for_requests, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(cancel_in_flight())

        assert recorder.tree() == ["chat gpt-4o CLIENT request ERROR CANCELLED"]
        assert recorder.facts["error.type"] == "asyncio.exceptions.CancelledError"

    def test_error_in_a_good_answer_is_an_error(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """A gateway's error with status 200 reaches the caller as it came; the span tells it."""
        body = b'{"id":"g","choices":null,"error":{"code":502,"message":"Upstream failed"}}'
        provider.script(raw(headers={"content-type": "application/json"}, body=body))

        answer = caller.ask()

        assert answer.choices is None
        assert recorder.facts["error.type"] == "error_in_body"
        assert recorder.request.status.description == "Upstream failed"

    def test_unknown_errors_are_counted(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder
    ) -> None:
        """What no rule knows is counted, so that the rules can grow."""
        provider.script(raw(418, body=b"short and stout"))

        with pytest.raises(openai.APIStatusError):
            caller.ask()

        assert recorder.facts["goldseam.error.code"] == "UNKNOWN"
        assert recorder.points("goldseam.error.unclassified") == [
            ({"gen_ai.provider.name": "openai"}, 1)
        ]


class TestOn:
    """Recovery is on."""

    def test_retry_mends(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
    ) -> None:
        """Two repeats: the caller sees only the answer, the spans show every step."""
        instrument(recovery=mending(provider))
        provider.script(error(429), error(500), chat("Nine", usage=Usage(14, 2)))

        with context(tenant_id="acme", user_id="ada"):
            answer = caller.ask()

        assert answer.choices[0].message.content == "Nine"
        assert recorder.tree() == [
            "chat gpt-4o CLIENT request",
            "  chat gpt-4o CLIENT attempt ERROR RATE_LIMIT",
            "  recovery retry INTERNAL recovery_step ERROR SERVER_ERROR",
            "    chat gpt-4o CLIENT attempt ERROR SERVER_ERROR",
            "  recovery retry INTERNAL recovery_step",
            "    chat gpt-4o CLIENT attempt",
        ]
        assert recorder.facts == IsPartialDict(
            {
                "goldseam.recovery.outcome": "recovered",
                "goldseam.recovery.strategy": "retry",
                "goldseam.recovery.steps": 2,
                "goldseam.recovery.degraded": False,
                "goldseam.recovery.provider.name": "primary",
                "goldseam.recovery.model": "gpt-4o",
                "goldseam.recovery.wait": IsFloat(ge=0, lt=1),
                "goldseam.recovery.duration": IsFloat(gt=0, lt=5),
                "goldseam.retry.count": 2,
                "gen_ai.usage.input_tokens": 14,
            }
        )
        assert "error.type" not in recorder.facts
        assert "goldseam.error.code" not in recorder.facts
        assert recorder.events()[-1] == (
            "goldseam.original_error",
            {
                "error.type": "openai.RateLimitError",
                "goldseam.error.code": "RATE_LIMIT",
                "exception.message": "Rate limit reached for requests.",
            },
        )

    def test_step_and_attempt_attributes(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
    ) -> None:
        """Steps name the request's row and the tenant; attempts are numbered over the request."""
        instrument(recovery=mending(provider))
        provider.script(error(500))

        with context(tenant_id="acme", module="orders", user_id="ada"):
            caller.ask()

        (step,) = recorder.of_type("recovery_step")
        facts = facts_of(step)
        assert facts["goldseam.log.id"] == recorder.facts["goldseam.log.id"]
        assert facts["goldseam.tenant.id"] == "acme"
        assert facts["goldseam.recovery.success"] is True
        assert isinstance(facts["goldseam.recovery.delay"], float)
        attempts = [facts_of(span) for span in recorder.of_type("attempt")]
        assert sorted(each["goldseam.attempt.number"] for each in attempts) == [1, 2]
        assert {each["goldseam.tenant.id"] for each in attempts} == {"acme"}
        assert all("goldseam.user.id" not in each for each in [facts, *attempts])

    def test_fallback_mends(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """Another provider answers with its own model; the request keeps what was asked."""
        instrument(recovery=mending(provider, backup))
        provider.script(error(503))
        backup.script(chat("Nine"))

        answer = caller.ask()

        assert answer.choices[0].message.content == "Nine"
        assert recorder.tree() == [
            "chat gpt-4o CLIENT request",
            "  chat gpt-4o CLIENT attempt ERROR OVERLOADED",
            "  recovery fallback INTERNAL recovery_step",
            "    chat llama3.1 CLIENT attempt",
        ]
        assert backup.requests[0].json["model"] == "llama3.1"
        assert recorder.facts == IsPartialDict(
            {
                "gen_ai.request.model": "gpt-4o",
                "goldseam.provider.name": "primary",
                "gen_ai.response.model": "llama3.1",
                "goldseam.recovery.provider.name": "backup",
                "goldseam.recovery.model": "llama3.1",
                "goldseam.recovery.degraded": True,
            }
        )
        assert recorder.points("goldseam.recovery.steps") == [
            (
                {
                    "goldseam.recovery.strategy": "fallback",
                    "goldseam.recovery.success": True,
                    "goldseam.error.code": "OVERLOADED",
                    "gen_ai.provider.name": "backup",
                },
                1,
            )
        ]

    def test_exhausted_recovery_raises_the_original(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """When nothing helps, the first exception comes out as if there had been no recovery."""
        instrument(recovery=mending(provider, backup, max_attempts=3))
        provider.script(error(429, message="The first."), *[error(500)] * 5)
        backup.script(*[error(503)] * 5)

        with pytest.raises(openai.RateLimitError, match=r"The first\.") as raised:
            caller.ask()

        assert raised.value.__cause__ is None
        names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
        assert not {"recover", "arecover", "result", "mend", "amend"} & set(names)
        assert recorder.tree()[0] == "chat gpt-4o CLIENT request ERROR RATE_LIMIT"
        assert recorder.facts["goldseam.recovery.outcome"] == "failed"
        assert recorder.facts["goldseam.retry.count"] == 2
        assert provider.count + backup.count == 3 == len(recorder.of_type("attempt"))
        assert _sent(recorder) == 3

    def test_hopeless_error_is_sent_once(
        self, caller: Caller, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
    ) -> None:
        """A bad request is not repeated, and there is no attempt span for a call without steps."""
        instrument(recovery=mending(provider))
        provider.script(error(400))

        with pytest.raises(openai.BadRequestError):
            caller.ask(client={"max_retries": 2})

        assert provider.count == 1 == _sent(recorder)
        assert recorder.tree() == ["chat gpt-4o CLIENT request ERROR INVALID_REQUEST"]
        assert recorder.facts["goldseam.recovery.outcome"] == "skipped"

    def test_wire_and_spans_agree(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """Attempts in spans and metrics are exactly the requests that the providers saw."""
        instrument(recovery=mending(provider, backup))
        provider.script(cut(), chat(), error(500), error(500), error(429), chat())
        backup.script(error(500), chat(), error(404), chat())

        for _ in range(4):
            caller.ask(client={"max_retries": 3})

        counted = sum(facts_of(r).get("goldseam.retry.count", 0) + 1 for r in recorder.requests)
        assert counted == provider.count + backup.count == _sent(recorder)

    def test_other_provider_gets_nothing_private(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        instrument: Instrument, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Keys, default headers, extra headers and query of the first provider stay with it."""
        monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Env: private")
        instrument(recovery=mending(provider, backup))
        provider.script(error(503))

        caller.ask(
            client={"default_headers": {"X-Gateway": "private"}},
            extra_headers={"Authorization": "Bearer private", "X-Mine": "private"},
            extra_query={"key": "private"},
        )

        (seen,) = backup.requests
        assert "private" not in str(dict(seen.headers))
        assert KEY not in str(dict(seen.headers))
        assert seen.path == "/v1/chat/completions"
        assert provider.requests[0].headers["x-mine"] == "private"

    def test_body_is_resent_unchanged(
        self, caller: Caller, provider: ScriptedProvider, instrument: Instrument
    ) -> None:
        """The repeated request is the first one, byte for byte, with the same own headers."""
        instrument(recovery=mending(provider))
        provider.script(error(500))

        caller.ask(extra_headers={"X-Mine": "1"}, extra_body={"vendor": {"a": [1]}}, seed=3)

        first, second = provider.requests
        assert first.body == second.body
        assert first.headers["x-mine"] == second.headers["x-mine"] == "1"

    def test_raw_response_is_mended(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """`with_raw_response` gets a raw response from the provider that answered."""
        instrument(recovery=mending(provider, backup))
        provider.script(error(503))
        backup.script(chat("Nine"))

        response = caller.call(
            "chat.completions.with_raw_response.create", model="gpt-4o", messages=QUESTION
        )

        assert response.parse().choices[0].message.content == "Nine"
        assert response.http_request.url.port == backup.port
        assert recorder.facts["gen_ai.usage.input_tokens"] == 9

    def test_embeddings_do_not_fall_back_to_another_model(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        instrument: Instrument,
    ) -> None:  # fmt: skip
        """Vectors of two models cannot be mixed: only the same model elsewhere may answer."""
        instrument(recovery=mending(provider, backup, max_attempts=2))
        provider.script(error(503), error(503))

        with pytest.raises(openai.InternalServerError):
            caller.call("embeddings.create", model="gpt-4o", input="a")
        assert (provider.count, backup.count) == (2, 0)

        caller.call("embeddings.create", model="embed-3", input="a")
        provider.script(error(503))
        caller.call("embeddings.create", model="embed-3", input="a")
        assert backup.count == 1

    def test_cancelled_recovery_ends(
        self, provider: ScriptedProvider, recorder: Recorder, instrument: Instrument
    ) -> None:
        """A cancellation during a step goes through at once, and every span is ended."""
        instrument(recovery=mending(provider))
        provider.script(error(500), hang())

        async def cancel_second_attempt() -> None:
            async with openai.AsyncOpenAI(api_key=KEY, base_url=provider.base_url) as client:
                call = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
                task = asyncio.create_task(call)
                await asyncio.to_thread(provider.wait_for_requests, 2)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(cancel_second_attempt())

        assert provider.count == 2
        assert recorder.leaked == []
        assert recorder.tree()[0] == "chat gpt-4o CLIENT request ERROR CANCELLED"
        assert recorder.facts["goldseam.recovery.outcome"] == "failed"

    def test_deadline_bounds_the_first_attempt(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """The original attempt leaves time for a fallback, so a hanging provider is survived."""
        instrument(recovery=mending(provider, backup, deadline_s=2.0))
        provider.script(hang())
        backup.script(chat("Nine"))

        answer = caller.ask()

        assert answer.choices[0].message.content == "Nine"
        assert recorder.tree()[1] == "  chat gpt-4o CLIENT attempt ERROR TIMEOUT"

    def test_sampled_out_call_is_mended_and_counted(
        self, caller: Caller, provider: ScriptedProvider, instrument: Instrument
    ) -> None:
        """A call whose span is dropped is mended all the same, and the metrics know it."""
        dropped = Recorder(sampled=False)
        instrument(dropped, recovery=mending(provider))
        provider.script(error(500), chat("Nine"))

        assert caller.ask().choices[0].message.content == "Nine"
        assert dropped.finished == []
        ((attributes, _),) = dropped.points("goldseam.recovery.requests")
        assert attributes["goldseam.recovery.outcome"] == "recovered"


class TestObserve:
    """Recovery only watches."""

    def test_observe_says_what_would_be_done(
        self, caller: Caller, provider: ScriptedProvider, backup: ScriptedProvider,
        recorder: Recorder, instrument: Instrument,
    ) -> None:  # fmt: skip
        """The error is raised, nothing is sent twice, and an event names the step."""
        instrument(recovery=mending(provider, backup, mode="observe"))
        provider.script(error(503))

        with pytest.raises(openai.InternalServerError):
            caller.ask()

        assert (provider.count, backup.count) == (1, 0)
        assert recorder.facts["goldseam.recovery.outcome"] == "skipped"
        assert recorder.events()[-1] == (
            "goldseam.recovery.skipped",
            {
                "goldseam.recovery.strategy": "fallback",
                "goldseam.skip.reason": "observe only; would primary/gpt-4o → backup/llama3.1",
            },
        )


def test_return_value_is_the_providers_own(
    caller: Caller, provider: ScriptedProvider, instrument: Instrument
) -> None:
    """With and without Goldseam the caller gets equal objects of the same type."""
    provider.script(*[chat("Nine")] * 2)
    bare = caller.ask()
    instrument(recovery=mending(provider))
    watched = caller.ask()

    def told(answer: Any) -> Any:
        return {**answer.model_dump(), "id": ""}

    assert type(watched) is type(bare)
    assert told(watched) == told(bare)
    assert vars(watched).keys() == vars(bare).keys()
