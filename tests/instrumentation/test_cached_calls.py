"""Kept answers stand in for failed calls: the SDK's own objects, and only the same tenant's."""

import dataclasses
from typing import Any

import pydantic
import pytest
from tests.instrumentation.conftest import QUESTION, Caller, Instrument, Recorder, facts_of, mending

from goldseam.instrumentation import context
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery.extras import CacheConfig
from goldseam.recovery.testing import (
    Reply,
    ScriptedProvider,
    chat,
    embedding,
    error,
    response,
)


@pytest.fixture
def cached(instrument: Instrument, provider: ScriptedProvider) -> Any:
    """Switch recovery on with a cache."""

    def on(*, mode: str = "on", **cache: Any) -> None:
        config = mending(provider, mode=mode, max_attempts=1)
        instrument(recovery=dataclasses.replace(config, cache=CacheConfig(**cache)))

    return on


def test_failed_call_has_the_answer_it_had_before(
    cached: Any, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """The same request, the same answer, the same type; the span says where it came from."""
    cached()
    provider.script(chat("Nine"), error(503))

    first, second = caller.ask(), caller.ask()

    assert (type(second), second) == (type(first), first)
    facts = facts_of(recorder.requests[-1])
    assert facts["goldseam.cache.hit"] is True
    assert facts["goldseam.recovery.strategy"] == "cache"
    assert facts["goldseam.recovery.outcome"] == "recovered"
    assert facts["goldseam.recovery.degraded"] is False
    assert "goldseam.retry.count" not in facts
    assert recorder.tree()[-3:] == [
        "chat gpt-4o CLIENT request",
        "  chat gpt-4o CLIENT attempt ERROR OVERLOADED",
        "  recovery cache INTERNAL recovery_step",
    ]
    assert provider.count == 2


def test_known_answer_costs_no_tokens(
    cached: Any, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """Tokens of an answer are counted once, when it was given."""
    cached()
    provider.script(chat("Nine"), error(503))

    caller.ask()
    caller.ask()

    used = ["gen_ai.usage.input_tokens" in facts_of(span) for span in recorder.requests]
    assert used == [True, False]
    assert {count for _facts, count in recorder.points("gen_ai.client.token.usage")} == {1}


def test_old_answer_is_marked_degraded(
    cached: Any, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """An answer past its time still helps, and says that it is old."""
    cached(ttl_s=0)
    provider.script(chat("Nine"), error(503))

    caller.ask()
    caller.ask()

    (step,) = recorder.of_type("recovery_step")
    for span in (recorder.requests[-1], step):
        assert facts_of(span)["goldseam.recovery.degraded"] is True
        assert facts_of(span)["goldseam.cache.hit"] is True


OTHERS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "tools": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    "messages": {"messages": [*QUESTION, *QUESTION]},
    "model": {"model": "gpt-4.1"},
    "header": {"extra_headers": {"x-account": "other"}},
    "query": {"extra_query": {"version": "2"}},
    "extra-body": {"extra_body": {"seed": 1}},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_request_has_no_answer(
    cached: Any,
    caller: Caller,
    provider: ScriptedProvider,
    recorder: Recorder,
    change: dict[str, Any],
) -> None:
    """Whatever may change the answer makes it another request; its own error comes out."""
    cached()
    provider.script(chat("Nine"), error(503))
    caller.ask()

    with pytest.raises(Exception, match="503"):
        caller.ask(**change)

    facts = facts_of(recorder.requests[-1])
    assert (facts["goldseam.cache.hit"], facts["goldseam.recovery.outcome"]) == (False, "failed")


def test_answer_stays_with_its_tenant(
    cached: Any, caller: Caller, provider: ScriptedProvider
) -> None:
    """Two tenants with one question have two answers, and none of the other's."""
    cached()
    provider.script(chat("for a"), error(503), error(503))
    with context(tenant_id="a"):
        caller.ask()

    with context(tenant_id="b"), pytest.raises(Exception, match="503"):
        caller.ask()
    with context(tenant_id="a"):
        assert caller.ask().choices[0].message.content == "for a"


def test_answer_stays_with_its_key(cached: Any, caller: Caller, provider: ScriptedProvider) -> None:
    """Customers that the application tells apart by their API keys are apart in the cache."""
    cached()
    provider.script(chat("Nine"), error(503))
    caller.ask()

    with pytest.raises(Exception, match="503"):
        caller.call(
            "chat.completions.create",
            client={"api_key": "another"},
            model="gpt-4o",
            messages=QUESTION,
        )


PARTIAL: dict[str, Reply] = {
    "cut": chat("Ni", finish_reason="length"),
    "filtered": chat("Nine", finish_reason="content_filter"),
    "empty": chat(""),
}


@pytest.mark.parametrize("reply", PARTIAL.values(), ids=PARTIAL)
def test_partial_answer_is_not_kept(
    cached: Any, caller: Caller, provider: ScriptedProvider, reply: Reply, recorder: Recorder
) -> None:
    """A bad answer is not given twice."""
    cached()
    provider.script(reply, error(503))
    try:
        caller.ask()
    except Exception:  # noqa: BLE001 - some are errors with recovery on
        recorder.finished.clear()

    with pytest.raises(Exception, match="503"):
        caller.ask()


def test_refused_key_gets_no_kept_answer(
    cached: Any, caller: Caller, provider: ScriptedProvider
) -> None:
    """Who has lost access is not served from memory."""
    cached()
    provider.script(chat("Nine"), error(401))
    caller.ask()

    with pytest.raises(Exception, match="401"):
        caller.ask()


def test_answers_are_not_kept_unless_recovery_is_on(
    cached: Any, caller: Caller, provider: ScriptedProvider
) -> None:
    """In `observe` mode nothing changes for the application."""
    cached(mode="observe")
    provider.script(chat("Nine"), error(503))
    caller.ask()

    with pytest.raises(Exception, match="503"):
        caller.ask()


class Sum(pydantic.BaseModel):
    """What the model is to fill in."""

    total: int


def test_parsed_answer_comes_back_parsed(
    cached: Any, caller: Caller, provider: ScriptedProvider
) -> None:
    """`parse` gives the application's own type from the cache too."""
    cached()
    provider.script(chat('{"total": 9}'), error(503))
    asked = {"model": "gpt-4o", "messages": QUESTION, "response_format": Sum}

    first = caller.call("chat.completions.parse", **asked)
    second = caller.call("chat.completions.parse", **asked)

    assert first.choices[0].message.parsed == second.choices[0].message.parsed == Sum(total=9)
    assert type(first) is type(second)


def test_raw_and_parsed_calls_share_answers(
    cached: Any, caller: Caller, provider: ScriptedProvider
) -> None:
    """`with_raw_response` reads what a parsed call left."""
    cached()
    provider.script(chat("Nine"), error(503))
    caller.ask()

    raw = caller.call(
        "chat.completions.with_raw_response.create", model="gpt-4o", messages=QUESTION
    )

    assert raw.parse().choices[0].message.content == "Nine"


@pytest.mark.parametrize(
    ("path", "asked", "reply"),
    [
        ("responses.create", {"model": "m", "input": "?", "store": False}, response("Nine")),
        ("embeddings.create", {"model": "m", "input": "?"}, embedding((0.25, 0.5))),
    ],
    ids=["responses", "embeddings"],
)
def test_other_operations_are_kept_too(
    cached: Any,
    caller: Caller,
    provider: ScriptedProvider,
    path: str,
    asked: dict[str, Any],
    reply: Reply,
) -> None:
    """Responses and vectors come back as they were."""
    cached()
    provider.script(reply, error(503))

    first, second = caller.call(path, **asked), caller.call(path, **asked)

    assert (type(second), second.to_dict()) == (type(first), first.to_dict())


def test_repeated_request_is_not_sent(
    cached: Any, caller: Caller, provider: ScriptedProvider, recorder: Recorder
) -> None:
    """With `answer_first` the provider is asked once; the second span says why."""
    cached(answer_first=True)
    provider.script(chat("Nine"))

    first, second = caller.ask(), caller.ask()

    assert (second, provider.count) == (first, 1)
    facts = facts_of(recorder.requests[-1])
    assert facts["goldseam.cache.hit"] is True
    assert facts["goldseam.recovery.outcome"] == "not_needed"
    assert "gen_ai.usage.input_tokens" not in facts
    assert sum(count for _facts, count in recorder.points("goldseam.client.attempts")) == 1


def test_old_answer_does_not_spare_the_call(
    cached: Any, caller: Caller, provider: ScriptedProvider
) -> None:
    """Only an answer that is as good as new comes before the provider."""
    cached(answer_first=True, ttl_s=0)
    provider.script(chat("Nine"), chat("Still nine"))
    caller.ask()

    assert caller.ask().choices[0].message.content == "Still nine"


def test_broken_cache_never_changes_the_outcome(
    cached: Any,
    caller: Caller,
    provider: ScriptedProvider,
    faults_expected: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Answers and errors are the provider's, whatever the store does."""
    cached(answer_first=True)
    assert SWITCH.current is not None
    cache = SWITCH.current.aids.cache
    assert cache is not None

    def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("the store is broken")

    for name in ("get", "put"):
        monkeypatch.setattr(cache._store, name, broken)
    provider.script(chat("Nine"), error(503))

    assert caller.ask().choices[0].message.content == "Nine"
    with pytest.raises(Exception, match="503"):
        caller.ask()


def test_garbage_in_the_cache_is_no_answer(
    cached: Any,
    caller: Caller,
    provider: ScriptedProvider,
    faults_expected: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be read back ends in the call's own error."""
    cached()
    assert SWITCH.current is not None
    cache = SWITCH.current.aids.cache
    assert cache is not None
    provider.script(chat("Nine"), error(503))
    caller.ask()
    store: Any = cache._store
    for key, (expires_s, entry) in list(store._entries.items()):
        store._entries[key] = (expires_s, entry[:-5])

    with pytest.raises(Exception, match="503"):
        caller.ask()


def test_missing_server_address_leaves_the_application_working(
    cached: Any,
    caller: Caller,
    provider: ScriptedProvider,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A cache that cannot be opened is told with what to set."""
    monkeypatch.delenv("GOLDSEAM_REDIS_URL", raising=False)
    cached(backend="redis")
    provider.script(chat("Nine"))

    assert caller.ask().choices[0].message.content == "Nine"
    assert "GOLDSEAM_REDIS_URL is not set" in caplog.text
