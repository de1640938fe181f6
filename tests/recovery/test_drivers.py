"""Both drivers mend real calls, and nothing inside them ever changes a call's outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import openai
import pytest
from inline_snapshot import snapshot

from goldseam.errors import ErrorCode
from goldseam.recovery import (
    GiveUp,
    Policy,
    RecoveryConfig,
    Step,
    Target,
    arecover,
    first_step,
    original_timeout_s,
    plan,
)
from goldseam.recovery.testing import chat, cut, error

from .conftest import START, Application, Clock, Notes


class BrokenError(Exception):
    """A fault of our own."""


def test_failure_is_mended_by_a_retry(app: Application) -> None:
    """A server error costs one wait and one more attempt."""
    app.main.script(error(500), chat("Nine"))

    assert app.call() == "Nine"
    assert app.clock.waits == [0.25]
    assert app.main.count == 2
    assert app.notes.lines == snapshot(
        [
            "skipped fallback: no other provider is ready",
            "step 1 retry: wait 0.25s, resend",
            "attempt at main/gpt-4o",
            "succeeded",
            "step ended",
        ]
    )


def test_failure_is_mended_by_a_fallback_without_a_wait(app: Application) -> None:
    """A ready provider takes over before anyone waits, with its own model."""
    app.policy = Policy(fallback=("spare",))
    app.main.script(error(429, retry_after=30))
    app.spare.script(chat("Nine"))

    assert app.call() == "Nine"
    assert app.clock.waits == []
    assert (app.main.count, [request.model for request in app.spare.requests]) == (
        1,
        ["spare-model"],
    )
    assert app.notes.lines == snapshot(
        [
            "step 1 fallback: main/gpt-4o → spare/spare-model",
            "attempt at spare/spare-model",
            "succeeded",
            "step ended",
        ]
    )


def test_retry_after_is_waited_for(app: Application) -> None:
    """The provider's own wait is kept to the millisecond."""
    app.main.script(error(429, headers={"retry-after-ms": "1340"}), chat("Nine"))

    assert app.call() == "Nine"
    assert app.clock.waits == [pytest.approx(1.34)]


def test_retry_after_date_is_waited_for(app: Application) -> None:
    """A date is understood by the wall clock."""
    app.main.script(error(429, retry_after="Wed, 04 Mar 2026 05:06:10 GMT"), chat("Nine"))

    assert app.call() == "Nine"
    assert app.clock.waits == [pytest.approx(3.0)]


def test_connection_that_is_lost_is_mended(app: Application) -> None:
    """No answer at all is a failure like another."""
    app.main.script(cut(), cut("mid_body"), chat("Nine"))

    assert app.call() == "Nine"
    assert app.main.count == 3


def test_original_error_comes_out_when_all_fails(app: Application) -> None:
    """The caller sees the very object that the first attempt raised."""
    app.policy = Policy(fallback=("spare",))
    app.main.default = error(500)
    app.spare.default = error(503)

    with pytest.raises(openai.InternalServerError) as raised:
        app.call()

    assert raised.value is app.error
    assert (app.main.count, app.spare.count) == (3, 2)
    assert app.notes.lines == snapshot(
        [
            "step 1 fallback: main/gpt-4o → spare/spare-model",
            "attempt at spare/spare-model",
            "attempt ended by InternalServerError",
            "failed: OVERLOADED",
            "step ended",
            "skipped fallback: every ready provider was tried",
            "step 2 retry: wait 0.25s, resend",
            "attempt at main/gpt-4o",
            "attempt ended by InternalServerError",
            "failed: SERVER_ERROR",
            "step ended",
            "step 3 retry: resend to spare/spare-model",
            "attempt at spare/spare-model",
            "attempt ended by InternalServerError",
            "failed: OVERLOADED",
            "step ended",
            "step 4 retry: wait 0.5s, resend",
            "attempt at main/gpt-4o",
            "attempt ended by InternalServerError",
            "failed: SERVER_ERROR",
            "step ended",
        ]
    )


HOPELESS = (
    ("key", error(401), openai.AuthenticationError),
    ("quota", error(429, code="insufficient_quota"), openai.RateLimitError),
    ("bad-request", error(400), openai.BadRequestError),
    ("filter", error(400, code="content_filter"), openai.BadRequestError),
    ("context", error(400, code="context_length_exceeded"), openai.BadRequestError),
)


@pytest.mark.parametrize(
    ("reply", "kind"), [row[1:] for row in HOPELESS], ids=[row[0] for row in HOPELESS]
)
def test_hopeless_failure_costs_one_attempt(
    app: Application, reply: Any, kind: type[Exception]
) -> None:
    """No wait, no second request, the SDK's own exception."""
    app.main.script(reply)

    with pytest.raises(kind) as raised:
        app.call()

    assert raised.value is app.error
    assert (app.main.count, app.clock.waits) == (1, [])


