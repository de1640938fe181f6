"""A scripted provider, a clock that only waits move, and a watch that writes down what it sees."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest

from goldseam.recovery import (
    STRATEGIES,
    ErrorRecoveryStrategy,
    Failure,
    NothingFoundError,
    Policy,
    Provider,
    RecoveryConfig,
    Request,
    Step,
    Target,
    Vitals,
    Watch,
    arecover,
    hooks,
    recover,
)
from goldseam.recovery.testing import ScriptedProvider

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are logged once per process; every test starts anew."""
    monkeypatch.setattr(hooks, "_logged", set())


@dataclass
class Clock:
    """Time that passes only in waits; waits take none of the real one."""

    now_s: float = 100.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return monotonic seconds."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.now_s += seconds

    async def asleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(0)
        self.sleep(seconds)

    def wall(self) -> datetime:
        """Return the wall clock's time."""
        return START + timedelta(seconds=self.now_s - 100.0)


class Notes:
    """A watch that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def step(self, step: Step) -> Iterator["Notes"]:
        """Write the beginning and the end of a step."""
        self.lines.append(f"step {step.number} {step.strategy}: {step.action}")
        try:
            yield self
        except BaseException as error:
            self.lines.append(f"step ended by {type(error).__name__}")
            raise
        self.lines.append("step ended")

    @contextmanager
    def attempt(self, target: Target) -> Iterator[None]:
        """Write the beginning and the end of an attempt."""
        self.lines.append(f"attempt at {target}")
        try:
            yield
        except BaseException as error:
            self.lines.append(f"attempt ended by {type(error).__name__}")
            raise

    def succeeded(self) -> None:
        """Write it."""
        self.lines.append("succeeded")

    def failed(self, failure: Failure) -> None:
        """Write it."""
        self.lines.append(f"failed: {failure.code}")

    def skipped(self, strategy: str, reason: str) -> None:
        """Write it."""
        self.lines.append(f"skipped {strategy}: {reason}")


class Application:
    """An application with two providers whose calls are mended by one of the drivers.

    `call` makes the original attempt with the real SDK and recovers as the instrumentation does.
    """

    def __init__(self, client: openai.OpenAI, *, is_async: bool) -> None:
        self._client = client
        self.is_async = is_async
        self.main = ScriptedProvider()
        self.spare = ScriptedProvider()
        self.clock = Clock()
        self.notes = Notes()
        self.policy = Policy()
        self.mode: Any = "on"
        self.timeout_s: float | None = 20.0
        self.strategies: tuple[ErrorRecoveryStrategy, ...] = STRATEGIES
        self.vitals = Vitals()
        self.extra: dict[str, Provider] = {}
        self.patience_s: float | None = None
        self.steps: list[Step] = []
        self.jitter: Callable[[], float] = lambda: 0.5
        self.sent: list[tuple[Target, float | None]] = []
        self.error: Exception | None = None

    def close(self) -> None:
        """Close the providers."""
        self.main.close()
        self.spare.close()

    @property
    def config(self) -> RecoveryConfig:
        """How recovery is set up."""
        spare = Provider(name="spare", base_url=self.spare.base_url, models={"*": "spare-model"})
        return RecoveryConfig(
            mode=self.mode,
            policy=self.policy,
            providers={"spare": spare, **self.extra},
            strategies=self.strategies,
        )

    def send(self, step: Step) -> str:
        """Take a step: read its source, or send one request."""
        self.steps.append(step)
        if step.source is not None:
            found = step.source.read(Request())
            if found is None:
                raise NothingFoundError
            return str(found["text"])
        return self.ask(step.target, step.timeout_s)

    def ask(self, target: Target, timeout_s: float | None) -> str:
        """Send one request."""
        self.sent.append((target, timeout_s))
        base_url = self.main.base_url if target.provider == "main" else self.spare.base_url
        client = self._client.with_options(base_url=base_url)  # shares the connections
        answer = client.chat.completions.create(
            model=target.model or "", messages=[{"role": "user", "content": "?"}]
        )
        return answer.choices[0].message.content or ""

    async def asend(self, step: Step) -> str:
        """Send one request from a task."""
        return await asyncio.to_thread(self.send, step)

    def call(self, *, watch: Watch | None = None, send: Any = None) -> str:
        """Make a call."""
        started_s, asked = self.clock(), Target("main", "gpt-4o")
        try:
            return self.ask(asked, self.timeout_s)
        except openai.OpenAIError as error:
            self.error = error
            return self.mend(error, asked, started_s, watch or self.notes, send)

    def detour(self) -> str:
        """Make a call whose asked provider has an open breaker."""
        return self.mend(None, Target("main", "gpt-4o"), self.clock(), self.notes)

    def mend(
        self,
        error: Exception | None,
        asked: Target,
        started_s: float,
        watch: Watch,
        send: Any = None,
    ) -> str:
        """Run the driver."""
        common: dict[str, Any] = {
            "asked": asked,
            "started_s": started_s,
            "timeout_s": self.timeout_s,
            "patience_s": self.patience_s,
            "vitals": self.vitals,
            "config": self.config,
            "watch": watch,
            "clock": self.clock,
            "jitter": self.jitter,
            "now": self.clock.wall,
        }
        if self.is_async:
            sending = send or self.asend
            waiting = arecover(error, send=sending, sleep=self.clock.asleep, **common)
            return str(asyncio.run(waiting))
        return str(recover(error, send=send or self.send, sleep=self.clock.sleep, **common))


@pytest.fixture(scope="session")
def sdk() -> Iterator[openai.OpenAI]:
    """Give one client of the real SDK, with its own retries off: making one takes a while."""
    with openai.OpenAI(api_key="test", max_retries=0, timeout=5.0) as client:
        yield client


@pytest.fixture(params=["sync", "async"])
def app(request: pytest.FixtureRequest, sdk: openai.OpenAI) -> Iterator[Application]:
    """Give an application, once with each driver."""
    application = Application(sdk, is_async=request.param == "async")
    yield application
    application.close()
