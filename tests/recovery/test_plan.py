"""The plan as a table, and what it promises for all inputs."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from goldseam.errors import ErrorCode
from goldseam.recovery.plan import (
    Alternative,
    Failure,
    GiveUp,
    Health,
    Policy,
    Step,
    Taken,
    Target,
    next_step,
    original_timeout_s,
)

OPENAI = Target("openai", "gpt-4o")
MINI = Target("openai", "gpt-4o-mini")
OLLAMA = Target("ollama", "llama3.1")
OVH = Target("ovhcloud", "gpt-4o")
C = ErrorCode
ONE = (Alternative(OLLAMA),)
TWO = (Alternative(OLLAMA), Alternative(OVH))


def fail(code: ErrorCode, target: Target = OPENAI, **more: Any) -> Failure:
    """Return a failure at second 1 unless told otherwise."""
    return Failure(target=target, code=code, **{"at_s": 1.0, **more})


def health(ready: tuple[Alternative, ...] = (), **more: Any) -> Health:
    """Return a call that started at second 0 and has 20 seconds."""
    return Health(ready=ready, **{"started_s": 0.0, "deadline_s": 20.0, "timeout_s": 10.0, **more})


def taken(*failures: Failure, strategy: str = "retry") -> tuple[Taken, ...]:
    """Return steps that failed with these failures."""
    return tuple(
        Taken(
            Step(
                strategy=strategy if failure.target == OPENAI else "fallback",
                number=number,
                attempt=number,
                target=failure.target,
                delay_s=0.0,
                timeout_s=None,
                action="",
            ),
            failure,
        )
        for number, failure in enumerate(failures, 1)
    )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One decision: what is known, and what must come out."""

    name: str
    failure: Failure
    history: tuple[Taken, ...] = ()
    policy: Policy = Policy()  # noqa: RUF009 - frozen
    health: Health = health()  # noqa: RUF009 - frozen
    now_s: float = 1.0
    expected: tuple[str, Target, float] | str


