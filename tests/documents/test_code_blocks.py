"""What the pages show works: every code block is run, parsed or asked.

Python blocks run against a scripted provider on loopback and an embedded PostgreSQL; a comment
behind a `print(…)` is what it prints. SQL runs on a migrated database with a failed and a mended
call in it, command lines are judged by `commands`, TOML by the program that reads it.
"""

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from goldseam.cli import stack
from goldseam.recovery.config import parse_config
from goldseam.recovery.testing import ScriptedProvider
from goldseam.semconv import log_id
from goldseam.storage import (
    Batch,
    PatternRecord,
    RecoveryRecord,
    RequestRecord,
    Role,
    engine,
    keys,
    pattern_counters,
    writes,
)
from goldseam.storage.roles import ALL_TENANTS

from .commands import Shell, environment, lines
from .pages import ROOT, Block, by_page, paths

NOT_RUN: Final = {
    ("storage/README.md", "import asyncio"): "tests/storage/test_storage_readme.py runs it",
    ("recovery/README.md", "import time"): "tests/recovery/test_recovery_readme.py runs it",
    ("collector/README.md", "import uvicorn"): "it serves until it is stopped",
    ("collector/README.md", "from opentelemetry.sdk.trace.export import BatchSpanProcessor"): (
        "a fragment: the tracer provider is the reader's; the same lines run in docs/"
    ),
    ("docs/guides/langchain.md", "from goldseam.instrumentation import context, instrument"): (
        "not in the development environment; tests/peers runs such calls in one of its own"
    ),
    ("docs/guides/litellm.md", "import litellm"): (
        "not in the development environment; tests/peers runs such calls in one of its own"
    ),
}
"""Blocks that are only compiled, with the reason."""

PLAIN: Final = frozenset({"", "text"})
"""Diagrams and output."""

LANGUAGES: Final = frozenset(
    {"console", "sh", "python", "toml", "yaml", "json", "sql", "crontab"} | PLAIN
)

CONFIG: Final = """
[recovery]
mode = "on"
backoff_caps_s = [0.01]

[providers.ollama]
base_url = "{ollama}"

[providers.openai]
base_url = "{openai}"
"""

MAKES_TABLES: Final = "docs/migration-ai-logging.md"
"""The page whose Python begins with a database without tables."""


def each(*languages: str) -> Callable[..., Callable[..., None]]:
    """Parametrise a test with the pages that have blocks in `languages`."""
    found = by_page(*languages)
    return pytest.mark.parametrize("blocks", found.values(), ids=list(found))


Runner = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Start `run_blocks` and give a function that runs the blocks of a page there."""
    command = [sys.executable, str(Path(__file__).with_name("run_blocks.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        to, back = process.stdin, process.stdout
        assert to is not None
        assert back is not None

        def run(**order: Any) -> dict[str, Any]:
            to.write(json.dumps(order) + "\n")
            to.flush()
            answer: dict[str, Any] = json.loads(back.readline())
            return answer

        yield run
        to.close()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a reader whose providers always answer."""
    path = tmp_path / "goldseam.toml"
    with ScriptedProvider() as ollama, ScriptedProvider() as openai:
        path.write_text(CONFIG.format(ollama=ollama.base_url, openai=openai.base_url))
        yield {
            "GOLDSEAM_CONFIG": str(path),
            "OPENAI_API_KEY": "test",
            "OPENAI_BASE_URL": openai.base_url,
        }


@pytest.fixture
def calls(database: str) -> dict[str, str]:
    """Store a failed and a mended call; return what commands call by variables."""
    now = datetime.now(UTC)
    failed, mended = (_request(now - timedelta(seconds=n), n) for n in (1, 2))
    step = RecoveryRecord(
        tenant_id="acme",
        created_at=mended.created_at,
        id=log_id(1, 2, 3),
        request_log_id=mended.id,
        trace_id=mended.trace_id,
        strategy_name="retry",
        step_number=1,
        action_taken="wait 0.5s, resend",
        was_successful=True,
        recovery_time_ms=550.0,
    )
    pattern = PatternRecord(
        tenant_id="acme",
        error_pattern=str(failed.error_pattern),
        error_code="TIMEOUT",
        error_message_pattern="Request timed out.",
        provider="openai",
        normaliser_version=1,
        probable_cause="slow",
        suggested_action="wait",
    )
    batch = Batch([failed, mended], [step], {("acme", pattern.error_pattern): pattern})
    with engine.connect(database, Role.WRITER) as connection:
        writes.write(connection, batch, now)
    return {
        "ID": str(failed.id),
        "TRACE_ID": failed.trace_id,
        "PATTERN_ID": pattern_counters.pattern_id("acme", pattern.error_pattern),
        "GOLDSEAM_API_KEY": asyncio.run(_key(database)),
    }


async def _key(database: str) -> str:
    api = engine.async_engine(database, Role.API, pool_size=1)
    async with engine.tenant_transaction(api, ALL_TENANTS) as connection:
        text = await keys.create(
            connection,
            tenant=ALL_TENANTS,
            scopes=[keys.Scope.ADMIN],
            created_by="test",
            now=datetime.now(UTC),
        )
    await api.dispose()
    return text


