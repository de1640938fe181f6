"""Breaker and budget take part in every recovery, and never refuse the last provider."""

import openai
import pytest

from goldseam.errors import ErrorCode
from goldseam.recovery import Failure, Policy, RecoveryConfig, Target, Vitals, is_spared
from goldseam.recovery.testing import chat, error

from .conftest import Application

ASKED, SPARE = Target("main", "gpt-4o"), Target("spare", "spare-model")


def break_(app: Application, target: Target) -> None:
    """Make a target fail until its breaker opens."""
    for _ in range(10):
        failure = Failure(target=target, code=ErrorCode.TIMEOUT, at_s=app.clock())
        app.vitals.failed(failure, is_first=False)


def spared(app: Application) -> bool:
    """Tell whether the asked provider is left alone."""
    return is_spared(ASKED, config=app.config, vitals=app.vitals, now_s=app.clock())


def test_failing_provider_is_left_alone_when_another_is_ready(app: Application) -> None:
    """With an open breaker the first request goes to the fallback, and no time is lost."""
    app.policy = Policy(fallback=("spare",))
    break_(app, ASKED)
    app.spare.script(chat("Nine"))

    assert spared(app)
    assert app.detour() == "Nine"
    assert (app.main.count, app.spare.count) == (0, 1)
    assert app.notes.lines[0] == "step 1 fallback: main/gpt-4o → spare/spare-model"


def test_last_provider_is_never_spared(app: Application) -> None:
    """Alone, or where all breakers are open, the asked provider is asked."""
    break_(app, ASKED)
    assert not spared(app)

    app.policy = Policy(fallback=("spare",))
    break_(app, SPARE)
    assert not spared(app)


def test_spared_provider_is_asked_after_all_when_the_others_fail(app: Application) -> None:
    """An open breaker changes the order and takes away no chance."""
    app.policy = Policy(fallback=("spare",))
    break_(app, ASKED)
    app.spare.default = error(401)
    app.main.script(chat("Nine"))

    assert app.detour() == "Nine"
    assert "step 2 retry: ask main/gpt-4o after all" in app.notes.lines
    assert app.clock.waits == []


def test_error_of_the_asked_provider_comes_out_of_a_detour(app: Application) -> None:
    """The application sees what its own provider said, though it was asked second."""
    app.policy = Policy(fallback=("spare",))
    break_(app, ASKED)
    app.spare.default = error(401)
    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError):
        app.detour()


def test_open_breaker_of_a_fallback_gives_way_to_a_repeat(app: Application) -> None:
    """A fallback that is known to fail is not asked while a repeat may help."""
    app.policy = Policy(fallback=("spare",))
    break_(app, SPARE)
    app.main.script(error(500), chat("Nine"))

    assert app.call() == "Nine"
    assert app.spare.count == 0
    assert "skipped fallback: the breaker of spare/spare-model is open" in app.notes.lines


def test_open_breaker_does_not_refuse_the_last_hope(app: Application) -> None:
    """Where a repeat is hopeless, a fallback with an open breaker is better than an error."""
    app.policy = Policy(fallback=("spare",))
    break_(app, SPARE)
    app.main.script(error(401))
    app.spare.script(chat("Nine"))

    assert app.call() == "Nine"


def test_repeats_end_when_the_budget_is_used_up(app: Application) -> None:
    """A provider in trouble gets its first request and no more."""
    while app.vitals.draw("main", app.clock()):
        pass
    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError):
        app.call()

    assert app.main.count == 1
    assert app.notes.lines[-1] == "skipped retry: the retry budget of main is used up"


def test_first_attempt_at_a_ready_fallback_is_free(app: Application) -> None:
    """A fallback adds no load where it hurts."""
    while app.vitals.draw("spare", app.clock()):
        pass
    app.policy = Policy(fallback=("spare",))
    app.main.default = error(500)
    app.spare.script(chat("Nine"))

    assert app.call() == "Nine"


def test_failures_of_calls_open_the_breaker(app: Application) -> None:
    """What the drivers see counts."""
    app.policy = Policy(fallback=("spare",))
    app.main.default = error(500)
    app.spare.default = chat("Nine")

    for _ in range(10):
        assert app.call() == "Nine"

    assert spared(app)


def test_broken_vitals_leave_the_original_error(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in breaker or budget changes nothing for the caller."""
    monkeypatch.setattr(app.vitals, "budgets", None)
    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError) as raised:
        app.call()

    assert raised.value is app.error


def test_nobody_is_spared_unless_recovery_is_on() -> None:
    """Observing never changes where a request goes."""
    assert not is_spared(ASKED, config=RecoveryConfig(mode="observe"), vitals=Vitals(), now_s=0.0)
