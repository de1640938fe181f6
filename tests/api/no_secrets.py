"""No key, prompt, answer or error text in any log, and none in a refusal.

Everything that `goldseam up` serves is asked, rightly and wrongly, with words in keys, bodies,
parameters, spans and rows that occur nowhere else. Afterwards none of them is in a line that was
logged or printed meanwhile, with every logger at DEBUG, nor in a problem that was answered.
"""

import json
import logging
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped] # ships no types
import psycopg
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from typer.testing import CliRunner

from goldseam.api import description
from goldseam.cli import stack
from goldseam.cli.app import app as command
from goldseam.storage import pattern_counters

Store = Callable[..., Any]
MakeKey = Callable[..., str]

CANARY = "canary7f3a"
"""In prompts, answers, error texts, ratings, wrong parameters and wrong bodies."""

BAD_KEY = f"gs_live_0123456789ab_{'deadbeef7f3a' * 4}"
PATTERNS = "ai_error_analysis"
TYPED = ("goldseam", "uvicorn", "fastapi", "starlette", "grpc", "asyncio", "psycopg")
"""Loggers that are turned up; SQLAlchemy's own tracing prints parameters and rows by design."""


@dataclass
class Heard:
    """What was logged, and the bodies of problems."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Listener(logging.Handler):
    """Keeps each record as a line with its traceback."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self._heard.lines.append(self.format(record))


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What is logged from here on by everything but SQLAlchemy."""
    found = Heard()
    listener = Listener(found)
    root = logging.getLogger()
    root.addHandler(listener)
    for name in TYPED:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield found
    root.removeHandler(listener)
    for name in TYPED:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def served(database: str, heard: Heard, tmp_path: Path) -> Iterator[stack.Stack]:
    """What `goldseam up` starts, and uvicorn's loggers turned up although it turns them down."""
    options = stack.Options(
        database_url=database, data_dir=tmp_path, api_port=0, otlp_http_port=0, otlp_grpc_port=0
    )
    with stack.running(options, lambda _: None) as started:
        for name in ("uvicorn.error", "uvicorn.access"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        yield started
    assert "Shutting down" in "".join(heard.lines)  # so it was heard


@dataclass
class Client:
    """Asks over plain HTTP and keeps the problems that come back."""

    served: stack.Stack
    heard: Heard
    key: str | None = None

    def __call__(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        otlp: bool = False,
        **headers: str,
    ) -> int:
        """Send a request as it is; return the status."""
        where = urllib.parse.urlsplit(self.served.otlp_url if otlp else self.served.api_url)
        connection = HTTPConnection(str(where.hostname), where.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.key}"
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        if "/logs/stream" in path and answer.status == 200:
            connection.close()
            return answer.status
        text = answer.read().decode(errors="replace")
        connection.close()
        if answer.status >= 400:
            self.heard.problems.append(text)
        return answer.status


@pytest.fixture
def ask(served: stack.Stack, heard: Heard) -> Client:
    """A client of what is served."""
    return Client(served, heard)


def operations() -> list[tuple[str, str, list[str]]]:
    """Return method, path and names of query parameters of every operation."""
    return [
        (
            method.upper(),
            path,
            [each["name"] for each in about.get("parameters", []) if each["in"] == "query"],
        )
        for path, methods in description.described()["paths"].items()
        for method, about in methods.items()
    ]


def filled(path: str, value: str) -> str:
    """Return a path with `value` in place of each parameter."""
    parts = path.split("/")
    return "/".join(value if part.startswith("{") else part for part in parts)


def ask_everything(ask: Client) -> None:
    """Send every operation what it takes and what it does not, with the word everywhere."""
    word = urllib.parse.quote(CANARY)
    bodies = (
        None,
        f'{{"user_feedback": "{CANARY}"}}',
        f'{{"reason": "{CANARY}", "override": "{CANARY}"}}',
        f'{{"scopes": ["{CANARY}"], "label": "{CANARY}\\u0000"}}',
        f'{{"{CANARY}": ',
        f'"{CANARY}"',
        CANARY * 10_000,
    )
    for method, path, names in operations():
        target = filled(path, word)
        ask(method, f"{target}?{'&'.join(f'{name}={word}' for name in names)}")
        ask(method, f"{target}?module={word}&user_id={word}&error_message={word}")
        if method in {"POST", "PATCH"}:
            for body in filter(None, bodies):
                ask(method, target, body=body.encode(), Content_Type="application/json")
        ask(method, target, Authorization=f"Bearer {BAD_KEY}")
        ask(method, target, Authorization=f"Basic {CANARY}")
    ask("GET", f"/{word}/{word}?{word}")
    ask("GET", f"/{word * 5_000}")  # longer than the server reads
    ask("GET", "/healthz", Host=f"{CANARY}.example")
    ask("BREW", f"/api/v1/ai/logs/{word}")


def until(ask: Client, path: str, status: int) -> bool:
    """Ask until the answer has this status; say whether it came to that."""
    for _ in range(300):
        if ask("GET", path) == status:
            return True
        time.sleep(0.1)
    return False


class TestNothingIsTold:
    """Who reads the logs learns nothing of what was sent and stored."""

    @pytest.fixture(autouse=True)
    def silence(self, heard: Heard, capfd: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
        """Check at the end of each test, with a list of further words."""
        words = [CANARY, BAD_KEY.rpartition("_")[2]]
        yield words
        out, err = capfd.readouterr()
        told = "\n".join([*heard.lines, out, err])
        assert not [line for line in told.splitlines() for word in words if word in line][:5]
        assert not [text for text in heard.problems for word in words if word in text][:5]

    def test_questions_to_the_api(
        self, ask: Client, store: Store, make_key: MakeKey, silence: list[str]
    ) -> None:
        """Right and wrong questions, with and without keys, about rows that hold what is secret."""
        (row,) = store(
            {
                "status": "error",
                "error_code": "TIMEOUT",
                "first_error_code": "TIMEOUT",
                "error_message": CANARY,
                "error_pattern": "TIMEOUT:openai:aaa",
                "user_id": CANARY,
                "steps": [{"was_successful": False}],
            }
        )
        ask_everything(ask)
        keys = [make_key("*", "admin"), make_key("acme", "logs:read", "ingest:write")]
        silence += [key.rpartition("_")[2] for key in keys]
        for ask.key in (None, *keys):
            ask_everything(ask)
            # That there are keys now is noticed within seconds.
            assert until(ask, f"/api/v1/ai/logs/{row.id}", 200 if ask.key else 401)
            assert ask("GET", f"/api/v1/ai/logs/{row.id}?x={ask.key}") == (422 if ask.key else 401)

    def test_faults_of_the_database(
        self, ask: Client, database: str, heard: Heard, store: Store
    ) -> None:
        """A query that fails is logged with what failed, not with what was asked or found."""
        (row,) = store({"first_error_code": "TIMEOUT", "error_pattern": "TIMEOUT:openai:aaa"})
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("SET ROLE goldseam_owner")
            owner.execute("ALTER TABLE ai_request_logs RENAME COLUMN user_id TO who")
            owner.execute("ALTER TABLE goldseam_audit RENAME COLUMN details TO told")
            owner.execute(f"ALTER TABLE {PATTERNS} DROP CONSTRAINT ck_{PATTERNS}_resolution_status")
            owner.execute("UPDATE ai_error_analysis SET resolution_status = %s", [CANARY])
        body = json.dumps({"scopes": ["admin"], "label": CANARY}).encode()
        pattern = pattern_counters.pattern_id(row.tenant_id, row.error_pattern)
        statuses = [
            ask("GET", f"/api/v1/ai/logs/recent?user_id={CANARY}"),
            ask("POST", "/api/v1/ai/keys", body=body, Content_Type="application/json"),
            ask("GET", f"/api/v1/ai/errors/{pattern}"),
        ]
        assert statuses == [500, 500, 500]
        told = "\n".join(heard.lines)
        for words in ("a query failed", "UndefinedColumn (42703): column", "ValidationError"):
            assert words in told

    def test_spans(self, ask: Client, served: stack.Stack, database: str, heard: Heard) -> None:
        """Spans with prompts and error texts, stored or refused; bodies that are none; bad keys."""
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("SET ROLE goldseam_owner")
            owner.execute(f"ALTER TABLE ai_request_logs ADD CHECK (user_id <> '{CANARY}')")
        kinds = ("application/x-protobuf", "application/json", "text/plain")
        bodies = (
            spans(),
            spans(user=CANARY),  # refused by the database
            CANARY.encode() * 100,
            f'{{"resourceSpans": "{CANARY}"}}'.encode(),
            b"",
        )
        with grpc.insecure_channel(served.otlp_grpc) as channel:
            export = channel.unary_unary(
                "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            )
            for kind, body in product(kinds, bodies):
                ask("POST", "/v1/traces", body=body, otlp=True, Content_Type=kind)
                key = f"Bearer {BAD_KEY}"
                ask("POST", "/v1/logs", body=body, otlp=True, Content_Type=kind, Authorization=key)
                try:
                    export(body, metadata=[("authorization", key)], timeout=10)
                except grpc.RpcError as refused:
                    heard.problems.append(str(refused))
        assert "refused a row for good" in "\n".join(heard.lines)

    def test_rows_that_cannot_be_written(self, ask: Client, database: str, heard: Heard) -> None:
        """While a table lacks a column, bodies are kept; the log says why without showing a row."""
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("SET ROLE goldseam_owner")
            owner.execute("ALTER TABLE ai_request_logs DROP COLUMN error_message CASCADE")
        kind = "application/x-protobuf"
        assert ask("POST", "/v1/traces", body=spans(), otlp=True, Content_Type=kind) == 200
        assert "rows cannot be written" in "\n".join(heard.lines)

    def test_commands(
        self,
        served: stack.Stack,
        store: Store,
        make_key: MakeKey,
        monkeypatch: pytest.MonkeyPatch,
        heard: Heard,
        silence: list[str],
    ) -> None:
        """Commands print what was asked for; keys, passwords, and others' words they do not."""
        (row,) = store({"error_message": "Timed out.", "error_code": "TIMEOUT", "status": "error"})
        key = make_key("*", "admin")
        silence.append(key.rpartition("_")[2])
        monkeypatch.setenv("GOLDSEAM_API_URL", served.api_url)
        database = served.database_url
        lost = f"postgresql://somebody:{CANARY}@127.0.0.1:1/nowhere"
        for text in (key, BAD_KEY):
            for arguments in (
                ["logs", "recent"],
                ["logs", "recent", "--json"],
                ["logs", "tail", "-n", "1"],
                ["logs", "show", str(row.id)],
                ["logs", "trace", row.trace_id],
                ["errors"],
                ["fix", "TIMEOUT"],
                ["keys", "list"],
                ["keys", "list", "--json"],
                ["keys", "revoke", "0" * 12],
                ["keys", "create", "--scope", CANARY.upper()],
                ["keys", "list", "--database-url", database],
                ["keys", "list", "--database-url", lost],
                ["db", "status", "--database-url", lost],
                ["db", "status", "--database-url", lost.replace("postgresql", "mysql")],
                ["db", "upgrade", "--database-url", lost],
                ["doctor"],
            ):
                done = CliRunner().invoke(
                    command, arguments, env={"GOLDSEAM_API_KEY": text, "OPENAI_API_KEY": CANARY}
                )
                heard.lines += [done.stdout, done.stderr]
                assert done.exception is None or isinstance(done.exception, SystemExit), arguments


def spans(user: str = "somebody") -> bytes:
    """Return an OTLP body with a failed chat that tells its prompt, its answer and its error."""
    finished = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(finished))
    span = provider.get_tracer("goldseam.instrumentation").start_span("chat", kind=SpanKind.CLIENT)
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": CANARY}]}])
    span.set_attributes(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.input.messages": said,
            "gen_ai.output.messages": said,
            "gen_ai.system_instructions": said,
            "user.id": user,
            "enduser.id": user,
            "goldseam.user.id": user,
            "error.type": "TIMEOUT",
            CANARY: CANARY,
        }
    )
    span.record_exception(ValueError(CANARY))
    span.set_status(Status(StatusCode.ERROR, CANARY))
    span.end()
    encoded: bytes = encode_spans(finished.get_finished_spans()).SerializeToString()
    return encoded
