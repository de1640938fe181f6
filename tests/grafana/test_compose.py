"""The stack as text: what Docker would start, and with which rights. Docker itself is not run."""

import importlib.util
import os
import re
import stat
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
import yaml

from goldseam.collector.decode_json import decode_json
from goldseam.collector.mapping import map_spans
from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.roles import Role

from .provisioning_keys import problems

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
STACK = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]

SERVICE_KEYS = dict.fromkeys(
    (
        "build", "cap_add", "cap_drop", "command", "depends_on", "entrypoint", "environment",
        "healthcheck", "image", "logging", "mem_limit", "network_mode", "networks", "ports",
        "profiles", "read_only", "restart", "secrets", "security_opt", "shm_size",
        "stop_grace_period", "tmpfs", "user", "volumes",
    )
)  # fmt: skip

each_service = pytest.mark.parametrize("name", SERVICES)


def test_compose_knows_every_key() -> None:
    """No key is misspelt, and the file has no obsolete version."""
    top = {"name!": str, "services!": None, "volumes": None, "secrets": None}
    known = {key: None for key in STACK if key.startswith("x-")} | top
    assert problems(STACK, known) == []
    for name, service in SERVICES.items():
        assert problems(service, SERVICE_KEYS, name) == []


@each_service
def test_service_has_few_rights(name: str) -> None:
    """Nothing is written but to volumes, no right is gained, logs and memory have an end."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "5m", "max-file": "2"}
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert "cap_add" not in service or name == "postgres"


@each_service
def test_image_is_pinned_and_can_be_replaced(name: str) -> None:
    """A full version, behind a variable of .env; never `latest`."""
    assert re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-[\w./-]+:v?\d+(\.\d+)+\}", SERVICES[name]["image"])


@each_service
def test_ports_are_on_loopback(name: str) -> None:
    """Nobody else on the network reaches a service."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@each_service