def _request(at: datetime, number: int) -> RequestRecord:
    row_id = log_id(int(at.timestamp() * 1e9), number, number)
    is_failed = number == 1
    return RequestRecord(
        tenant_id="acme",
        created_at=at,
        id=row_id,
        request_id=str(row_id),
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        module="copilot",
        user_id="ada",
        provider_requested="openai",
        provider_used="openai",
        status="error" if is_failed else "success",
        error_code="TIMEOUT" if is_failed else None,
        error_message="Request timed out." if is_failed else None,
        first_error_code="TIMEOUT",
        error_pattern="TIMEOUT:openai:Request timed out.",
        recovery_outcome="exhausted" if is_failed else "recovered",
        processing_time_ms=900.0,
        tokens_used=30,
    )


def test_every_block_names_a_language_that_is_tried() -> None:
    """A block in a language that no test here knows would be shown untried."""
    every = by_page(*LANGUAGES, "bash", "shell", "dockerfile", "ini", "jsonc", "js", "go")
    unknown = {
        (each.page, each.line, each.language)
        for blocks in every.values()
        for each in blocks
        if each.language not in LANGUAGES
    }

    assert unknown == set()


def test_what_is_not_run_is_still_there() -> None:
    """A block that is gone needs no excuse."""
    there = {(each.page, each.first_line) for found in by_page("python").values() for each in found}

    assert set(NOT_RUN) - there == set()


@each("python")
def test_python_blocks_run(
    blocks: list[Block],
    runner: Runner,
    settings: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """They run in order, and print what their comments say."""
    run = []
    for block in blocks:
        if (block.page, block.first_line) in NOT_RUN:
            compile(block.text, block.page, "exec")
        else:
            run.append(block)
    if not run:
        return
    has_tables = blocks[0].page != MAKES_TABLES
    database = request.getfixturevalue("database" if has_tables else "empty_database")
    answer = runner(
        blocks=[(block.page, block.line, block.text) for block in run],
        env=environment(GOLDSEAM_DATABASE_URL=database, **settings),
        folder=str(tmp_path),
    )

    assert answer["code"] == 0, answer["err"]
    promised = [
        line.split(")  # ")[-1]
        for block in run
        for line in block.text.splitlines()
        if line.lstrip().startswith("print(") and ")  # " in line
    ]
    assert [line for line in promised if line not in answer["out"].splitlines()] == [], answer


@each("console", "sh")
def test_commands_are_right(
    blocks: list[Block],
    database: str,
    calls: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Programs, options, targets and endpoints exist, and what is cheap to run succeeds."""
    monkeypatch.setenv("GOLDSEAM_DATABASE_URL", database)
    monkeypatch.setenv("COLUMNS", "200")
    commands = [words for block in blocks for words in lines(block.text)]
    if not any(words[0] == "curl" for words in commands):
        shell = Shell(None, calls)
        for words in commands:
            shell.judge(words)
        return
    options = stack.Options(
        data_dir=tmp_path, database_url=database, api_port=0, otlp_http_port=0, otlp_grpc_port=0
    )
    with stack.running(options, lambda _: None) as running:
        shell = Shell(running, calls)
        for words in commands:
            shell.judge(words)


@each("crontab")
def test_cron_lines_are_right(
    blocks: list[Block], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five fields, then a command that exists."""
    monkeypatch.setenv("GOLDSEAM_DATABASE_URL", database)
    for block in blocks:
        for line in block.text.splitlines():
            if line and not line.startswith("#") and "=" not in line.split()[0]:
                Shell(None, {}).judge(line.split()[5:])


@each("sql")
def test_sql_blocks_run(blocks: list[Block], database: str, calls: dict[str, str]) -> None:
    """Questions run as `grafana_ro` over `reporting`, all else as the login that migrates."""
    for block in blocks:
        is_question = block.text.lstrip().lower().startswith(("select", "with"))
        opened = (
            engine.connect(database, Role.GRAFANA) if is_question else psycopg.connect(database)
        )
        with opened as connection:
            if is_question:
                connection.execute("SET search_path = reporting")
            try:
                connection.execute(block.text.encode())
            except psycopg.Error as error:
                pytest.fail(f"{block.page}:{block.line}: {error}")
            connection.rollback()


@each("toml")
def test_toml_blocks_are_accepted(blocks: list[Block]) -> None:
    """Every option is known to the program that reads the file."""
    for block in blocks:
        parse_config(tomllib.loads(block.text), source=f"{block.page}:{block.line}")


@each("yaml")
def test_yaml_blocks_parse(blocks: list[Block]) -> None:
    """They are mappings, as every file of that kind here is."""
    for block in blocks:
        assert all(isinstance(each, dict) for each in yaml.safe_load_all(block.text)), block


@each("json")
def test_json_blocks_parse(blocks: list[Block]) -> None:
    """They are JSON."""
    for block in blocks:
        json.loads(block.text)


def test_links_lead_somewhere() -> None:
    """A link to a file of this tree names one that exists."""
    broken = [
        (page.relative_to(ROOT).as_posix(), target)
        for page in paths()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []
