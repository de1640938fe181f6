"""The wheel holds every component, its data files, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

COMPONENTS = [
    "instrumentation", "recovery", "errors", "semconv", "collector", "storage", "api", "cli",
    "grafana",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run([*build, "--disable-pip-version-check", str(ROOT)], check=True)
    (wheel,) = folder.glob("goldseam-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sources() -> set[str]:
    """Every file of the packages in this tree, by its name in the wheel."""
    found = set()
    for component in ("instrumentation", "recovery", "collector", "storage", "api", "grafana"):
        root = ROOT / component
        for path in (root / "goldseam").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(path.relative_to(root).as_posix())
    return found


def test_wheel_holds_exactly_the_packages(files: set[str]) -> None:
    """What is in the tree is in the wheel; tests, docs and benchmarks are not."""
    assert {name for name in files if ".dist-info/" not in name} == sources()


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_is_a_typed_package(files: set[str], component: str) -> None:
    """Each component has its door and says that it is typed."""
    assert {f"goldseam/{component}/__init__.py", f"goldseam/{component}/py.typed"} <= files


def test_namespace_has_no_door_of_its_own(files: set[str]) -> None:
    """`goldseam` is a namespace: other distributions may add to it."""
    assert "goldseam/__init__.py" not in files
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in files)
