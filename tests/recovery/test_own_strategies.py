"""A strategy of one's own takes part in recovery and cannot break what recovery promises."""

import logging
from dataclasses import dataclass
from typing import ClassVar

import openai
import pytest

from goldseam.errors import ErrorCode
from goldseam.recovery import (
    STRATEGIES,
    Body,
    ErrorRecoveryStrategy,
    Policy,
    Request,
    RetryStrategy,
    Situation,
    Skip,
    Step,
)
from goldseam.recovery.testing import chat, error

from .conftest import Application


class Shorter(ErrorRecoveryStrategy):
    """Sends a shorter body where the context is too long."""

    name: ClassVar[str] = "shorter"
    mends: ClassVar[frozenset[ErrorCode]] = frozenset({ErrorCode.CONTEXT_LENGTH})

    def propose(self, situation: Situation) -> Step | Skip:
        """Propose it once."""
        if situation.history:
            return Skip(self.name, "it was shortened already")
        return situation.step(
            self.name, situation.asked, 0.0, "shorten", body={"short": True}, degraded=True
        )


@dataclass(frozen=True)
class Shelf:
    """A source with one answer, or none."""

    text: str | None

    def read(self, _request: Request) -> Body | None:
        """Return it."""
        return None if self.text is None else {"text": self.text}

    async def aread(self, request: Request) -> Body | None:
        """Return it."""
        return self.read(request)


class FromShelf(ErrorRecoveryStrategy):
    """Answers from a shelf."""

    name: ClassVar[str] = "shelf"
    mends: ClassVar[frozenset[ErrorCode]] = frozenset({ErrorCode.SERVER_ERROR})
    asks_provider: ClassVar[bool] = False

    def __init__(self, text: str | None) -> None:
        self._shelf = Shelf(text)

    def propose(self, situation: Situation) -> Step | Skip:
        """Propose it always."""
        return situation.step(self.name, situation.asked, 0.0, "look", source=self._shelf)


class Broken(ErrorRecoveryStrategy):
    """Has a bug."""

    name: ClassVar[str] = "broken"
    mends: ClassVar[frozenset[ErrorCode]] = frozenset(ErrorCode)

    def propose(self, _situation: Situation) -> Step | Skip:
        """Fail."""
        raise ZeroDivisionError


class Late(ErrorRecoveryStrategy):
    """Wants to wait for a day."""

    name: ClassVar[str] = "late"
    mends: ClassVar[frozenset[ErrorCode]] = frozenset(ErrorCode)

    def propose(self, situation: Situation) -> Step | Skip:
        """Propose it."""
        return situation.step(self.name, situation.asked, 86_400.0, "wait for a day")


def test_strategy_changes_the_request_and_a_repeat_keeps_the_change(app: Application) -> None:
    """The sender gets the changed body, also when the mended request meets a server error."""

    class Again(RetryStrategy):
        mends = frozenset({ErrorCode.CONTEXT_LENGTH})

    app.strategies = (Shorter(), Again())
    app.main.script(error(400, code="context_length_exceeded"), error(500), chat("Nine"))

    assert app.call() == "Nine"
    assert [(step.strategy, step.body, step.degraded) for step in app.steps] == [
        ("shorter", {"short": True}, True),
        ("retry", {"short": True}, True),
    ]


def test_source_answers_without_a_request(app: Application) -> None:
    """A step with a source is no attempt: no request, no cover of one."""
    app.strategies = (FromShelf("from the shelf"),)
    app.main.script(error(500))

    assert app.call() == "from the shelf"
    assert app.main.count == 1
    assert app.notes.lines == ["step 1 shelf: look", "succeeded", "step ended"]


def test_source_is_asked_when_the_attempts_are_used_up(app: Application) -> None:
    """What costs no request is the last resort after all requests."""
    app.strategies = (*STRATEGIES, FromShelf("from the shelf"))
    app.policy = Policy(max_attempts=2)
    app.main.default = error(500)

    assert app.call() == "from the shelf"
    assert app.main.count == 2


def test_empty_source_is_asked_once_and_is_no_attempt(app: Application) -> None:
    """A source without an answer changes neither the attempts nor the error."""
    app.strategies = (FromShelf(None), *STRATEGIES)
    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError) as raised:
        app.call()

    assert raised.value is app.error
    assert app.main.count == 3
    assert [step.strategy for step in app.steps] == ["shelf", "retry", "retry"]


def test_broken_strategy_is_passed_over(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """A strategy that raises is logged once; the others mend the call."""
    app.strategies = (Broken(), *STRATEGIES)
    app.main.script(error(500), error(500), chat("Nine"))

    with caplog.at_level(logging.WARNING, "goldseam.recovery"):
        assert app.call() == "Nine"

    assert "skipped broken: it had a fault: ZeroDivisionError" in app.notes.lines
    assert len(caplog.records) == 1


def test_strategy_cannot_pass_the_deadline(app: Application) -> None:
    """A wait past the deadline is not begun, whoever proposes it."""
    app.strategies = (Late(),)
    app.main.default = error(500)

    with pytest.raises(openai.InternalServerError):
        app.call()

    assert (app.main.count, app.clock.waits) == (1, [])


def test_refused_content_is_final_for_every_strategy(app: Application) -> None:
    """No strategy carries a request on that moderation refused."""
    app.strategies = (Late(), Broken())
    app.main.script(error(400, code="content_filter"))

    with pytest.raises(openai.BadRequestError):
        app.call()

    assert app.notes.lines == []
