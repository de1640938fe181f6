"""The recovery manager drives the same plan as the instrumentation, by hand."""

import time
from collections.abc import Iterator
from typing import Any, ClassVar

import openai
import pytest

from goldseam.errors import ErrorCode
from goldseam.recovery import (
    ErrorRecoveryStrategy,
    Policy,
    Provider,
    RecoveryConfig,
    Request,
    RetryStrategy,
    Situation,
    Skip,
    Step,
    Target,
    preset_config,
)
from goldseam.recovery.cache import AnswerCache
from goldseam.recovery.cache_memory import MemoryStore
from goldseam.recovery.cached import CacheStrategy
from goldseam.recovery.extras import CacheConfig
from goldseam.recovery.manager import AIRecoveryManager
from goldseam.recovery.testing import ScriptedProvider, error

ASKED = Target("main", "gpt-4o")


@pytest.fixture
def main_provider() -> Iterator[ScriptedProvider]:
    """Give the provider that is asked."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def spare_provider() -> Iterator[ScriptedProvider]:
    """Give the provider of the fallback."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def manager(spare_provider: ScriptedProvider) -> AIRecoveryManager:
    """Give a manager with short waits and one fallback."""
    spare = Provider(name="spare", base_url=spare_provider.base_url, models={"*": "small"})
    policy = Policy(backoff_caps_s=(0.01,), fallback=("spare",))
    return AIRecoveryManager(RecoveryConfig(mode="on", policy=policy, providers={"spare": spare}))


class Asking:
    """Sends steps with the real SDK."""

    def __init__(self, sdk: openai.OpenAI, main: ScriptedProvider, spare: ScriptedProvider) -> None:
        self._sdk = sdk
        self._base_urls = {"main": main.base_url, "spare": spare.base_url}

    def ask(self, target: Target) -> str:
        """Send one request."""
        client = self._sdk.with_options(base_url=self._base_urls[target.provider])
        answer = client.chat.completions.create(
            model=target.model or "", messages=[{"role": "user", "content": "?"}]
        )
        return answer.choices[0].message.content or ""

    def send(self, step: Step) -> str:
        """Send the request of a step."""
        return self.ask(step.target)

    async def asend(self, step: Step) -> str:
        """Send it from a task."""
        return self.ask(step.target)

    def failed(self) -> openai.APIError:
        """Make the original attempt, which fails."""
        with pytest.raises(openai.APIError) as raised:
            self.ask(ASKED)
        return raised.value


@pytest.fixture
def asking(
    sdk: openai.OpenAI, main_provider: ScriptedProvider, spare_provider: ScriptedProvider
) -> Asking:
    """Give an application."""
    return Asking(sdk, main_provider, spare_provider)


def test_failed_call_is_mended(
    manager: AIRecoveryManager, asking: Asking, main_provider: ScriptedProvider
) -> None:
    """The fallback answers, as it does for an instrumented call."""
    main_provider.script(error(500))

    answer = manager.recover(asking.failed(), send=asking.send, asked=ASKED, timeout_s=5)

    assert answer == "ok"


@pytest.mark.anyio
async def test_failed_call_of_a_task_is_mended(
    manager: AIRecoveryManager, asking: Asking, main_provider: ScriptedProvider
) -> None:
    """`arecover` is the same for tasks."""
    main_provider.script(error(500))

    answer = await manager.arecover(asking.failed(), send=asking.asend, asked=ASKED, timeout_s=5)

    assert answer == "ok"


def test_hopeless_call_raises_its_own_error(
    manager: AIRecoveryManager, asking: Asking, main_provider: ScriptedProvider
) -> None:
    """The same object comes out, and nobody is asked."""
    main_provider.script(error(400))
    failed = asking.failed()

    with pytest.raises(openai.BadRequestError) as raised:
        manager.recover(failed, send=asking.send, asked=ASKED)

    assert raised.value is failed


