"""`AIService` as its users write it: a real SDK, scripted providers, real PostgreSQL."""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from dirty_equals import IsPartialDict
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from psycopg.rows import dict_row
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from goldseam.instrumentation import instrument, uninstrument
from goldseam.instrumentation.service import AIService, AITask, Mending
from goldseam.recovery import testing
from goldseam.recovery.testing import ScriptedProvider
from goldseam.storage.errors import StorageError

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).parents[2] / "examples" / "service.py"

CONFIG = """
[recovery]
backoff_caps_s = [0.01]

[providers.ollama]
base_url = "{ollama}"

[providers.openai]
base_url = "{openai}"
"""

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ollama() -> Iterator[ScriptedProvider]:
    """The provider that is asked first in development."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def openai() -> Iterator[ScriptedProvider]:
    """The provider that steps in."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
async def settings(
    ollama: ScriptedProvider,
    openai: ScriptedProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[None]:
    """Settings of a developer's machine; connections are closed after the test."""
    path = tmp_path / "goldseam.toml"
    path.write_text(CONFIG.format(ollama=ollama.base_url, openai=openai.base_url))
    monkeypatch.setenv("GOLDSEAM_CONFIG", str(path))
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.delenv("GOLDSEAM_RECOVERY", raising=False)
    yield
    await AIService.aclose()


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    """A session of the application."""
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def rows(database: str) -> Rows:
    """Read a table as the collector's role does."""

    def read(table: str = "ai_request_logs") -> list[dict[str, Any]]:
        options = "-c role=goldseam_writer"
        with psycopg.connect(database, options=options, row_factory=dict_row) as connection:
            query = f"SELECT * FROM {table} ORDER BY created_at"  # noqa: S608 - a name of ours
            return connection.execute(query.encode()).fetchall()

    return read


class TestUsage:
    """The documented examples, as they are written there."""

    async def test_without_a_database(self, ollama: ScriptedProvider, rows: Rows) -> None:
        """Old code goes on as before: it is answered, not stored and not mended."""
        ollama.script(testing.chat("fine"), testing.error(500))

        response = await AIService.query(task=AITask.ANALYSIS, prompt="...")
        failed = await AIService.query(task=AITask.ANALYSIS, prompt="...")

        assert (response.content, response.is_error, response.provider) == ("fine", False, "ollama")
        assert (response.trace_id, response.recovery) == (None, None)
        assert (failed.is_error, failed.content, ollama.count) == (True, "", 2)
        assert rows() == []

    async def test_with_logging(
        self, session: Session, ollama: ScriptedProvider, rows: Rows
    ) -> None:
        """A session is enough for everything to be stored."""
        ollama.script(testing.chat("fine"))
        tenant_id = "acme"

        response = await AIService.query(
            task=AITask.ANALYSIS,
            prompt="...",
            db=session,
            module="copilot",
            tenant_id=tenant_id,
        )

        (row,) = rows()
        assert row == IsPartialDict(
            status="success", task="analysis", module="copilot", tenant_id="acme",
            provider_used="ollama", model_requested="llama3.2", prompt_length=3,
            trace_id=response.trace_id, tokens_used=response.tokens_used,
        )  # fmt: skip

    async def test_with_full_control(
        self,
        session: Session,
        ollama: ScriptedProvider,
        openai: ScriptedProvider,
        rows: Rows,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A failed call is mended by the other provider, and every step is stored."""
        ollama.script(testing.error(503))
        openai.script(testing.chat("invoice"))
        user = SimpleNamespace(id=7)

        response = await AIService.query(
            task=AITask.CLASSIFICATION,
            prompt="...",
            db=session,
            module="imports",
            user_id=user.id,
            enable_recovery=True,
            max_tokens=500,
        )

        if response.is_error:
            print(f"Error final: {response.error}")  # noqa: T201 - as it is documented
        else:
            print(f"Éxito: {response.content}")  # noqa: T201 - as above

        assert capsys.readouterr().out == "Éxito: invoice\n"
        assert (response.content, response.provider) == ("invoice", "openai")
        assert response.recovery == Mending(
            outcome="recovered", strategy="fallback", steps=1, degraded=True
        )
        assert openai.requests[0].json == IsPartialDict(max_tokens=500, model="gpt-4o-mini")
        (row,) = rows()
        assert row == IsPartialDict(
            status="success", user_id="7", recovery_outcome="recovered",
            first_error_code="OVERLOADED", provider_requested="ollama", provider_used="openai",
        )  # fmt: skip
        (step,) = rows("ai_error_recovery")
        assert step == IsPartialDict(
            strategy_name="fallback", was_successful=True, request_log_id=row["id"]
        )
        (pattern,) = rows("ai_error_analysis")
        assert pattern == IsPartialDict(error_code="OVERLOADED", occurrence_count=1)

    async def test_classify_document(
        self, session: Session, ollama: ScriptedProvider, rows: Rows
    ) -> None:
        """The type and how sure the model is are read from the answer, fences and all."""
        ollama.script(testing.chat('```json\n{"type": "Invoice", "confidence": 0.93}\n```'))

        result = await AIService.classify_document(
            document_content="FACTURA...",
            expected_types=["invoice", "order"],
            db=session,
        )

        assert (result.kind, result.confidence) == ("invoice", 0.93)
        (row,) = rows()
        assert row == IsPartialDict(task="classification", confidence_score=0.93)
        told = ollama.requests[0].json["messages"]
        assert '["invoice", "order"]' in told[0]["content"]
        assert told[1] == {"role": "user", "content": "FACTURA..."}

    async def test_analyze_incident(
        self, session: Session, ollama: ScriptedProvider, rows: Rows
    ) -> None:
        """The analysis comes as data."""
        ollama.script(testing.chat('{"severity": "high", "confidence": 0.5}'))

        analysis = await AIService.analyze_incident(
            incident_type="error",
            description="...",
            db=session,
        )

        assert analysis.data["severity"] == "high"
        (row,) = rows()
        assert row == IsPartialDict(task="analysis", confidence_score=0.5)


async def test_calls_at_once_are_kept_apart(
    database: str, ollama: ScriptedProvider, rows: Rows
) -> None:
    """Each of many calls at the same time is stored once, under its own tenant and trace."""
    tenants = [f"tenant-{number}" for number in range(20)]
    ollama.script(testing.error(500), testing.error(503))
    responses = await asyncio.gather(
        *(
            AIService.query(task=AITask.ANALYSIS, prompt="…", db=database, tenant_id=tenant)
            for tenant in tenants
        )
    )
    stored = {row["tenant_id"]: row["trace_id"] for row in rows()}
    assert stored == dict(zip(tenants, [each.trace_id for each in responses], strict=True))
    assert len(rows("ai_error_recovery")) == 2


@pytest.mark.parametrize(
    "content",
    ["no JSON", "{", '{"type": "letter", "confidence": 7}', '{"type": null}', "[1]"],
)
async def test_an_answer_that_says_nothing_is_no_error(
    content: str, ollama: ScriptedProvider
) -> None:
    """A model may answer anything: the words are there, what cannot be read is None."""
    ollama.script(testing.chat(content))
    result = await AIService.classify_document(document_content="…", expected_types=["invoice"])
    assert (result.content, result.is_error) == (content, False)
    assert (result.kind, result.confidence) == (None, None)


class TestRecovery:
    """Who decides whether a stored call is mended."""

    @pytest.mark.parametrize("said", ["off", "observe"])
    async def test_a_stored_call_is_mended_whatever_the_process_says(
        self,
        said: str,
        database: str,
        ollama: ScriptedProvider,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """`db=` asks for recovery by itself."""
        monkeypatch.setenv("GOLDSEAM_RECOVERY", said)
        ollama.script(testing.error(500))
        response = await AIService.query(task="summary", prompt="…", db=database)
        assert (response.is_error, response.provider) == (False, "openai")

    async def test_recovery_can_be_switched_off(
        self, database: str, ollama: ScriptedProvider, openai: ScriptedProvider, rows: Rows
    ) -> None:
        """One request goes out, and the error is returned and stored."""
        ollama.script(testing.error(500))
        response = await AIService.query(
            task=AITask.ANALYSIS, prompt="…", db=database, enable_recovery=False
        )
        assert response.is_error
        assert "500" in str(response.error)
        assert response.recovery == Mending(outcome="skipped")
        assert (ollama.count, openai.count) == (1, 0)
        assert rows()[0] == IsPartialDict(status="error", error_code="SERVER_ERROR")

    async def test_an_error_is_returned_when_everything_failed(
        self, database: str, ollama: ScriptedProvider, openai: ScriptedProvider, rows: Rows
    ) -> None:
        """The provider's trouble is a response, not an exception."""
        ollama.default = openai.default = testing.error(500)
        response = await AIService.query(task=AITask.ANALYSIS, prompt="…", db=database)
        assert response.is_error
        assert response.recovery is not None
        assert response.recovery.outcome == "failed"
        (row,) = rows()
        assert row["retry_count"] == ollama.count + openai.count - 1

    async def test_production_asks_ovhcloud_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """`GOLDSEAM_ENVIRONMENT` chooses the providers."""
        from goldseam.instrumentation._service_call import (  # noqa: PLC0415 - only here
            first_provider,
            watching,
        )

        monkeypatch.setenv("GOLDSEAM_ENVIRONMENT", "production")
        monkeypatch.setenv("OVH_AI_ENDPOINTS_ACCESS_TOKEN", "token")
        config = watching(is_stored=False, enable_recovery=True).config
        assert first_provider(config)[0].name == "ovhcloud"
        assert config.policy.fallback == ("ovhcloud", "openai")


class TestDatabases:
    """What `db=` takes, and what happens when it fails."""

    @pytest.mark.parametrize("kind", ["session", "engine", "connection", "url"])
    async def test_synchronous(
        self, kind: str, session: Session, database: str, rows: Rows
    ) -> None:
        """A session, an engine, a connection and a URL all lead to the same tables."""
        db = {
            "session": session,
            "engine": session.get_bind(),
            "connection": session.connection(),
            "url": database,
        }[kind]
        await AIService.query(task=AITask.ANALYSIS, prompt="…", db=db)
        assert [row["status"] for row in rows()] == ["success"]

    @pytest.mark.parametrize("kind", ["session", "engine"])
    async def test_asynchronous(self, kind: str, database: str, rows: Rows) -> None:
        """The asynchronous ones too."""
        engine = create_async_engine(database.replace("postgresql://", "postgresql+psycopg://"))
        async with AsyncSession(engine) as session:
            db = session if kind == "session" else engine
            await AIService.query(task=AITask.ANALYSIS, prompt="…", db=db)
        await engine.dispose()
        assert [row["status"] for row in rows()] == ["success"]

    async def test_a_rollback_of_the_application_loses_nothing(
        self, session: Session, rows: Rows
    ) -> None:
        """The row is stored whatever becomes of the application's own transaction."""
        session.connection()
        await AIService.query(task=AITask.ANALYSIS, prompt="…", db=session)
        session.rollback()
        assert len(rows()) == 1

    async def test_an_absent_database_costs_no_answer(
        self, ollama: ScriptedProvider, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The responses come, one line of the log says what waits, and one what was lost."""
        ollama.script(testing.chat("one"), testing.chat("two"))
        url = "postgresql://someone:hunter2@127.0.0.1:1/goldseam"
        with caplog.at_level(logging.WARNING):
            answers = [
                await AIService.query(task=AITask.ANALYSIS, prompt="…", db=url) for _ in range(2)
            ]
            await AIService.aclose()
        assert [answer.content for answer in answers] == ["one", "two"]
        waiting, lost = [record.getMessage() for record in caplog.records]
        assert "wait for the database" in waiting
        assert "some are lost" in lost
        assert "127.0.0.1:1" in waiting
        assert "hunter2" not in waiting + lost

    @pytest.mark.parametrize(
        ("db", "error"),
        [(42, TypeError), ("sqlite://", StorageError), ("what?", StorageError)],
    )
    async def test_what_is_no_database_is_refused(
        self, db: object, error: type[Exception], ollama: ScriptedProvider
    ) -> None:
        """A wrong `db=` raises before anybody is asked."""
        with pytest.raises(error, match="db="):
            await AIService.query(task=AITask.ANALYSIS, prompt="…", db=db)
        assert ollama.count == 0

    async def test_a_cancelled_call_is_stored(
        self, database: str, ollama: ScriptedProvider, rows: Rows
    ) -> None:
        """Who gives up gets the cancellation at once, and the row says so."""
        ollama.script(testing.hang())
        asking = asyncio.create_task(AIService.query(task=AITask.ANALYSIS, prompt="…", db=database))
        await asyncio.to_thread(ollama.wait_for_requests, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await AIService.aclose()
        assert [row["status"] for row in rows()] == ["cancelled"]


class TestInstrumentedProcess:
    """`AIService` where everything is watched anyway."""

    @pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "not sampled"])
    async def test_a_stored_call_is_one_span_and_one_row(
        self, sampler: Any, database: str, rows: Rows
    ) -> None:
        """The same span goes to the application's pipeline, if it is sampled, and to the table."""
        memory = InMemorySpanExporter()
        tracers = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(memory))
        instrument(tracer_provider=tracers)
        try:
            response = await AIService.query(task=AITask.ANALYSIS, prompt="…", db=database)
        finally:
            uninstrument()
        (row,) = rows()
        assert row["trace_id"] == response.trace_id
        exported = [f"{s.context.span_id:016x}" for s in memory.get_finished_spans() if s.context]
        assert exported == ([row["span_id"]] if sampler is ALWAYS_ON else [])

    async def test_without_a_database_the_process_decides(
        self, ollama: ScriptedProvider, openai: ScriptedProvider, rows: Rows
    ) -> None:
        """An instrumented process with recovery on mends, unless the call says no."""
        memory = InMemorySpanExporter()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(memory))
        ollama.default = testing.error(500)
        instrument(tracer_provider=tracers, recovery="on")
        try:
            mended = await AIService.query(task=AITask.ANALYSIS, prompt="…")
            lost = await AIService.query(task=AITask.ANALYSIS, prompt="…", enable_recovery=False)
        finally:
            uninstrument()
        assert (mended.is_error, lost.is_error) == (False, True)
        assert (ollama.count, openai.count) == (2, 1)
        requests = [
            s for s in memory.get_finished_spans()
            if (s.attributes or {}).get("goldseam.span.type") == "request"
        ]  # fmt: skip
        assert len(requests) == 2
        assert rows() == []


async def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any provider that is ready, the error names the variables of the keys."""
    path = tmp_path / "production.toml"
    path.write_text('[recovery]\npreset = "production"\n')
    monkeypatch.setenv("GOLDSEAM_CONFIG", str(path))
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OVH_AI_ENDPOINTS_ACCESS_TOKEN", raising=False)
    with pytest.raises(ValueError, match=r"OVH_AI_ENDPOINTS_ACCESS_TOKEN, OPENAI_API_KEY"):
        await AIService.query(task=AITask.ANALYSIS, prompt="…")


async def test_the_example_runs(database: str, ollama: ScriptedProvider, rows: Rows) -> None:
    """`examples/service.py` answers and stores."""
    ollama.script(testing.chat("nine"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, database, stdout=PIPE, stderr=PIPE
    )
    told, trouble = await process.communicate()
    assert (process.returncode, told.decode().splitlines()[:1]) == (0, ["nine"]), trouble.decode()
    assert [row["module"] for row in rows()] == ["examples"]
