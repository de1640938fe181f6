"""Makes an environment of its own for each peer that clashes with our dependencies.

    python tests/peers/environments.py            all of them, a minute each
    python tests/peers/environments.py langchain  one

An environment stands beside the repository's own as `.venv-peer-<name>`, with Goldseam installed
from here. `test_peers.py` runs its programs in those that are there and skips the others. One that
is there already is left as it is, unless its list of packages has changed.
"""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]

PACKAGES: Final = {
    "genai-openai": ("openai==3.54.0", "opentelemetry-instrumentation-genai-openai==1.3b0"),
    "openai-v2": (
        "openai==3.54.0",
        "opentelemetry-instrumentation-openai-v2==2.4b0",
        "opentelemetry-util-genai==0.4b0",  # with a later one it does not start
        "httpx==0.28.1",  # which it imports and does not ask for
    ),
    "langchain": ("langchain-openai==1.7.3", "langchain-ollama==1.1.0", "openai==3.54.0"),
    "litellm": ("litellm==1.106.2",),  # it wants openai 2
}
"""What is installed beside Goldseam."""


def python_of(name: str) -> Path | None:
    """Return the interpreter of a peer's environment, None where it is not there."""
    folder = REPOSITORY / f".venv-peer-{name}"
    return folder / "bin" / "python" if _is_ready(name, folder) else None


def make(name: str) -> None:
    """Make the environment of a peer, if it is not there.

    Raises:
        subprocess.CalledProcessError: Its packages cannot be installed; pip has said why.
    """
    folder = REPOSITORY / f".venv-peer-{name}"
    if _is_ready(name, folder):
        return
    venv.create(folder, with_pip=True, clear=True)
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet",
         "--editable", REPOSITORY, *PACKAGES[name]],
        check=True,
    )  # fmt: skip
    (folder / "packages").write_text("\n".join(PACKAGES[name]))


def _is_ready(name: str, folder: Path) -> bool:
    receipt = folder / "packages"
    return receipt.exists() and receipt.read_text() == "\n".join(PACKAGES[name])


def main(names: Sequence[str]) -> None:
    """Make the environments of these peers, or of all."""
    for name in names or PACKAGES:
        make(name)


if __name__ == "__main__":
    main(sys.argv[1:])