class Constant:
    """Answers from nowhere."""

    def read(self, request: Request) -> dict[str, Any]:
        """Return a fixed answer."""
        return {"text": f"sorry, {request.operation} is away"}

    async def aread(self, request: Request) -> dict[str, Any]:
        """Return the same."""
        return self.read(request)


class Apology(ErrorRecoveryStrategy):
    """A strategy of the application's own."""

    name: ClassVar[str] = "apology"
    mends: ClassVar[frozenset[ErrorCode]] = frozenset({ErrorCode.INVALID_REQUEST})
    asks_provider: ClassVar[bool] = False

    def propose(self, situation: Situation) -> Step | Skip:
        """Answer with an apology."""
        return situation.step(self.name, situation.asked, 0.0, "apologise", source=Constant())


def test_own_strategy_is_asked(
    manager: AIRecoveryManager, asking: Asking, main_provider: ScriptedProvider
) -> None:
    """A user's strategy mends what Goldseam's leave alone."""
    manager.add_strategy(Apology())
    main_provider.script(error(400))

    answer = manager.recover(
        asking.failed(), send=asking.send, asked=ASKED, read=lambda body: str(body["text"])
    )

    assert answer == "sorry, chat is away"


def test_strategy_is_placed(manager: AIRecoveryManager) -> None:
    """A strategy can be asked before another one; a name that is none is told."""
    before = [each.name for each in manager.strategies]

    manager.add_strategy(Apology(), before="fallback")

    after = [each.name for each in manager.strategies]
    place = before.index("fallback")
    assert after == [*before[:place], "apology", *before[place:]]
    with pytest.raises(ValueError, match="no strategy 'fall'; there are"):
        manager.add_strategy(RetryStrategy(), before="fall")


@pytest.mark.anyio
async def test_cache_answers_last(
    manager: AIRecoveryManager,
    asking: Asking,
    main_provider: ScriptedProvider,
    spare_provider: ScriptedProvider,
) -> None:
    """With the cache's strategy, a kept answer stands in when every provider fails."""
    cache = AnswerCache(CacheConfig(), MemoryStore(max_bytes=10_000))
    cache.keep("key", b'{"text": "Nine"}')
    manager.add_strategy(CacheStrategy(cache))
    main_provider.default = spare_provider.default = error(503)
    failed, request = asking.failed(), Request(cache_key="key")
    common: dict[str, Any] = {
        "asked": ASKED,
        "timeout_s": 5,
        "started_s": time.monotonic(),
        "request": request,
    }

    answers: list[Any] = [
        manager.recover(failed, send=asking.send, **common),
        await manager.arecover(failed, send=asking.asend, **common),
    ]

    assert answers == [{"text": "Nine"}] * 2


def test_fix_names_what_is_asked() -> None:
    """A suggestion comes with the strategies that this manager would ask."""
    fix = AIRecoveryManager(preset_config("production")).suggest_fix("TIMEOUT", "timed out")

    assert fix.type is ErrorCode.TIMEOUT
    assert fix.suggestions
    assert fix.probable_cause
    assert {"retry", "fallback"} <= set(fix.strategies)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("INVALID", "", ErrorCode.INVALID_REQUEST),
        ("timeout", "", ErrorCode.TIMEOUT),
        ("UNKNOWN", "maximum context length is 8192 tokens", ErrorCode.CONTEXT_LENGTH),
        ("E42", "You exceeded your current quota", ErrorCode.QUOTA_EXCEEDED),
        ("E42", "", ErrorCode.UNKNOWN),
    ],
    ids=["seed", "lower-case", "from-text", "foreign", "nothing"],
)
def test_fix_reads_code_and_message(code: str, message: str, kind: ErrorCode) -> None:
    """The seed's codes are known; what is unknown is read from the provider's words."""
    assert AIRecoveryManager().suggest_fix(code, message).type is kind


def test_fix_promises_no_success() -> None:
    """No percentage is shown that nobody has measured."""
    fixes = [AIRecoveryManager().suggest_fix(code) for code in ErrorCode]

    assert not [text for fix in fixes for text in fix.suggestions if "%" in text]
