"""The commands that ask the API, as a person and as a program read them."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dirty_equals import IsPartialDict
from typer.testing import CliRunner

from goldseam.cli import doctor, serve, shown
from goldseam.cli.app import app as command
from goldseam.collector import CollectorSettings
from goldseam.collector import create_app as create_collector

Get = Callable[..., Any]
Store = Callable[..., Any]
MakeKey = Callable[..., str]

GOLDSEAM = str(Path(sys.executable).with_name("goldseam"))
PATTERN = "TIMEOUT:openai:aaa"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def run(api_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command against the API, on a screen of 120 columns."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("GOLDSEAM_API_URL", api_url)
    for name in ("GOLDSEAM_API_KEY", "GOLDSEAM_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(command, list(arguments))


@pytest.fixture
def calls(store: Store) -> Any:
    """A call that was answered, one that was mended, one that was lost."""
    met = {"first_error_code": "TIMEOUT", "error_pattern": PATTERN}
    mended = met | {
        "trace_id": TRACE,
        "recovery_outcome": "recovered",
        "recovery_strategy": "fallback",
        "provider_used": "ollama",
        "processing_time_ms": 900.0,
        "steps": [
            {"was_successful": False, "error_code": "OVERLOADED", "recovery_time_ms": 400.0},
            {"strategy_name": "fallback", "provider": "ollama", "recovery_time_ms": 300.0},
        ],
    }
    lost = met | {"status": "error", "error_code": "TIMEOUT", "error_message": "Timed out."}
    return store({}, mended, lost | {"recovery_outcome": "failed", "retry_count": 2})


class TestLogs:
    """`goldseam logs`."""

    def test_recent_tells_what_happened(self, run: Callable[..., Any], calls: Any) -> None:
        """Each call is a line that says how it went, with an id to go on with."""
        shown = run("logs", "recent").stdout
        for words in ("30 tokens", "TIMEOUT mended by fallback", "TIMEOUT after 3 attempts"):
            assert words in shown
        assert str(calls[0].id) in shown

    @pytest.mark.usefixtures("calls")
    def test_recent_as_json(self, run: Callable[..., Any]) -> None:
        """`--json` gives what the API gives, narrowed by the same options."""
        rows = json.loads(run("logs", "recent", "--mended", "--json").stdout)
        assert [row["trace_id"] for row in rows] == [TRACE]

    def test_show(self, run: Callable[..., Any], calls: Any) -> None:
        """One call comes with its steps and with what to ask next."""
        told = run("logs", "show", str(calls[1].id)).stdout
        for words in ("OVERLOADED", "mended", "goldseam logs trace", "goldseam fix TIMEOUT"):
            assert words in told

    @pytest.mark.usefixtures("calls")
    def test_trace_is_a_waterfall(self, run: Callable[..., Any]) -> None:
        """The request's bar fills the width; attempts stand below it, each where it was."""
        lines = run("logs", "trace", TRACE).stdout.splitlines()
        bars = [line.count("█") for line in lines if "█" in line]
        assert max(bars) == bars[0]
        assert len(bars) == 4
        assert "first attempt" in "".join(lines)

    @pytest.mark.usefixtures("calls")
    def test_tail(self, run: Callable[..., Any]) -> None:
        """The newest call is the last line; as JSON each line is one call."""
        lines = run("logs", "tail", "--json", "-n", "2").stdout.splitlines()
        assert len([json.loads(line)["id"] for line in lines]) == 2

    @pytest.mark.usefixtures("calls")
    def test_tail_follows(self, api_url: str, store: Store) -> None:
        """With -f, a call that is written later is printed too."""
        arguments = ["logs", "tail", "-f", "-n", "1", "--json", "--url", api_url]
        with subprocess.Popen([GOLDSEAM, *arguments], stdout=subprocess.PIPE, text=True) as tail:
            assert tail.stdout is not None
            tail.stdout.readline()
            store({"module": "later", "span_id": "f" * 16})
            assert json.loads(tail.stdout.readline())["module"] == "later"
            tail.terminate()

    def test_mistakes(self, run: Callable[..., Any]) -> None:
        """What is not there, and an API that is not there, are one line and exit code 1."""
        for arguments, words in (
            (["logs", "show", "nobody"], "There is no call with this id"),
            (["logs", "recent", "--url", "http://127.0.0.1:1"], "Is `goldseam up` running"),
            (["logs", "recent", "--url", "nonsense"], "is no address"),
        ):
            done = run(*arguments)
            assert done.exit_code == 1
            assert words in done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert run("logs", "recent", "--status", "broken").exit_code == 2


