"""A virtual environment for each subject, made once under `benchmarks/.venv-<name>`.

Called by the orchestrating process. Packages come from the package index that pip is configured
for; nothing else here touches the network. An environment is made again when its list of packages
changes.
"""

import json
import subprocess
import venv
from pathlib import Path
from typing import Final

from instrumentation_cost.progress import say
from instrumentation_cost.subjects import Subject

BENCHMARKS: Final = Path(__file__).resolve().parent.parent
REPOSITORY: Final = BENCHMARKS.parent

_INSTALLER: Final = frozenset({"pip", "setuptools", "wheel"})
_CLIENT_2_ONLY: Final = frozenset({"httpx", "httpcore"})
"""What openai 2 brings and openai 3 does not; no subject added them."""

_LIST_DISTRIBUTIONS: Final = """
import json
from importlib.metadata import distributions
found = {each.metadata["Name"].lower().replace("_", "-"): each.version for each in distributions()}
print(json.dumps(found))
"""


class EnvironmentFailedError(RuntimeError):
    """An environment could not be made; the message is what pip said."""


def python_of(subject: Subject) -> Path:
    """Return the interpreter of the subject's environment, which exists afterwards.

    Raises:
        EnvironmentFailedError: Its packages cannot be installed.
    """
    folder = BENCHMARKS / f".venv-{subject.environment}"
    python = folder / "bin" / "python"
    wanted = json.dumps(_requirements(subject))
    receipt = folder / "installed.json"
    if receipt.exists() and receipt.read_text() == wanted:
        return python
    say(f"installing {subject.environment}")
    venv.create(folder, with_pip=True, clear=True)
    arguments = [*_requirements(subject)]
    result = subprocess.run(  # noqa: S603 - pip with the packages of this table
        [python, "-m", "pip", "install", "--quiet", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    if result.returncode:
        raise EnvironmentFailedError(result.stderr.strip())
    receipt.write_text(wanted)
    return python


def added_distributions(subject: Subject, base: Subject) -> list[str]:
    """Return the distributions that a subject needs on top of the client and the SDK."""
    ours = distributions_of(subject).keys()
    return sorted(ours - distributions_of(base).keys() - _INSTALLER - _brought_by_client(subject))


def distributions_of(subject: Subject) -> dict[str, str]:
    """Return name and version of everything installed in the subject's environment."""
    result = subprocess.run(  # noqa: S603 - our own interpreter
        [python_of(subject), "-c", _LIST_DISTRIBUTIONS], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(result.stdout)
    return found


def _requirements(subject: Subject) -> list[str]:
    own = ["--editable", "."] if subject.editable else []
    return [*own, subject.client, subject.sdk, *subject.packages]


def _brought_by_client(subject: Subject) -> frozenset[str]:
    return _CLIENT_2_ONLY if subject.client.startswith("openai==2") else frozenset()