def test_retry_after_past_the_deadline_is_not_waited_for(app: Application) -> None:
    """The answer comes too late anyway, so the error comes at once."""
    app.main.script(error(429, retry_after=3600))

    with pytest.raises(openai.RateLimitError):
        app.call()

    assert (app.main.count, app.clock.waits) == (1, [])
    assert app.notes.lines[-1] == snapshot(
        "skipped retry: the provider asks to wait 3600s, past the deadline"
    )


def test_each_skip_is_told_once(app: Application) -> None:
    """Three decisions without a fallback are one line."""
    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError):
        app.call()

    assert app.notes.lines.count("skipped fallback: no other provider is ready") == 1


def test_attempts_get_the_time_that_is_left(app: Application) -> None:
    """The second retry has less time than the first."""
    app.main.script(error(500), error(500), chat("Nine"))
    app.timeout_s = 10.0

    app.call()

    assert [timeout_s for _, timeout_s in app.sent[1:]] == [9.75, 9.25]


@pytest.mark.parametrize("mode", ["off", "observe"])
def test_other_modes_do_nothing(app: Application, mode: str) -> None:
    """Only `on` sends anything."""
    app.mode = mode
    app.main.script(error(500))

    with pytest.raises(openai.InternalServerError) as raised:
        app.call()

    assert raised.value is app.error
    assert (app.main.count, app.notes.lines) == (1, [])


def test_observe_shows_the_step_that_would_be_taken() -> None:
    """The first step is known without being taken."""
    arguments: dict[str, Any] = {
        "asked": Target("main", "m"),
        "started_s": 0.0,
        "timeout_s": 10.0,
        "config": RecoveryConfig(mode="observe"),
        "at_s": 1.0,
        "now": START,
    }
    step = first_step(TimeoutError("slow"), **arguments)
    surrender = first_step(ValueError("odd"), **arguments)

    assert isinstance(step, Step)
    assert (step.strategy, step.action) == ("retry", "wait 0.25s, resend")
    assert surrender == GiveUp("UNKNOWN is not mended by asking again")


def test_original_attempt_keeps_its_time_unless_recovery_is_on(app: Application) -> None:
    """A reserve is taken only where a fallback could use it."""
    app.policy = Policy(fallback=("spare",))
    asked = Target("main", "gpt-4o")

    assert original_timeout_s(20.0, asked=asked, config=app.config) == 15.0
    app.mode = "observe"
    assert original_timeout_s(20.0, asked=asked, config=app.config) == 20.0


# --- our own faults -------------------------------------------------------------------------------


def broken(*_args: object, **_options: object) -> NoReturn:
    """Fail as a bug would."""
    raise BrokenError


@contextmanager
def broken_on_exit(watch: Any) -> Iterator[Any]:
    """Fail when left."""
    yield watch
    raise BrokenError


def spoilt(method: str, how: Callable[..., Any]) -> Notes:
    """Return a watch with one method spoilt."""
    notes = Notes()
    setattr(notes, method, how)
    return notes


SPOILT = (
    ("step", "step", broken),
    ("step-on-exit", "step", lambda _step: broken_on_exit(Notes())),
    ("step-gives-none", "step", lambda _step: contextmanager(lambda: iter([None]))()),
    ("attempt", "attempt", broken),
    ("attempt-on-exit", "attempt", lambda _target: broken_on_exit(None)),
    ("succeeded", "succeeded", broken),
    ("failed", "failed", broken),
    ("skipped", "skipped", broken),
)


@pytest.mark.parametrize(
    ("method", "how"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT]
)
def test_broken_watch_changes_nothing(
    app: Application, caplog: pytest.LogCaptureFixture, method: str, how: Callable[..., Any]
) -> None:
    """The call is mended as without the watch, and the fault is logged once."""
    app.main.script(error(500), error(500), chat("Nine"))

    with caplog.at_level(logging.WARNING, "goldseam.recovery"):
        assert app.call(watch=spoilt(method, how)) == "Nine"

    assert app.main.count == 3
    assert len(caplog.records) <= 1


def test_watch_that_swallows_does_not_hide_a_failure(app: Application) -> None:
    """A context manager that suppresses exceptions cannot turn a failure into an answer."""

    class Swallower:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> bool:
            return True

    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError) as raised:
        app.call(watch=spoilt("attempt", lambda _target: Swallower()))

    assert raised.value is app.error
    assert app.main.count == 3