class TestErrors:
    """`goldseam errors` and `goldseam fix`."""

    def test_from_error_to_fix(self, run: Callable[..., Any], store: Store) -> None:
        """A frequent error, what has helped, one command, and the correction is on."""
        lost = {"first_error_code": "TIMEOUT", "error_pattern": PATTERN}
        mended = lost | {"recovery_outcome": "recovered", "recovery_strategy": "fallback"}
        step = {"strategy_name": "fallback", "provider": "ollama"}
        store(*(mended | {"steps": [step]} for _ in range(40)))
        (found,) = json.loads(run("errors", "--json").stdout)
        assert found == IsPartialDict(error_code="TIMEOUT", count=40)
        assert "goldseam fix TIMEOUT --apply 1" in run("fix", "timeout").stdout
        assert run("fix", "TIMEOUT", "--apply", "9").exit_code == 2
        applied = run("fix", "TIMEOUT", "--apply", "1")
        assert applied.exit_code == 0
        assert "Correction on: fallback (" in applied.stdout
        off = json.loads(
            run("errors", found["pattern_id"], "--off", "--set", "resolved", "--json").stdout
        )
        assert off == IsPartialDict(auto_correction_enabled=False, resolution_status="resolved")

    def test_unknown_code(self, run: Callable[..., Any]) -> None:
        """A code that does not exist is answered with those that do."""
        done = run("fix", "NONSENSE")
        assert done.exit_code == 1
        assert "RATE_LIMIT" in done.stderr


class TestKeys:
    """`goldseam keys` without a database URL, and keys in general."""

    def test_over_http(self, run: Callable[..., Any], make_key: MakeKey) -> None:
        """An admin makes, lists and revokes keys through the API; without a key nobody does."""
        admin = ("--key", make_key("*", "admin"))
        scope = ("--tenant", "acme", "--scope", "logs:read")
        made = json.loads(run("keys", "create", *admin, *scope, "--json").stdout)
        assert run("logs", "recent", "--key", made["key"]).exit_code == 0
        listed = json.loads(run("keys", "list", *admin, "--json").stdout)
        assert made["key_id"] in [key["key_id"] for key in listed]
        assert run("keys", "revoke", *admin, made["key_id"]).exit_code == 0
        refused = run("logs", "recent", "--key", made["key"])
        assert refused.exit_code == 1
        without = run("keys", "list")
        assert without.exit_code == 1
        assert "GOLDSEAM_API_KEY" in without.stderr