def test_what_a_service_names_is_there(name: str) -> None:
    """Secrets, volumes, files and the services that it waits for exist; files are read-only."""
    service = SERVICES[name]
    assert set(service.get("secrets", [])) <= set(STACK["secrets"])
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert volume.endswith(":ro")
        else:
            assert source in STACK["volumes"]
    for other, wanted in service.get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        if wanted["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "no"


def test_every_lasting_service_has_a_health_check() -> None:
    """All but the two whose images hold nothing to check with."""
    without = {
        name
        for name, service in SERVICES.items()
        if "healthcheck" not in service and service["restart"] != "no"
    }
    assert without == {"otel-collector", "tempo"}


def test_no_secret_stands_in_the_file() -> None:
    """Passwords are files, whose folder is not committed."""
    assert all(set(secret) == {"file"} for secret in STACK["secrets"].values())
    words = [
        v for s in SERVICES.values() for k, v in s.get("environment", {}).items() if "PASSW" in k
    ]
    assert words
    assert all(word.startswith("/run/secrets/") for word in words)
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_pipelines_use_what_is_configured() -> None:
    """Each receiver, processor and exporter of a pipeline is configured, and none lies idle."""
    config = yaml.safe_load((ROOT / "docker" / "otel-collector.yaml").read_text())
    for kind in ("receivers", "processors", "exporters"):
        used = {each for line in config["service"]["pipelines"].values() for each in line[kind]}
        assert used == set(config[kind])


def test_acknowledged_means_on_disk_at_the_gateway() -> None:
    """Goldseam's spans wait on a volume, written before an application hears "received"."""
    config = yaml.safe_load((ROOT / "docker" / "otel-collector.yaml").read_text())
    queue = config["exporters"]["otlp_http/goldseam"]["sending_queue"]
    storage = config["extensions"][queue["storage"]]
    assert storage["fsync"] is True
    assert f"otel-queue:{storage['directory']}" in SERVICES["otel-collector"]["volumes"]
    assert config["exporters"]["otlp_http/goldseam"]["retry_on_failure"]["max_elapsed_time"] == 0
    assert config["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter"]


def test_the_spool_is_on_a_volume_that_the_collector_may_write() -> None:
    """The root is read-only, and a new volume takes the owner that its folder has in the image."""
    command = SERVICES["collector"]["command"]
    folder = command[command.index("--data-dir") + 1]
    assert f"spool:{folder}" in SERVICES["collector"]["volumes"]
    image = (ROOT / "Dockerfile").read_text()
    assert re.search(rf"install -d -o (\d+) -g \1 -m 0700 {folder}\n(.*\n)*USER \1:\1\n", image)


def test_addresses_fit_together() -> None:
    """Ports of the configuration files are those that the services listen on."""
    otel = yaml.safe_load((ROOT / "docker" / "otel-collector.yaml").read_text())
    scraped = yaml.safe_load((ROOT / "grafana" / "prometheus" / "prometheus.yml").read_text())
    targets = {
        target
        for job in scraped["scrape_configs"]
        for c in job["static_configs"]
        for target in c["targets"]
    }
    command = SERVICES["collector"]["command"]
    collector, grpc = (
        command[command.index(flag) + 1] for flag in ("--otlp-http-port", "--otlp-grpc-port")
    )
    assert grpc not in {collector, "4317", "4318"}  # they share a network
    assert otel["exporters"]["otlp_http/goldseam"]["endpoint"] == f"http://127.0.0.1:{collector}"
    expected = {f"localhost:{port}" for port in (collector, 8888, 8889, 9090)}
    assert targets == expected
    assert SERVICES["otel-collector"]["networks"]["default"]["aliases"] == ["prometheus"]
    for name in ("collector", "prometheus"):
        assert SERVICES[name]["network_mode"] == "service:otel-collector"


@pytest.mark.parametrize("script", ["entrypoint.sh", "postgres-init.sh", "postgres-grants.sh"])
def test_script_is_valid_shell(script: str) -> None:
    """The shell reads it to its end, and it is run, not sourced into PostgreSQL's entry point."""
    path = ROOT / "docker" / script
    subprocess.run(["sh", "-n", path], check=True)
    assert os.access(path, os.X_OK)


def test_entry_point_puts_the_password_into_the_address(tmp_path: Path) -> None:
    """The password is read from its file; the command finds the whole address."""
    (tmp_path / "password").write_text("abc")
    done = subprocess.run(
        ["sh", ROOT / "docker" / "entrypoint.sh", "sh", "-c", "echo $GOLDSEAM_DATABASE_URL"],
        env={
            "GOLDSEAM_DATABASE_USER": "writer",
            "GOLDSEAM_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "postgresql://writer:abc@postgres:5432/goldseam\n"


def statements(script: str) -> list[str]:
    """The SQL of a script, with a password for each of psql's variables."""
    text = (ROOT / "docker" / script).read_text()
    sql = text.split("<<'SQL'\n")[1].split("\nSQL")[0]
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    filled = re.sub(r":'\w+'", "'pass'", "\n".join(lines))
    return [each for each in filled.split(";") if each.strip()]


def test_each_login_may_become_what_it_needs_and_no_more(short_folder: Path) -> None:
    """The scripts of the stack make logins that can do their part's work, and nothing else."""
    with EmbeddedPostgres(short_folder / "stack") as server:
        admin = server._url("postgres", "postgres")
        _execute(admin, ["DROP DATABASE goldseam", *statements("postgres-init.sh")])
        migrate.upgrade(server._url("goldseam_migrate", "goldseam"))
        _execute(server._url("goldseam_migrate", "goldseam"), statements("postgres-grants.sh"))
        allowed = {
            login: {role for role in Role if _may_become(server._url(login, "goldseam"), role)}
            for login in ("goldseam_collector", "goldseam_server")
        }
        with (
            psycopg.connect(server._url("goldseam_collector", "goldseam")) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT * FROM ai_request_logs")
    assert allowed == {
        "goldseam_collector": {Role.WRITER, Role.OWNER, Role.API},
        "goldseam_server": {Role.API},
    }


def _execute(url: str, sql: list[str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for each in sql:
            connection.execute(each.encode())


def _may_become(url: str, role: Role) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute(f"SET ROLE {role}".encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True


@pytest.fixture
def smoke() -> ModuleType:
    """The smoke test as a module."""
    spec = importlib.util.spec_from_file_location("smoke", ROOT / "docker" / "smoke.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_smoke_makes_every_secret_once(smoke: ModuleType, tmp_path: Path) -> None:
    """The files of all secrets, each different, kept when they are there, in a closed folder."""
    names = smoke.secret_names(TEXT)
    assert set(names) == set(STACK["secrets"])
    smoke.make_secrets(tmp_path / "secrets", names)
    first = {name: (tmp_path / "secrets" / name).read_text() for name in names}
    smoke.make_secrets(tmp_path / "secrets", names)
    assert {name: (tmp_path / "secrets" / name).read_text() for name in names} == first
    assert len(set(first.values())) == len(names)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_smoke_sends_a_call_that_the_collector_reads(smoke: ModuleType) -> None:
    """What it posts becomes one row with the trace that it looks for."""
    now_ns = 1_770_000_000 * 10**9
    (record,) = map_spans(decode_json(smoke.a_call("ab" * 16, now_ns))).batch.requests
    assert (record.trace_id, record.status) == ("ab" * 16, "success")
