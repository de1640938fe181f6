"""The commands as a person meets them: what starts, what is refused, and in which words."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from goldseam.cli import run, serve

GOLDSEAM = str(Path(sys.executable).with_name("goldseam"))
ANY_PORTS = ["--api-port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]


def goldseam(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [GOLDSEAM, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that stays; it is told to stop at the end, and must stop well."""
    with subprocess.Popen([GOLDSEAM, *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    assert process.returncode == 0


def address(process: subprocess.Popen[str], label: str) -> str:
    """Read the command's words until it names an address behind `label`."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rf"{label}.*(http://127\.0\.0\.1:\d+)", line):
            return found[1]
    raise AssertionError(f"no address behind {label!r}")


class TestUp:
    """`goldseam up`."""

    def test_serves_until_told_to_stop(self, database: str) -> None:
        """API and collector answer on the addresses that it prints, then it stops with 0."""
        with started("up", "--database-url", database, *ANY_PORTS) as process:
            api = address(process, "API")
            otlp = address(process, "OTLP/HTTP")
            for url in (f"{api}/readyz", f"{otlp}/readyz"):
                with urlopen(url, timeout=10) as answer:
                    assert answer.status == 200

    def test_taken_port_is_one_line(self, database: str) -> None:
        """A port in use is named with the flag that changes it, before anything starts."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = goldseam(
                "up",
                "--database-url",
                database,
                "--api-port",
                port,
                "--otlp-http-port",
                "0",
                "--otlp-grpc-port",
                "0",
            )
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"goldseam: Port {port} on 127.0.0.1 is in use; choose another one with --api-port."
        ]

    def test_database_that_is_away_is_one_line(self) -> None:
        """A database that does not answer is one line without a password or a trace."""
        url = "postgresql://someone:hunter2@127.0.0.1:1/goldseam"
        done = goldseam("up", "--database-url", url, *ANY_PORTS)
        assert done.returncode == 1
        assert "127.0.0.1:1" in done.stderr
        assert "Traceback" not in done.stderr
        assert "hunter2" not in done.stderr

    def test_interrupted_start_leaves_no_server(self, tmp_path: Path) -> None:
        """Ctrl-C reaches the making of the database too: no fault is told, nothing runs on."""
        folder = tmp_path / "data"
        command = [GOLDSEAM, "up", "--data-dir", str(folder), *ANY_PORTS]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            assert process.stderr is not None
            assert "starting PostgreSQL" in process.stderr.readline()
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said.splitlines()[-1] == "Stopped."
        assert "goldseam:" not in said
        assert not (folder / "postgres" / "postmaster.pid").exists()


class TestSingleParts:
    """`goldseam collector` and `goldseam api`."""

    @pytest.mark.parametrize(
        ("command", "flags"),
        [
            ("collector", ["--otlp-http-port", "0", "--otlp-grpc-port", "0"]),
            ("api", ["--api-port", "0"]),
        ],
    )
    def test_serves_alone(self, database: str, command: str, flags: list[str]) -> None:
        """Each part runs by itself on a database of one's own."""
        with (
            started(command, "--database-url", database, *flags) as process,
            urlopen(f"{address(process, command)}/readyz", timeout=10) as answer,
        ):
            assert answer.status == 200

    def test_api_workers_share_a_port(self, database: str) -> None:
        """Two processes answer on one address, and `/metrics` of either tells of both."""
        with started(
            "api", "--database-url", database, "--api-port", "0", "--workers", "2"
        ) as process:
            url = address(process, "api listens")
            with urlopen(f"{url}/readyz", timeout=10) as answer:
                assert answer.status == 200
            with urlopen(f"{url}/metrics", timeout=10) as answer:
                told = answer.read().decode()
                assert answer.headers["x-content-type-options"] == "nosniff"
        assert set(re.findall(r'in_progress\{worker="(\d)"\}', told)) == {"0", "1"}

    @pytest.mark.parametrize(
        ("command", "flag"), [("collector", "--otlp-host"), ("api", "--api-host")]
    )
    def test_refuses_to_be_open_to_others(self, database: str, command: str, flag: str) -> None:
        """An address that others can reach is refused with a sentence."""
        done = goldseam(command, "--database-url", database, flag, "0.0.0.0")
        assert done.returncode == 1
        assert "loopback" in done.stderr
        assert "Traceback" not in done.stderr