class TestDoctor:
    """`goldseam doctor`: each usual mistake is one line with its remedy."""

    @staticmethod
    def look(url: str = "http://127.0.0.1:1", key: str | None = None, **environ: str) -> str:
        """Return the findings as they are printed."""
        found = doctor.look(environ, url=url, key=key)
        return "".join(doctor._line(each, colour=False) for each in found)

    @pytest.mark.parametrize(
        ("environ", "words", "remedy"),
        [
            ({"OTEL_SDK_DISABLED": "true"}, "switches all telemetry off", "unset it"),
            ({"OTEL_TRACES_EXPORTER": "none"}, "sends no spans", "OTEL_TRACES_EXPORTER=otlp"),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1/v1/traces"},
                "ends in /v1/traces",
                "leave the path out",
            ),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"},
                "is the gRPC port",
                "use port 4318",
            ),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:1"}, "is no address", "write http://"),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
                "Nobody takes spans",
                "start `goldseam up`",
            ),
            (
                {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                },
                "is the HTTP port",
                "use port 4317",
            ),
            (
                {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
                "know no protocol http/json",
                "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            ),
            (
                {"GOLDSEAM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
                "Cannot connect to postgresql://",
                "correct GOLDSEAM_DATABASE_URL",
            ),
            ({"GOLDSEAM_RECOVERY": "maybe"}, "GOLDSEAM_RECOVERY", "correct it"),
        ],
        ids=[
            "disabled",
            "no exporter",
            "path",
            "gRPC port",
            "no scheme",
            "nobody",
            "HTTP port",
            "unknown protocol",
            "no database",
            "recovery",
        ],
    )
    def test_environment(self, environ: dict[str, str], words: str, remedy: str) -> None:
        """A variable that keeps calls from arriving is named with what to do."""
        (line,) = [line for line in self.look(**environ).splitlines() if words in line]
        assert line.startswith("✗")
        assert remedy in line

    def test_wrong_port(self, api_url: str) -> None:
        """Spans that would go to the API, or to anything else that is no collector, are told."""
        told = self.look(OTEL_EXPORTER_OTLP_ENDPOINT=api_url)
        assert "so it takes no spans: the collector of `goldseam up` listens on port 4318" in told

    def test_keys(self, api_url: str, make_key: MakeKey) -> None:
        """A missing, a wrong and a right key are told apart."""
        good = make_key("acme", "logs:read")
        assert "there is none: set GOLDSEAM_API_KEY" in self.look(api_url)
        assert "does not know this key" in self.look(api_url, "gs_live_nonsense")
        assert "No call has arrived" in self.look(api_url, good)

    def test_port_is_taken(self) -> None:
        """Something else on the API's port is not taken for the API."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            url = f"http://127.0.0.1:{other.getsockname()[1]}"
            told = self.look(url, OTEL_EXPORTER_OTLP_ENDPOINT=url)
        assert f"Something else answers at {url}: the port is taken" in told
        assert f"Another program has the port of {url}/v1/traces" in told

    def test_collector_that_asks_for_a_key(self, database: str, make_key: MakeKey) -> None:
        """A missing key and a wrong one are told apart; the right one is presented as spans are."""
        settings = CollectorSettings(database_url=database, ingest_keys=True)
        listener = serve.listen("127.0.0.1", 0, port_flag="--otlp-http-port")
        service = serve.Service("collector", create_collector(settings), listener)
        with serve.running([service]):

            def told(**headers: str) -> str:
                return self.look(OTEL_EXPORTER_OTLP_ENDPOINT=service.url, **headers)

            key = make_key("acme", "ingest:write")
            assert "asks for a key (401): OTEL_EXPORTER_OTLP_HEADERS=" in told()
            wrong = told(OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20gs_live_nonsense")
            assert "does not take this key (401): make one with" in wrong
            right = told(OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{key}")
            assert "✓ Spans are taken at" in right

    def test_protocol_left_to_the_launcher(self) -> None:
        """OpenTelemetry's launcher speaks gRPC unless it is told otherwise, also to port 4318."""
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
        words = "`opentelemetry-instrument` would speak gRPC"
        assert words in self.look(**endpoint)
        assert words not in self.look(**endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")

    def test_old_packages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package that is too old is named with the version that will do."""
        monkeypatch.setattr(doctor, "OLDEST", {"opentelemetry-sdk": (99, 0)})
        assert "is too old, 99.0 is needed: pip install -U" in self.look()

    def test_database(self, database: str, empty_database: str) -> None:
        """A database without tables is told apart from one that is ready."""
        assert "goldseam db upgrade" in self.look(GOLDSEAM_DATABASE_URL=empty_database)
        assert "at revision" in self.look(GOLDSEAM_DATABASE_URL=database)

    def test_exit_code_and_json(self) -> None:
        """Anything at fault is exit code 1; a program reads the findings as JSON."""
        done = subprocess.run(
            [GOLDSEAM, "doctor", "--json", "--url", "http://127.0.0.1:1"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert {"state", "says", "remedy"} == set(json.loads(done.stdout)[0])


@pytest.mark.parametrize(
    ("duration_ms", "words"),
    [(0.4, "0 ms"), (999, "999 ms"), (1_500, "1.5 s"), (61_000, "1 min 1 s")],
)
def test_durations(duration_ms: float, words: str) -> None:
    """A duration has the unit that a person would use."""
    assert shown.took(duration_ms) == words
