"""Docker's files, read by Docker Compose's own loader and by hadolint. Docker itself is not run."""

import subprocess
from pathlib import Path

from .programs import ROOT, installed


def read_by_compose(path: Path) -> subprocess.CompletedProcess[str]:
    """What the loader says: schema, references and consistency."""
    command: list[str | Path] = [installed("compose-go"), "-format", "json", path]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_compose_file_is_valid() -> None:
    """It fits the schema, every reference resolves, and the model is consistent."""
    done = read_by_compose(ROOT / "docker-compose.yml")
    assert done.returncode == 0, done.stderr


def test_wrong_compose_file_is_refused(tmp_path: Path) -> None:
    """The check before this one can fail."""
    text = (ROOT / "docker-compose.yml").read_text()
    path = tmp_path / "docker-compose.yml"
    path.write_text(text.replace("read_only: true", "readonly: true"))
    assert read_by_compose(path).returncode != 0


def test_dockerfile_is_clean() -> None:
    """Hadolint has no remark."""
    done = subprocess.run(
        [installed("hadolint"), "Dockerfile"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