class TestListen:
    """Where services may listen."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
    def test_loopback_is_open(self, host: str) -> None:
        """A loopback address needs no key."""
        serve.listen(host, 0, port_flag="--port").close()

    @pytest.mark.parametrize("take", [serve.listen, serve.reserve])
    def test_answers_do_not_wait_for_acknowledgements(
        self, take: Callable[..., socket.socket]
    ) -> None:
        """A connection sends an answer's body before the client has acknowledged its head."""
        with take("127.0.0.1", 0, port_flag="--port") as held:
            held.listen()
            with socket.create_connection(held.getsockname()), held.accept()[0] as accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
    def test_other_addresses_are_refused(self, host: str) -> None:
        """Anything that others can reach is refused, and the message names the flag."""
        with pytest.raises(serve.OpenBindError, match="set --api-host to a loopback address"):
            serve.listen(host, 0, port_flag="--api-port", host_flag="--api-host")


class TestDb:
    """`goldseam db`."""

    def test_upgrade_then_status(self, empty_database: str) -> None:
        """A database without tables says so; after an upgrade it names its revision."""
        before = goldseam("db", "status", "--database-url", empty_database)
        upgrade = goldseam("db", "upgrade", "--database-url", empty_database)
        after = goldseam("db", "status", "--database-url", empty_database)
        assert (before.returncode, upgrade.returncode, after.returncode) == (1, 0, 0)
        assert "goldseam db upgrade" in before.stderr
        assert "ai_error_analysis" in after.stderr


class TestRun:
    """`goldseam run`."""

    @pytest.mark.parametrize(
        ("command", "name"),
        [
            (["python", "app.py"], "app"),
            (["python3", "-u", "shop/main.py", "serve"], "main"),
            (["python", "-m", "shop.web"], "shop.web"),
            (["/usr/bin/gunicorn", "shop:app"], "gunicorn"),
            (["python"], "python"),
        ],
    )
    def test_service_is_named_after_the_program(self, command: list[str], name: str) -> None:
        """Without a name of its own, a service gets its script's."""
        assert run.service_name(command) == name

    def test_set_variables_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the user has set is not overwritten, what a flag says is."""
        monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        options = run._parser().parse_args(["--endpoint", "http://127.0.0.1:2", "--", "python"])
        chosen = run.environment(options, ["python"])
        assert "OTEL_SERVICE_NAME" not in chosen
        assert chosen["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:2"

    @pytest.mark.parametrize(
        ("arguments", "environ", "endpoint"),
        [
            ([], {}, run.DEFAULT_ENDPOINT),
            (["--endpoint", "http://127.0.0.1:2"], {}, "http://127.0.0.1:2"),
            (["--pending-endpoint", "off"], {}, "off"),
            ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otelcol:4318"}, None),
            ([], {"GOLDSEAM_PENDING_ENDPOINT": "http://127.0.0.1:3"}, None),
        ],
        ids=["default", "flag", "off", "somebody's collector", "set already"],
    )
    def test_calls_in_flight_are_told_to_goldseam(
        self,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        environ: dict[str, str],
        endpoint: str | None,
    ) -> None:
        """They are announced where spans go, unless that may be another collector."""
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        options = run._parser().parse_args([*arguments, "--", "python"])
        assert run.environment(options, ["python"]).get("GOLDSEAM_PENDING_ENDPOINT") == endpoint

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [([], "name the program"), (["--", "no-such-program"], "no program named")],
    )
    def test_mistakes_are_explained(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
    ) -> None:
        """A missing program gives exit code 2 and a sentence."""
        assert run.main(arguments) == 2
        assert words in capsys.readouterr().err


def test_help_names_every_command() -> None:
    """`goldseam --help` is the list of what there is."""
    shown = goldseam("--help").stdout
    for command in ("demo", "up", "run", "collector", "api", "db", "keys"):
        assert re.search(rf"\b{command}\b", shown)
