"""The example programs run as their first lines say, and their calls become rows."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml
from psycopg.rows import dict_row

from goldseam.cli import stack
from goldseam.cli.app import app
from goldseam.recovery.testing import ScriptedProvider, chat, error
from goldseam.storage.engine import connect
from goldseam.storage.roles import Role

EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE_S = 60.0

Run = Callable[..., str]


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """Answers the programs' calls."""
    with ScriptedProvider(default=chat("Nine")) as started:
        yield started


@pytest.fixture
def run(provider: ScriptedProvider, tmp_path: Path) -> Run:
    """Run a program with the scripted provider's address and return what it prints."""

    def program(*command: str, text: str = "", **settings: str) -> str:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GOLDSEAM_", "OTEL_"))}
        addresses = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "test"}
        done = subprocess.run(
            command,
            env=kept | addresses | settings,
            cwd=tmp_path,
            input=text,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return program


def rows(database: str, wanted: int) -> list[dict[str, Any]]:
    """Wait for so many rows and return them, oldest first."""
    until = time.monotonic() + DEADLINE_S
    with connect(database, Role.GRAFANA) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        while True:
            found = cursor.execute(
                "SELECT * FROM reporting.ai_request_logs ORDER BY created_at"
            ).fetchall()
            connection.commit()
            if len(found) >= wanted or time.monotonic() > until:
                return found
            psycopg.connect(database).close()  # a pause that is no sleep


@pytest.fixture
def running(database: str, tmp_path: Path) -> Iterator[stack.Stack]:
    """A collector over `database`."""
    options = stack.Options(
        data_dir=tmp_path, database_url=database, api_port=0, otlp_http_port=0, otlp_grpc_port=0
    )
    with stack.running(options, lambda _: None) as started:
        yield started


def launched(running: stack.Stack, *command: str) -> list[str]:
    """Return the command that starts a Python program under `goldseam run`."""
    goldseam = str(Path(sys.executable).with_name("goldseam"))
    endpoint = ("--endpoint", running.otlp_url, "--recovery", "on")
    return [goldseam, "run", *endpoint, "--", sys.executable, *command]


def test_batch_loses_none(
    run: Run, running: stack.Stack, provider: ScriptedProvider, database: str
) -> None:
    """Each line has its answer, in order, although the first request fails."""
    provider.script(error(503))
    said = run(*launched(running, str(EXAMPLES / "batch.py")), text="one\ntwo\nthree\n")

    assert said == "Nine\nNine\nNine\n"
    found = rows(database, 3)
    assert {row["module"] for row in found} == {"batch"}
    assert sorted(row["recovery_outcome"] for row in found) == [
        "not_needed",
        "not_needed",
        "recovered",
    ]


def test_streaming_chat_prints_words(run: Run, provider: ScriptedProvider) -> None:
    """Two questions, two answers, and the second request knows the first answer."""
    said = run(sys.executable, str(EXAMPLES / "streaming_chat.py"), text="four?\nfive?\n\n")

    assert said == "Nine\nNine\n"
    assert "Nine" in str(provider.requests[-1].json["messages"])


def test_application_is_its_own_collector(run: Run, database: str) -> None:
    """The row is there when the program has ended."""
    assert run(sys.executable, str(EXAMPLES / "own_collector.py"), database) == "Nine\n"

    (row,) = rows(database, 1)
    assert (row["tenant_id"], row["module"], row["status"]) == ("acme", "examples", "success")


def test_span_by_hand_is_a_row(run: Run, running: stack.Stack, database: str) -> None:
    """The least that another language sends makes a row with tokens and a cost."""
    said = run(
        sys.executable,
        str(EXAMPLES / "otlp_by_hand.py"),
        OTEL_EXPORTER_OTLP_ENDPOINT=running.otlp_url,
    )

    (row,) = rows(database, 1)
    assert said == f"200 {row['trace_id']}\n"
    assert (row["tenant_id"], row["tokens_used"], row["provider_model"]) == (
        "acme",
        15,
        "gpt-4o-mini-2024-07-18",
    )
    assert row["cost_usd"] > 0


TENANTS = """
from fastapi.testclient import TestClient
from goldseam.collector.exporter import PostgresSpanExporter
from goldseam.instrumentation import instrument
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(PostgresSpanExporter({database!r})))
instrument(tracer_provider=provider)
import fastapi_tenants
with TestClient(fastapi_tenants.app) as http:
    for tenant in ("acme", "globex"):
        print(http.get("/ask", params={{"question": "?"}}, headers={{"X-Tenant": tenant}}).json())
provider.shutdown()
"""


def test_calls_of_an_application_carry_their_tenant(run: Run, database: str) -> None:
    """Two requests of two tenants are rows of two tenants."""
    said = run(sys.executable, "-c", TENANTS.format(database=database), PYTHONPATH=str(EXAMPLES))

    assert said == "{'answer': 'Nine'}\n" * 2
    found = rows(database, 2)
    assert [(row["tenant_id"], row["task"], row["user_feedback"]) for row in found] == [
        ("acme", "answer", "delivered"),
        ("globex", "answer", "delivered"),
    ]


def test_every_example_is_listed() -> None:
    """The README has a line for each file."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\]\(([\w.]+)(?:/README.md)?\)", text))

    assert {path.name for path in EXAMPLES.iterdir()} - {"README.md", "__pycache__"} == listed


def test_kubernetes_folder_is_whole() -> None:
    """It lists every manifest; containers run commands that exist, without capabilities."""
    folder = EXAMPLES / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml", "README.md"} == {path.name for path in folder.iterdir()}

    every = [each for name in listed for each in yaml.safe_load_all((folder / name).read_text())]
    pods = [
        each["spec"]["template"]["spec"] for each in every if "template" in each.get("spec", {})
    ]
    containers = [container for pod in pods for container in pod["containers"]]
    assert sorted(each["args"][1] for each in containers) == ["api", "collector", "db"]
    for container in containers:
        command = typer.main.get_command(app)
        for word in container["args"][1:]:
            if hasattr(command, "commands"):
                command = command.commands[word]
        options = {option for each in command.params for option in each.opts}
        assert {word for word in container["args"] if word.startswith("--")} <= options
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