@pytest.mark.parametrize("part", ["plan", "jitter", "clock", "sleep", "reading"])
def test_broken_part_gives_the_original_error(
    app: Application,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    """Whatever breaks inside, the caller sees the first attempt's own exception."""
    app.main.default = error(500)
    asked, watch = Target("main", "gpt-4o"), Notes()
    with pytest.raises(openai.InternalServerError) as original:
        app.ask(asked, None)
    match part:
        case "plan":
            monkeypatch.setattr(plan, "next_step", broken)
        case "jitter":
            app.jitter = broken
        case "clock":
            monkeypatch.setattr(app.clock, "wall", broken)
        case "sleep":
            monkeypatch.setattr(app.clock, "sleep", broken)
        case "reading":
            monkeypatch.setattr("goldseam.recovery.session.failure_from", broken)

    with (
        caplog.at_level(logging.WARNING, "goldseam.recovery"),
        pytest.raises(openai.InternalServerError) as raised,
    ):
        app.mend(original.value, asked, 100.0, watch)

    assert raised.value is original.value
    assert app.main.count == 1
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [BrokenError]


def test_fault_is_logged_once_per_process(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    """A watch that is broken for good does not flood the log."""
    with caplog.at_level(logging.WARNING, "goldseam.recovery"):
        for _ in range(3):
            app.main.script(error(500), chat("Nine"))
            app.call(watch=spoilt("step", broken))

    assert len(caplog.records) == 1


# --- what is no Exception -------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["send", "sleep"])
def test_keyboard_interrupt_passes_at_once(
    app: Application, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Ctrl-C is not a failure to be mended."""
    app.main.default = error(500)

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    async def ainterrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    send: Any = None
    if where == "sleep":
        monkeypatch.setattr(app.clock, "sleep", interrupt)
    else:
        send = ainterrupt if app.is_async else interrupt

    with pytest.raises(KeyboardInterrupt):
        app.call(send=send)

    assert app.main.count == 1
    assert app.notes.lines[-1] == "step ended by KeyboardInterrupt"


@pytest.mark.anyio
async def test_cancelled_wait_makes_no_attempt() -> None:
    """A task that is cancelled while it waits sends nothing more, and its spans end."""
    waiting, notes = asyncio.Event(), Notes()

    async def wait(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(mend(never, wait, notes))
    await waiting.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes.lines == snapshot(
        [
            "skipped fallback: no other provider is ready",
            "step 1 retry: wait 0.25s, resend",
            "step ended by CancelledError",
        ]
    )


@pytest.mark.anyio
async def test_cancelled_attempt_is_the_last() -> None:
    """A task that is cancelled during an attempt makes no other."""
    sending, notes = asyncio.Event(), Notes()
    sent: list[Target] = []

    async def send(step: Step) -> str:
        sent.append(step.target)
        sending.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.ensure_future(mend(send, Clock().asleep, notes))
    await sending.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(sent) == 1
    assert notes.lines == snapshot(
        [
            "skipped fallback: no other provider is ready",
            "step 1 retry: wait 0.25s, resend",
            "attempt at main/m",
            "attempt ended by CancelledError",
            "step ended by CancelledError",
        ]
    )


@pytest.mark.anyio
async def test_a_thousand_cancelled_recoveries_leave_nothing() -> None:
    """No task is left over and no attempt follows, at whatever point a task was."""
    attempts = 0

    async def send(_step: Step) -> str:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0)
        raise TimeoutError

    async def wait(_seconds: float) -> None:
        await asyncio.sleep(0)

    before = asyncio.all_tasks()
    tasks = [asyncio.ensure_future(mend(send, wait, Notes())) for _ in range(1000)]
    for turn, task in enumerate(tasks):
        if turn % 200 == 0:
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    after_cancel = attempts
    await asyncio.sleep(0)

    assert attempts == after_cancel
    assert asyncio.all_tasks() == before


async def never(_step: Step) -> str:
    """Stand for an attempt that must not be made."""
    raise AssertionError("an attempt was made after the cancellation")


async def mend(
    send: Callable[[Step], Awaitable[str]],
    sleep: Callable[[float], Awaitable[object]],
    watch: Notes,
) -> str:
    """Recover from a time-out."""
    clock = Clock()
    return await arecover(
        TimeoutError("slow"),
        send=send,
        asked=Target("main", "m"),
        started_s=clock(),
        timeout_s=20.0,
        config=RecoveryConfig(mode="on"),
        watch=watch,
        clock=clock,
        sleep=sleep,
        jitter=lambda: 0.5,
        now=clock.wall,
    )


def test_outcome_is_told_with_its_code(app: Application) -> None:
    """The watch learns the code of each failed step."""
    app.main.script(error(500), error(429), chat("Nine"))

    app.call()

    told = [line for line in app.notes.lines if line.startswith("failed")]
    assert told == [f"failed: {ErrorCode.RATE_LIMIT}"]