REPEATED = taken(fail(C.SERVER_ERROR), fail(C.SERVER_ERROR))
ROWS = (
    Row(name="lone-provider-is-retried-with-half-of-half-a-second",
        failure=fail(C.SERVER_ERROR), expected=("retry", OPENAI, 0.25)),
    Row(name="second-retry-draws-up-to-one-second",
        failure=fail(C.SERVER_ERROR), history=taken(fail(C.SERVER_ERROR)),
        expected=("retry", OPENAI, 0.5)),
    Row(name="third-attempt-at-a-provider-is-the-last",
        failure=fail(C.SERVER_ERROR), history=REPEATED, expected="every provider had its attempts"),
    Row(name="attempts-in-all-are-bounded",
        failure=fail(C.SERVER_ERROR), history=REPEATED, policy=Policy(max_attempts=3),
        expected="all 3 attempts are used"),
    Row(name="caps-are-policy", failure=fail(C.CONNECTION), policy=Policy(backoff_caps_s=(8.0,)),
        expected=("retry", OPENAI, 4.0)),
    Row(name="wait-counts-from-the-failure",
        failure=fail(C.SERVER_ERROR), now_s=1.2, expected=("retry", OPENAI, 0.05)),
    Row(name="retry-after-is-kept",
        failure=fail(C.RATE_LIMIT, retry_after_s=6.0), expected=("retry", OPENAI, 6.0)),
    Row(name="retry-after-that-has-passed-in-part",
        failure=fail(C.RATE_LIMIT, retry_after_s=6.0), now_s=5.0,
        expected=("retry", OPENAI, 2.0)),
    Row(name="short-retry-after-does-not-shorten-the-back-off",
        failure=fail(C.RATE_LIMIT, retry_after_s=0.1), expected=("retry", OPENAI, 0.25)),
    Row(name="retry-after-past-the-deadline-gives-up",
        failure=fail(C.RATE_LIMIT, retry_after_s=120.0),
        expected="the provider asks to wait 120s, past the deadline"),
    Row(name="retry-after-past-the-deadline-falls-back",
        failure=fail(C.RATE_LIMIT, retry_after_s=120.0), health=health(ONE),
        expected=("fallback", OLLAMA, 0.0)),
    Row(name="without-deadline-any-retry-after-is-kept",
        failure=fail(C.RATE_LIMIT, retry_after_s=120.0), health=health(deadline_s=None),
        expected=("retry", OPENAI, 120.0)),
    Row(name="next-provider-after-the-first-fallback",
        failure=fail(C.TIMEOUT), history=taken(fail(C.CONNECTION, OLLAMA)), health=health(TWO),
        expected=("fallback", OVH, 0.0)),
    Row(name="back-to-the-asked-one-when-all-were-tried",
        failure=fail(C.TIMEOUT, at_s=0.5), history=taken(fail(C.CONNECTION, OLLAMA)),
        health=health(ONE), expected=("retry", OPENAI, 0.0)),
    Row(name="the-place-that-may-be-asked-soonest",
        failure=fail(C.RATE_LIMIT, retry_after_s=9.0), history=taken(fail(C.OVERLOADED, OLLAMA)),
        health=health(ONE), expected=("retry", OLLAMA, 0.25)),
    Row(name="fallback-that-is-hopeless-is-left-alone",
        failure=fail(C.TIMEOUT), history=taken(fail(C.NOT_FOUND, OLLAMA)), health=health(ONE),
        expected=("retry", OPENAI, 0.25)),
    Row(name="filter-at-the-fallback-ends-it",
        failure=fail(C.TIMEOUT), history=taken(fail(C.CONTENT_FILTER, OLLAMA)), health=health(TWO),
        expected="ollama answered CONTENT_FILTER"),
    Row(name="other-model-of-the-same-account-for-a-rate-limit",
        failure=fail(C.RATE_LIMIT), health=health((Alternative(MINI),)),
        expected=("fallback", MINI, 0.0)),
    Row(name="no-other-model-of-an-account-without-credit",
        failure=fail(C.QUOTA_EXCEEDED), health=health((Alternative(MINI), Alternative(OLLAMA))),
        expected=("fallback", OLLAMA, 0.0)),
    Row(name="same-model-first-where-the-policy-says-so",
        failure=fail(C.SERVER_ERROR), health=health(ONE), policy=Policy(prefer_same_model=True),
        expected=("retry", OPENAI, 0.25)),
    Row(name="same-model-first-only-once",
        failure=fail(C.SERVER_ERROR), history=taken(fail(C.SERVER_ERROR)), health=health(ONE),
        policy=Policy(prefer_same_model=True), expected=("fallback", OLLAMA, 0.0)),
    Row(name="same-model-elsewhere-is-the-same-model",
        failure=fail(C.SERVER_ERROR), health=health((Alternative(OVH),)),
        policy=Policy(prefer_same_model=True), expected=("fallback", OVH, 0.0)),
    Row(name="rate-limit-is-no-blip",
        failure=fail(C.RATE_LIMIT), health=health(ONE), policy=Policy(prefer_same_model=True),
        expected=("fallback", OLLAMA, 0.0)),
    Row(name="bad-output-is-asked-once-more-at-once",
        failure=fail(C.RESPONSE_INVALID), health=health(ONE), expected=("retry", OPENAI, 0.0)),
    Row(name="second-bad-output-goes-elsewhere",
        failure=fail(C.RESPONSE_INVALID), history=taken(fail(C.RESPONSE_INVALID)),
        health=health(ONE), expected=("fallback", OLLAMA, 0.0)),
    Row(name="second-bad-output-of-a-lone-provider-is-the-last",
        failure=fail(C.RESPONSE_INVALID), history=taken(fail(C.RESPONSE_INVALID)),
        expected="every model had a second try"),
    Row(name="nothing-after-the-deadline",
        failure=fail(C.TIMEOUT), health=health(ONE), now_s=20.0,
        expected="no time is left before the deadline"),
    Row(name="no-wait-past-the-deadline",
        failure=fail(C.SERVER_ERROR, at_s=19.9), now_s=19.9,
        expected="a wait of 0.25s would pass the deadline"),
    *(
        Row(name=f"{code}-goes-to-another-provider-before-any-wait", failure=fail(code),
            health=health(ONE), expected=("fallback", OLLAMA, 0.0))
        for code in (C.TIMEOUT, C.CONNECTION, C.OVERLOADED, C.SERVER_ERROR, C.RATE_LIMIT,
                     C.QUOTA_EXCEEDED, C.AUTH, C.NOT_FOUND)
    ),
    *(
        Row(name=f"{code}-is-never-repeated", failure=fail(code),
            expected=f"trying again does not help against {code}")
        for code in (C.QUOTA_EXCEEDED, C.AUTH, C.NOT_FOUND)
    ),
    *(
        Row(name=f"{code}-ends-it-at-once", failure=fail(code), health=health(TWO),
            expected=f"{code} is not mended by asking again")
        for code in (C.CONTENT_FILTER, C.CANCELLED,
                     C.PERMISSION, C.INVALID_REQUEST, C.UNKNOWN)
    ),
    Row(name="REQUEST_TOO_LARGE-needs-a-bigger-window", failure=fail(C.REQUEST_TOO_LARGE),
        health=health(TWO), expected="no ready provider is known to have a bigger window"),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_decision(row: Row) -> None:
    """The row's situation leads to the row's step, or to giving up for the row's reason."""
    step = next_step(row.failure, row.history, row.policy, row.health, now_s=row.now_s, jitter=0.5)

    found: object
    if isinstance(step, GiveUp):
        found = step.reason
    else:
        found = (step.strategy, step.target, pytest.approx(step.delay_s))
    assert found == row.expected


def test_step_is_numbered_over_all_and_inside_its_strategy() -> None:
    """The third step may be the second retry."""
    history = taken(fail(C.TIMEOUT), fail(C.TIMEOUT, OLLAMA))
    step = next_step(fail(C.TIMEOUT), history, Policy(), health(ONE), now_s=1.0, jitter=0.5)

    assert isinstance(step, Step)
    assert (step.strategy, step.number, step.attempt) == ("retry", 3, 2)


ACTIONS = (
    ("retry", fail(C.TIMEOUT), (), health(), "wait 0.25s, resend"),
    ("retry-at-once", fail(C.TIMEOUT, at_s=0.0), (), health(), "resend"),
    ("fallback", fail(C.TIMEOUT), (), health(ONE), "openai/gpt-4o → ollama/llama3.1"),
    (
        "retry-elsewhere",
        fail(C.AUTH),
        taken(fail(C.TIMEOUT, OLLAMA)),
        health(ONE),
        "wait 0.25s, resend to ollama/llama3.1",
    ),
)


@pytest.mark.parametrize(
    ("failure", "history", "state", "action"),
    [row[1:] for row in ACTIONS],
    ids=[row[0] for row in ACTIONS],
)
def test_action_says_what_is_done(
    failure: Failure, history: tuple[Taken, ...], state: Health, action: str
) -> None:
    """People read the action in the trace and in the table of recoveries."""
    step = next_step(failure, history, Policy(), state, now_s=1.0, jitter=0.5)

    assert isinstance(step, Step)
    assert step.action == action


def test_passed_over_strategies_are_named() -> None:
    """A step and a surrender both say what was considered before."""
    step = next_step(fail(C.TIMEOUT), (), Policy(), health(), now_s=1.0, jitter=0.5)
    surrender = next_step(fail(C.AUTH), (), Policy(), health(), now_s=1.0, jitter=0.5)

    assert [(skip.strategy, skip.reason) for skip in step.skipped] == [
        ("fallback", "no other provider is ready")
    ]
    assert [(skip.strategy, skip.reason) for skip in surrender.skipped] == [
        ("fallback", "no other provider is ready"),
        ("retry", "trying again does not help against AUTH"),
    ]


TIMEOUTS = (
    ("callers-own", (), health(timeout_s=5.0), 5.0),
    ("rest-of-the-deadline", (), health(timeout_s=60.0, deadline_s=11.0), 10.0),
    ("last-fallback-gets-all", (), health(ONE, timeout_s=60.0, deadline_s=11.0), 10.0),
    ("first-of-two-leaves-a-reserve", (), health(TWO, timeout_s=60.0, deadline_s=11.0), 7.5),
    ("reserve-is-bounded", (), health(TWO, timeout_s=900.0, deadline_s=601.0), 590.0),
    ("no-limits", (), health(timeout_s=None, deadline_s=None), None),
    ("deadline-only", (), health(timeout_s=None, deadline_s=4.0), 3.0),
    ("providers-own", (), health((Alternative(OLLAMA, 12.0),), timeout_s=5.0), 12.0),
)


@pytest.mark.parametrize(
    ("history", "state", "timeout_s"),
    [row[1:] for row in TIMEOUTS],
    ids=[row[0] for row in TIMEOUTS],
)
def test_attempt_gets_its_share_of_the_time(
    history: tuple[Taken, ...], state: Health, timeout_s: float | None
) -> None:
    """An attempt has the caller's time-out, or less where others need the time."""
    step = next_step(fail(C.TIMEOUT), history, Policy(), state, now_s=1.0, jitter=0.0)

    assert isinstance(step, Step)
    assert step.timeout_s == (None if timeout_s is None else pytest.approx(timeout_s))


ORIGINALS = (
    ("no-fallback", 30.0, Policy(), (), 30.0),
    ("leaves-a-reserve", 30.0, Policy(), ONE, 22.5),
    ("long-time-out", 600.0, Policy(), ONE, 590.0),
    ("deadline-with-room", 1.0, Policy(deadline_s=8.0), ONE, 1.0),
    ("deadline-without-time-out", None, Policy(deadline_s=8.0), ONE, 6.0),
    ("deadline-below-the-time-out", 30.0, Policy(deadline_s=8.0), (), 8.0),
    ("no-limits", None, Policy(), ONE, None),
    ("room-of-the-sdks-repeats", 30.0, Policy(), ONE, 30.0, 90.0),
    ("no-attempt-to-reserve-for", 30.0, Policy(max_attempts=1), ONE, 30.0),
)


@pytest.mark.parametrize(
    ("timeout_s", "policy", "ready", "expected", "patience_s"),
    [(*row[1:], None)[:5] for row in ORIGINALS],
    ids=[row[0] for row in ORIGINALS],
)
def test_original_attempt_leaves_time_for_a_fallback(
    timeout_s: float | None,
    policy: Policy,
    ready: tuple[Alternative, ...],
    expected: float | None,
    patience_s: float | None,
) -> None:
    """The original attempt has the caller's time-out, less a reserve if a provider is ready."""
    assert original_timeout_s(timeout_s, policy, ready, patience_s=patience_s) == expected


# --- for all inputs -------------------------------------------------------------------------------

TARGETS = (OPENAI, MINI, OLLAMA, OVH)
seconds = st.floats(min_value=0.0, max_value=30.0)
optional_seconds = st.none() | st.floats(min_value=0.01, max_value=60.0)
policies = st.builds(
    Policy,
    max_attempts=st.integers(min_value=1, max_value=7),
    max_attempts_per_provider=st.integers(min_value=1, max_value=4),
    backoff_caps_s=st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=4).map(tuple),
    reserve_share=st.floats(min_value=0, max_value=0.9),
    reserve_max_s=seconds,
    prefer_same_model=st.booleans(),
)
healths = st.builds(
    Health,
    started_s=st.just(0.0),
    deadline_s=optional_seconds,
    timeout_s=optional_seconds,
    ready=st.lists(
        st.builds(Alternative, st.sampled_from(TARGETS[1:]), optional_seconds),
        max_size=3,
        unique_by=lambda alternative: alternative.target,
    ).map(tuple),
    open=st.frozensets(st.sampled_from(TARGETS)),
    budgets=st.dictionaries(
        st.sampled_from([target.provider for target in TARGETS]),
        st.floats(min_value=0, max_value=3),
    ),
)
outcomes = st.tuples(st.sampled_from(ErrorCode), st.none() | seconds, seconds)
WAITABLE = {
    C.TIMEOUT, C.CONNECTION, C.RATE_LIMIT, C.OVERLOADED, C.SERVER_ERROR, C.RESPONSE_INVALID,
}  # fmt: skip


