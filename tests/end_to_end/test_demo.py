"""`goldseam demo` tells the truth: its summary agrees with SQL on the tables."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goldseam.cli import demo_app
from goldseam.storage import engine
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.roles import Role

CALLS = 80
GOLDSEAM = str(Path(sys.executable).with_name("goldseam"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo keeps its PostgreSQL."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def summary(folder: Path) -> Any:
    """What a short demo printed."""
    return json.loads(demo(folder, "--calls", str(CALLS), "--json"))


def demo(folder: Path, *options: str) -> str:
    """Run the demo on free ports and return what it prints."""
    ports = ["--api-port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    done = subprocess.run(
        [GOLDSEAM, "demo", "--data-dir", str(folder), *ports, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tables(folder: Path, summary: Any) -> dict[str, Any]:
    """The same figures, counted by SQL after the demo has stopped."""
    with EmbeddedPostgres(folder) as server, engine.connect(server.url, Role.WRITER) as connection:
        row = connection.execute(
            """
            SELECT count(*),
                   count(*) FILTER (WHERE status = 'success'),
                   count(*) FILTER (WHERE first_error_code IS NOT NULL),
                   sum(1 + retry_count),
                   avg(processing_time_ms) FILTER (WHERE recovery_outcome = 'recovered'
                                                   AND first_error_code IS NOT NULL)
                     - avg(processing_time_ms) FILTER (WHERE first_error_code IS NULL
                                                     AND recovery_outcome <> 'recovered'),
                   count(*) FILTER (WHERE first_error_code IS NULL
                                      AND recovery_outcome = 'recovered'),
                   count(*) FILTER (WHERE 1 + retry_count
                                      NOT IN (coalesce(recovery_steps, 0),
                                              coalesce(recovery_steps, 0) + 1))
            FROM ai_request_logs
            """
        ).fetchone()
        assert row is not None
        mended = connection.execute(
            """
            SELECT recovery_strategy, count(*) FROM ai_request_logs
            WHERE recovery_outcome = 'recovered' GROUP BY 1
            """
        ).fetchall()
        lost = connection.execute(
            "SELECT error_code, count(*) FROM ai_request_logs WHERE status = 'error' GROUP BY 1"
        ).fetchall()
    names = (
        "calls",
        "answered",
        "failed_first_try",
        "attempts",
        "added_latency_ms",
        "spared",
        "strange",
    )
    counted: dict[str, Any] = {"mended": dict(mended), "lost": dict(lost)}
    return dict(zip(names, row, strict=True)) | counted


def test_every_number_agrees_with_sql(summary: Any, tables: dict[str, Any]) -> None:
    """Each figure of the summary is what a recount of the tables gives."""
    for name in ("calls", "answered", "failed_first_try", "spared", "lost", "attempts", "mended"):
        assert summary[name] == tables[name], name
    assert summary["added_latency_ms"] == pytest.approx(tables["added_latency_ms"], abs=0.1)


def test_every_call_arrived_and_every_attempt_is_accounted_for(
    summary: Any, tables: dict[str, Any]
) -> None:
    """The providers saw as many requests as the tables tell of; all but a call's first were steps.

    A call that spares a failing provider begins with a step.
    """
    assert summary["calls"] == CALLS
    assert summary["seen_by_providers"] == summary["attempts"]
    assert tables["strange"] == 0


def test_the_weather_was_bad_and_most_calls_were_mended(summary: Any) -> None:
    """There was something to mend, by more than one strategy, and something that was lost."""
    assert summary["failed_first_try"] + summary["spared"] > CALLS / 5
    assert summary["failed_first_try"] > CALLS / 20
    assert set(summary["mended"]) >= {"retry", "fallback"}
    assert 0 < sum(summary["lost"].values()) < CALLS / 10


def test_the_first_row_was_visible(summary: Any) -> None:
    """The summary says when the first row could be read through the API."""
    assert summary["first_row_s"] > 0


@pytest.mark.usefixtures("summary")
def test_runs_where_keys_exist(folder: Path) -> None:
    """On a server that asks for keys the demo works, leaves no key of its own, and says so."""
    with EmbeddedPostgres(folder) as server:
        url = ("--database-url", server.url)
        key = run("keys", "create", "--scope", "admin", *url)
    told = demo(folder, "--calls", "5")
    assert "export GOLDSEAM_API_KEY" in told
    assert 'curl -H "Authorization: Bearer $GOLDSEAM_API_KEY"' in told
    with EmbeddedPostgres(folder) as server:
        kept = json.loads(run("keys", "list", "--json", "--database-url", server.url))
    in_force = [each["key_id"] for each in kept if each["revoked_at"] is None]
    assert in_force == [key.split("_")[2]]


def run(*arguments: str) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run([GOLDSEAM, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def test_the_application_part_imports_no_goldseam() -> None:
    """The program that the demo runs is an ordinary one."""
    tree = ast.parse(Path(demo_app.__file__).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [])
        + [alias.name for alias in node.names]
        if name
    }
    assert "openai" in imported
    assert not [name for name in imported if "goldseam" in name or "opentelemetry" in name]
