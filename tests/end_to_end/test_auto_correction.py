"""The loop of an automatic correction, with the real openai SDK and nobody restarting anything.

An error becomes a pattern, somebody switches a correction on, applications apply it, its effect is
measured, and when it stops working it is off again.
"""

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from dirty_equals import IsPartialDict
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from goldseam.api.evidence import BAD_OUTCOMES
from goldseam.cli import stack
from goldseam.cli.client import LogApi
from goldseam.instrumentation import instrument, uninstrument
from goldseam.recovery import testing
from goldseam.recovery.config import load_config
from goldseam.recovery.testing import ScriptedProvider

CONFIG: Final = """
[recovery]
mode = "on"
deadline_s = 8.0
fallback = ["ollama"]

[playbook]
url = "{api}/api/v1/ai/recovery/playbook"
interval_s = 0.05

[providers.openai]
base_url = "{primary}"
api_key_env = "OPENAI_API_KEY"

[providers.ollama]
base_url = "{backup}"
models = {{ "gpt-4o-mini" = "llama3.1" }}
"""

RETIRED: Final = "Unsupported value: this parameter is retired"
TRIES: Final = 400
"""Polls come twenty times a second; this is many times what a busy machine needs."""


@pytest.fixture
def primary() -> Iterator[ScriptedProvider]:
    """A provider that refuses every request, in a way that is not worth a retry."""
    with ScriptedProvider() as provider:
        provider.default = testing.error(400, message=RETIRED)
        yield provider


@pytest.fixture
def backup() -> Iterator[ScriptedProvider]:
    """A provider that would have answered."""
    with ScriptedProvider() as provider:
        provider.default = testing.chat("nine")
        yield provider


@pytest.fixture
def application(
    running: stack.Stack, primary: ScriptedProvider, backup: ScriptedProvider, tmp_path: Path
) -> Iterator[openai.OpenAI]:
    """An instrumented application that polls the API's playbook."""
    path = tmp_path / "goldseam.toml"
    path.write_text(
        CONFIG.format(api=running.api_url, primary=primary.base_url, backup=backup.base_url)
    )
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{running.otlp_url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(tracer_provider=provider, recovery=load_config({"GOLDSEAM_CONFIG": str(path)}))
    with openai.OpenAI(base_url=primary.base_url, api_key="test-key") as client:
        yield client
    uninstrument()
    provider.shutdown()


def test_loop(
    running: stack.Stack,
    application: openai.OpenAI,
    backup: ScriptedProvider,
) -> None:
    """Failing → pattern → PATCH → playbook → mended calls → measured effect → off by itself."""
    api = LogApi(running.api_url)
    assert answer_of(application) is None
    (pattern,) = api.get("/logs/errors/top")
    assert (pattern["error_code"], backup.count) == ("INVALID_REQUEST", 0)

    switch_on(running, pattern["pattern_id"])
    assert until(lambda: answer_of(application) == "nine")
    (row,) = api.get("/logs/recent", recovered="true", limit=1)
    effect = api.get(f"/errors/{pattern['pattern_id']}")["effect"]
    assert row == IsPartialDict(
        recovery_strategy="fallback", provider_used="ollama", correction_id=effect["correction_id"]
    )
    assert effect == IsPartialDict(applied=1, successes=1)

    backup.default = testing.error(400, message=RETIRED)
    for _ in range(BAD_OUTCOMES):
        assert answer_of(application) is None
    assert until(lambda: not api.get("/recovery/playbook")["corrections"])
    after = api.get(f"/errors/{pattern['pattern_id']}")
    assert after == IsPartialDict(auto_correction_enabled=False, correction_changed_by="guard")
    assert after["effect"]["applied"] - after["effect"]["successes"] >= BAD_OUTCOMES

    def backup_is_left_alone() -> bool:
        before = backup.count
        answer_of(application)
        return backup.count == before

    assert until(backup_is_left_alone)


def answer_of(application: openai.OpenAI) -> str | None:
    """Ask, and return the answer; None where the call failed."""
    try:
        answer = application.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "four plus five?"}]
        )
    except openai.BadRequestError:
        return None
    return answer.choices[0].message.content


def switch_on(running: stack.Stack, pattern_id: str) -> None:
    """Switch a fallback on, by override: nothing has been tried against this pattern yet.

    It promises nothing, so that the application's own guard leaves the decision to the server.
    """
    config: dict[str, Any] = {"strategy": "fallback", "provider": "ollama", "expected_success": 0}
    patch = {
        "auto_correction_enabled": True,
        "correction_config": config,
        "override": True,
        "reason": "the provider has retired a parameter",
    }
    request = urllib.request.Request(
        f"{running.api_url}/api/v1/ai/errors/{pattern_id}",
        json.dumps(patch).encode(),
        {"Content-Type": "application/json"},
        method="PATCH",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def until(condition: Any) -> bool:
    """Ask again until `condition` holds; polls of the application come in between."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.02) for _ in range(TRIES))