@settings(deadline=None)  # the machine may be busy
@given(
    policy=policies,
    state=healths,
    weather=st.lists(outcomes, min_size=1, max_size=8),
    jitter=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_promises_hold_in_any_weather(
    policy: Policy,
    state: Health,
    weather: list[tuple[ErrorCode, float | None, float]],
    jitter: float,
) -> None:
    """Deadline, attempts, Retry-After and hopelessness are respected, and decisions repeat."""
    now_s = 0.0
    history: list[Taken] = []
    code, retry_after_s, took_s = weather[0]
    now_s += took_s
    assume(state.deadline_s is None or now_s < state.deadline_s + 1)
    first = Failure(target=OPENAI, code=code, retry_after_s=retry_after_s, at_s=now_s)
    for code, retry_after_s, took_s in weather[1:]:
        step = next_step(first, history, policy, state, now_s=now_s, jitter=jitter)
        assert step == next_step(
            first, tuple(history), policy, state, now_s=now_s, jitter=jitter
        ), "the same inputs give the same step"
        if isinstance(step, GiveUp):
            return
        failures = [first, *(past.failure for past in history)]
        assert_promises(step, failures, policy, state, now_s)
        now_s += step.delay_s + min(took_s, took_s if step.timeout_s is None else step.timeout_s)
        failure = Failure(target=step.target, code=code, retry_after_s=retry_after_s, at_s=now_s)
        history.append(Taken(step, failure))


def assert_promises(
    step: Step, failures: list[Failure], policy: Policy, state: Health, now_s: float
) -> None:
    """Check one step against everything that the plan promises."""
    assert step.delay_s >= 0
    assert step.number == len(failures)
    assert len(failures) < policy.max_attempts
    asked_there = [past for past in failures if past.target.provider == step.target.provider]
    assert len(asked_there) < policy.max_attempts_per_provider
    if state.deadline_s is not None:
        assert step.timeout_s is not None
        assert step.timeout_s > 0
        assert now_s + step.delay_s + step.timeout_s <= state.deadline_s + 1e-6
    before = [past for past in failures if past.target == step.target]
    if before:
        assert step.draws, "a repeat is taken out of the budget"
    if step.draws:
        assert state.budgets.get(step.target.provider, 1.0) >= 1, "not beyond the budget"
    if step.strategy == "retry":
        assert before[-1].code in WAITABLE, "the hopeless is not repeated"
        earliest_s = before[-1].at_s + (before[-1].retry_after_s or 0.0)
        assert now_s + step.delay_s >= earliest_s - 1e-9, "not before Retry-After"
        cap_s = max(policy.backoff_caps_s)
        assert step.delay_s <= max(cap_s, before[-1].retry_after_s or 0.0) + 1e-9
    else:
        assert not before, "a fallback is a place that was not asked yet"
        assert step.delay_s == 0


@settings(deadline=None)  # the machine may be busy
@given(
    policy=policies,
    state=healths,
    weather=st.lists(outcomes, min_size=1, max_size=4),
    now_s=seconds,
)
def test_breakers_refuse_nobody_the_last_chance(
    policy: Policy,
    state: Health,
    weather: list[tuple[ErrorCode, float | None, float]],
    now_s: float,
) -> None:
    """Breakers change the order of steps, never whether there is one."""
    failures = [
        Failure(target=target, code=code, retry_after_s=wait_s, at_s=min(at_s, now_s))
        for (code, wait_s, at_s), target in zip(weather, TARGETS, strict=False)
    ]
    history = taken(*failures[1:])
    rich = replace(state, budgets={})

    steps = [
        next_step(failures[0], history, policy, replace(rich, open=open_), now_s=now_s, jitter=0.0)
        for open_ in (state.open, frozenset())
    ]

    assert isinstance(steps[0], Step) == isinstance(steps[1], Step)
