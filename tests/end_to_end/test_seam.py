"""The whole seam: a call fails, is mended, is stored, and comes back from the API."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from dirty_equals import IsPartialDict
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from goldseam.cli import stack, weather
from goldseam.cli.client import LogApi
from goldseam.instrumentation import instrument, uninstrument
from goldseam.recovery import testing
from goldseam.recovery.config import load_config
from goldseam.recovery.testing import ScriptedProvider
from goldseam.semconv import attributes

PROGRAM = Path(__file__).parents[2] / "examples" / "ask.py"

CONFIG = """
[recovery]
mode = "on"
deadline_s = 8.0
fallback = ["ollama"]

[providers.openai]
base_url = "{primary}"
api_key_env = "OPENAI_API_KEY"

[providers.ollama]
base_url = "{backup}"
models = {{ "gpt-4o-mini" = "llama3.1" }}
"""

BIN = Path(sys.executable).parent


@pytest.fixture
def primary() -> Iterator[ScriptedProvider]:
    """The provider that the program asks."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def backup() -> Iterator[ScriptedProvider]:
    """The provider that steps in."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def config(tmp_path: Path, primary: ScriptedProvider, backup: ScriptedProvider) -> Path:
    """A configuration file with both providers."""
    path = tmp_path / "goldseam.toml"
    path.write_text(CONFIG.format(primary=primary.base_url, backup=backup.base_url))
    return path


@pytest.fixture
def program(
    config: Path, primary: ScriptedProvider
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program under a launcher and returns what it did."""

    def run(*launcher: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "OPENAI_BASE_URL": primary.base_url,
            "OPENAI_API_KEY": "test-key",
            "GOLDSEAM_CONFIG": str(config),
            **variables,
        }
        return subprocess.run(
            [*launcher, "python", PROGRAM],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        )

    return run


MENDED = IsPartialDict(
    status="success",
    recovery_outcome="recovered",
    recovery_strategy="fallback",
    first_error_code="SERVER_ERROR",
    provider_requested="openai",
    provider_used="ollama",
    model_requested="gpt-4o-mini",
    provider_model="llama3.1",
    retry_count=1,
    degraded=True,
    tenant_id="default",
)


class TestUnmodifiedProgram:
    """A program with no Goldseam in it, started from outside."""

    def test_goldseam_run_mends_stores_and_shows(
        self,
        running: stack.Stack,
        program: Callable[..., Any],
        primary: ScriptedProvider,
        backup: ScriptedProvider,
    ) -> None:
        """`goldseam run`: the failed call is answered, and the API tells how."""
        primary.script(testing.error(500))
        backup.script(testing.chat("nine"))

        done = program(BIN / "goldseam", "run", "--endpoint", running.otlp_url, "--")

        assert (done.returncode, done.stdout.strip()) == (0, "nine"), done.stderr
        api = LogApi(running.api_url)
        (row,) = api.get("/logs/recent")
        assert row == MENDED & IsPartialDict(service_name="ask", module="ask")
        (step,) = api.get(f"/logs/{row['id']}")["recovery"]
        assert step == IsPartialDict(
            strategy_name="fallback", step_number=1, was_successful=True, provider="ollama"
        )

    def test_opentelemetry_instrument_works_too(
        self,
        running: stack.Stack,
        program: Callable[..., Any],
        primary: ScriptedProvider,
        backup: ScriptedProvider,
    ) -> None:
        """OpenTelemetry's own launcher finds the instrumentation by its entry point."""
        primary.script(testing.error(500))
        backup.script(testing.chat("nine"))

        done = program(
            BIN / "opentelemetry-instrument",
            OTEL_EXPORTER_OTLP_ENDPOINT=running.otlp_url,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_SERVICE_NAME="shop",
        )

        assert (done.returncode, done.stdout.strip()) == (0, "nine"), done.stderr
        (row,) = LogApi(running.api_url).get("/logs/recent")
        assert row == MENDED & IsPartialDict(service_name="shop")

    @pytest.mark.parametrize("status", [400, 415, 503])
    def test_a_collector_that_refuses_does_not_touch_the_call(
        self, program: Callable[..., Any], primary: ScriptedProvider, status: int
    ) -> None:
        """Whatever the collector answers, the program gets its answer and ends well."""
        primary.script(testing.chat("nine"))
        with ScriptedProvider(respond=lambda _: testing.raw(status)) as refusing:
            endpoint = refusing.base_url.removesuffix("/v1")
            done = program(
                BIN / "goldseam", "run", "--endpoint", endpoint, "--",
                OTEL_EXPORTER_OTLP_TIMEOUT="1",
            )  # fmt: skip
            assert refusing.count >= 1
        assert (done.returncode, done.stdout.strip()) == (0, "nine")

    def test_a_collector_that_is_not_there_does_not_touch_the_call(
        self, program: Callable[..., Any], primary: ScriptedProvider
    ) -> None:
        """Without a collector the program gets its answer and ends well."""
        primary.script(testing.chat("nine"))
        done = program(
            BIN / "goldseam", "run", "--endpoint", "http://127.0.0.1:9", "--",
            OTEL_EXPORTER_OTLP_TIMEOUT="1",
        )  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (0, "nine")


