"""A fault anywhere in recovery leaves the application its answer or its own error."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import openai
import pytest
from tests.instrumentation.conftest import Instrument, Recorder, mending

import goldseam.recovery
from goldseam.recovery import hooks
from goldseam.recovery.extras import CacheConfig
from goldseam.recovery.testing import ScriptedProvider, chat, error

OUTSIDE = (
    "testing", "hooks", "config", "checks", "manager", "cache_redis", "playbook_http", "rules",
)  # fmt: skip
"""The fence itself, what runs when the application starts, and what other tests break."""

PLUMBING = frozenset({"Turn.__exit__"})
"""Ends the cover of a step, whose span cannot end where this itself is broken."""

TOO_LONG = "maximum context length is 3000 tokens. However, your messages resulted in 3600 tokens."
LONG: Any = [{"role": "user", "content": "word " * 2600}]


def _functions() -> Iterator[Any]:
    """Yield every function of recovery that has no closure, under its place."""
    package = goldseam.recovery
    for info in pkgutil.iter_modules(package.__path__):
        if info.name in OUTSIDE:
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for owner in (module, *vars(module).values()):
            if inspect.isclass(owner) and owner.__module__ != module.__name__:
                continue
            if owner is not module and not inspect.isclass(owner):
                continue
            for member in vars(owner).values():
                found = getattr(member, "fget", member)
                if (
                    isinstance(found, FunctionType)
                    and found.__module__ == module.__name__
                    and not found.__code__.co_freevars
                    and found.__code__.co_filename == module.__file__
                ):
                    yield pytest.param(found, id=f"{info.name}.{found.__qualname__}")


def _injected(*_args: Any, **_options: Any) -> Any:
    raise ArithmeticError


@pytest.fixture(scope="module")
def asked() -> Iterator[ScriptedProvider]:
    """The provider that is asked first."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def spare() -> Iterator[ScriptedProvider]:
    """The provider behind it."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def sdk(asked: ScriptedProvider) -> Iterator[openai.OpenAI]:
    """One client for all tests."""
    with openai.OpenAI(api_key="k", base_url=asked.base_url, max_retries=0) as client:
        yield client


@pytest.mark.usefixtures("faults_expected")
@pytest.mark.parametrize("function", list(_functions()))
def test_fault_changes_no_outcome(
    function: FunctionType,
    asked: ScriptedProvider,
    spare: ScriptedProvider,
    sdk: openai.OpenAI,
    instrument: Instrument,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mended, trimmed, spared or given up: answer or provider's error, and every span ends."""
    config = mending(asked, spare, trim=True, max_attempts=3)
    instrument(recovery=dataclasses.replace(config, cache=CacheConfig()))
    monkeypatch.setattr(hooks, "_logged", set())
    monkeypatch.setattr(function, "__code__", _injected.__code__)
    context = error(400, code="context_length_exceeded", message=TOO_LONG)
    for first, second in (
        (error(503), chat("Nine")),
        (context, error(500)),
        (error(429), error(500)),
    ):
        asked.script(first)
        asked.default, spare.default = chat("Nine"), second
        try:
            answer = sdk.chat.completions.create(model="gpt-4o", messages=LONG)
        except openai.APIStatusError as raised:
            assert raised.status_code in (503, 400, 429)  # noqa: PT017 - either end is right
        else:
            assert answer.choices[0].message.content == "Nine"

    assert recorder.leaked == [] or function.__qualname__ in PLUMBING
