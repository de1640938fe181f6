"""Other people's instrumentations and clients beside Goldseam: every call is one span.

The programs of `programs/` run in environments of their own, which `environments.py` makes; where
one is not there, its tests are skipped.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from inline_snapshot import snapshot
from tests.peers.environments import PACKAGES, python_of

PROGRAMS: Final = Path(__file__).parent / "programs"

OFFICIAL: Final = {
    "genai-openai": "opentelemetry.instrumentation.genai.openai",
    "openai-v2": "opentelemetry.instrumentation.openai_v2",
}


def _seen(name: str, program: str, *arguments: str) -> dict[str, Any]:
    """Run a program in a peer's environment and return the spans of each call."""
    python = python_of(name)
    if python is None:
        pytest.skip(f"no environment: run `python tests/peers/environments.py {name}`")
    done = subprocess.run(
        [python, PROGRAMS / program, *arguments],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{"') :])
    return seen


def test_environments_are_those_of_the_tests() -> None:
    """Every environment that can be made is used here."""
    assert {*OFFICIAL, "langchain", "litellm"} == PACKAGES.keys()


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
@pytest.mark.parametrize("name", OFFICIAL)
def test_official_instrumentation_makes_the_span(name: str, order: str) -> None:
    """The span of a call that the official instrumentation covers is theirs alone."""
    seen = _seen(name, "official.py", order, OFFICIAL[name], "off")

    assert all(len(spans) == 2 for spans in seen.values())
    ours = [call for call, (_, span) in seen.items() if span.startswith("instrumentation ")]
    assert ours == ([] if name == "genai-openai" else ["responses"])


def test_recovery_goes_on_below_their_span() -> None:
    """With recovery on, our span hangs below theirs, where the collector counts the two as one."""
    seen = _seen("genai-openai", "official.py", "ours first", OFFICIAL["genai-openai"], "on")

    assert seen["chat"] == snapshot(
        ["answered", "openai chat m UNSET 9", "instrumentation chat m UNSET 9"]
    )


def test_langchain() -> None:
    """LangChain's calls are one span each, with its openai package and with its Ollama package."""
    assert _seen("langchain", "langchain_calls.py") == snapshot(
        {
            "openai": ["answered", "instrumentation chat m UNSET 9"],
            "openai stream": ["answered", "instrumentation chat m UNSET"],
            "openai refusal": [
                "OpenAIInvalidRequestError",
                "instrumentation chat m ERROR openai.BadRequestError",
            ],
            "openai async": ["answered", "instrumentation chat m UNSET 9"],
            "openai async stream": ["answered", "instrumentation chat m UNSET"],
            "openai async refusal": [
                "OpenAIInvalidRequestError",
                "instrumentation chat m ERROR openai.BadRequestError",
            ],
            "ollama": ["answered", "instrumentation chat m UNSET 9"],
            "ollama stream": ["answered", "instrumentation chat m UNSET 9"],
            "ollama refusal": ["ResponseError", "instrumentation chat m ERROR 400"],
            "ollama async": ["answered", "instrumentation chat m UNSET 9"],
            "ollama async stream": ["answered", "instrumentation chat m UNSET 9"],
            "ollama async refusal": ["ResponseError", "instrumentation chat m ERROR 400"],
            "openai embeddings": ["answered", "instrumentation embeddings m UNSET 9"],
            "ollama embeddings": ["answered", "instrumentation embeddings m UNSET 9"],
        }
    )


def test_litellm() -> None:
    """LiteLLM's calls are one span each, through the openai SDK and through its own requests."""
    assert _seen("litellm", "litellm_calls.py") == snapshot(
        {
            "openai": ["answered", "instrumentation chat m UNSET 9"],
            "openai stream": ["answered", "instrumentation chat m UNSET"],
            "openai refusal": [
                "BadRequestError",
                "instrumentation chat m ERROR openai.BadRequestError",
            ],
            "openai async": ["answered", "instrumentation chat m UNSET 9"],
            "openai async stream": ["answered", "instrumentation chat m UNSET"],
            "openai async refusal": [
                "BadRequestError",
                "instrumentation chat m ERROR openai.BadRequestError",
            ],
            "hosted_vllm": ["answered", "instrumentation chat m UNSET 9"],
            "hosted_vllm stream": ["answered", "instrumentation chat m UNSET"],
            "hosted_vllm refusal": ["BadRequestError", "instrumentation chat m ERROR 400"],
            "hosted_vllm async": ["answered", "instrumentation chat m UNSET 9"],
            "hosted_vllm async stream": ["answered", "instrumentation chat m UNSET"],
            "hosted_vllm async refusal": ["BadRequestError", "instrumentation chat m ERROR 400"],
            "anthropic": ["answered", "instrumentation chat m UNSET 9"],
            "anthropic stream": ["answered", "instrumentation chat m UNSET 9"],
            "anthropic refusal": ["BadRequestError", "instrumentation chat m ERROR 400"],
            "anthropic async": ["answered", "instrumentation chat m UNSET 9"],
            "anthropic async stream": ["answered", "instrumentation chat m UNSET 9"],
            "anthropic async refusal": ["BadRequestError", "instrumentation chat m ERROR 400"],
            "ollama": ["answered", "instrumentation chat m UNSET 9"],
            "ollama stream": ["answered", "instrumentation chat m UNSET 9"],
            "ollama refusal": ["BadRequestError", "instrumentation chat m ERROR 400"],
            "ollama async": ["answered", "instrumentation chat m UNSET 9"],
            "ollama async stream": ["answered", "instrumentation chat m UNSET 9"],
            "ollama async refusal": ["BadRequestError", "instrumentation chat m ERROR 400"],
            "openai embeddings": ["answered", "instrumentation embeddings m UNSET 9"],
        }
    )