@pytest.fixture
def spans(
    running: stack.Stack, config: Path, request: pytest.FixtureRequest
) -> Iterator[InMemorySpanExporter]:
    """Instruments this process, recovery on unless the test says otherwise.

    Spans go to the collector and to this exporter.
    """
    variables = {
        "GOLDSEAM_CONFIG": str(config),
        "GOLDSEAM_RECOVERY": getattr(request, "param", "on"),
    }
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "here"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    exporter = OTLPSpanExporter(endpoint=f"{running.otlp_url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(tracer_provider=provider, recovery=load_config(variables))
    yield memory
    uninstrument()
    provider.shutdown()


def attempts_in(spans: InMemorySpanExporter) -> int:
    """Count the requests to providers that the spans tell of.

    A call that succeeded at once has a request span only; one that recovery worked on has a span
    for each attempt.
    """
    kinds = [
        (span.context.trace_id, (span.attributes or {}).get(attributes.SPAN_TYPE))
        for span in spans.get_finished_spans()
        if span.context
    ]
    recovered = {trace for trace, kind in kinds if kind == "attempt"}
    explicit = sum(kind == "attempt" for _, kind in kinds)
    return explicit + sum(kind == "request" and trace not in recovered for trace, kind in kinds)


def test_attempts_are_the_same_everywhere(
    running: stack.Stack,
    primary: ScriptedProvider,
    backup: ScriptedProvider,
    spans: InMemorySpanExporter,
) -> None:
    """Requests that the providers counted = attempts in spans = attempts told by the tables."""
    primary.respond = weather.primary
    backup.respond = weather.backup
    calls = 45
    with openai.OpenAI(base_url=primary.base_url, api_key="test-key", timeout=0.5) as client:
        for number in range(calls):
            with contextlib.suppress(openai.BadRequestError):
                client.chat.completions.create(
                    model="gpt-4o-mini",
                    messages=[{"role": "user", "content": f"Question {number}: …"}],
                )
    seen = primary.count + backup.count
    told = LogApi(running.api_url).get("/logs/statistics")
    assert seen > calls
    assert attempts_in(spans) == seen
    assert (told["total_requests"], told["attempts"]) == (calls, seen)


@pytest.mark.parametrize("spans", ["off", "observe"], indirect=True)
@pytest.mark.usefixtures("spans")
def test_repeats_of_the_sdk_are_counted_too(
    running: stack.Stack, primary: ScriptedProvider
) -> None:
    """Without recovery the SDK repeats by itself, and the tables tell of every request."""
    soon = {"retry-after-ms": "1"}
    primary.script(
        testing.error(500, headers=soon), testing.error(503, headers=soon), testing.chat("nine")
    )
    with openai.OpenAI(base_url=primary.base_url, api_key="test-key") as client:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "four plus five?"}]
        )
    told = LogApi(running.api_url).get("/logs/statistics")
    assert primary.count == 3
    assert (told["attempts"], told["success_count"], told["first_try_success_rate"]) == (3, 1, 0.0)
