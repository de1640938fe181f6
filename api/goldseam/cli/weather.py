"""The provider weather of `goldseam demo`: two scripted providers with known faults.

Which fault a question meets depends on its number only, so every run tells the same story. The
first provider is what the program asks; the second is its fallback, good but not perfect.
"""

import re
from pathlib import Path
from typing import Final

from goldseam.recovery import testing
from goldseam.recovery.testing import Reply, Request

PRIMARY_MODEL: Final = "gpt-4o-mini"
BACKUP_MODEL: Final = "llama3.1"

_CONFIG: Final = f"""\
[recovery]
mode = "on"
deadline_s = 8.0
fallback = ["ollama"]

[providers.openai]
base_url = "{{primary}}"
api_key_env = "OPENAI_API_KEY"

[providers.ollama]
base_url = "{{backup}}"
models = {{{{ "{PRIMARY_MODEL}" = "{BACKUP_MODEL}" }}}}
"""

_SERVICE_TIME_S: Final = 0.02
_OUTAGE: Final = range(120, 150)
_DOOMED_EVERY: Final = 67
"""These questions fail everywhere, so that the summary has a loss to show."""

_OVERLOADED: Final = testing.error(503, message="The server is currently overloaded")
_BUSY: Final = testing.error(503, message="server busy, please try again")

Faults = tuple[tuple[int, Reply], ...]
"""Shares of the questions, in per cent, and what they meet."""

_PRIMARY_ALWAYS: Final[Faults] = (
    (
        3,
        testing.error(
            400,
            code="context_length_exceeded",
            message="This model's maximum context length is 128000 tokens.",
        ),
    ),
)
_PRIMARY_FIRST: Final[Faults] = (
    *_PRIMARY_ALWAYS,
    (
        6,
        testing.error(
            429,
            code="rate_limit_exceeded",
            message="Rate limit reached for requests. Please try again in 100ms.",
            retry_after=0.1,
        ),
    ),
    (4, testing.hang(5.0)),
    (5, testing.error(500, message="The server had an error while processing your request")),
    (3, testing.cut()),
    (2, _OVERLOADED),
)
_BACKUP_FIRST: Final[Faults] = ((25, _BUSY),)


def primary(request: Request) -> Reply:
    """Answer as the provider that the program asks: rate limits, hangs, errors, an outage."""
    number = _number(request)
    if _doomed(number) or number in _OUTAGE:
        return _OVERLOADED
    faults = _PRIMARY_FIRST if request.attempt == 1 else _PRIMARY_ALWAYS
    return _pick(faults, number * 37 % 100) or _answer(number)


def backup(request: Request) -> Reply:
    """Answer as the fallback: overloaded for one question in four, the first time."""
    number = _number(request)
    if _doomed(number):
        return _BUSY
    faults = _BACKUP_FIRST if request.attempt == 1 else ()
    return _pick(faults, number * 53 % 100) or _answer(number)


def write_config(folder: Path, primary_url: str, backup_url: str) -> Path:
    """Write what a platform owner would: who the providers are, and which one steps in."""
    path = folder / "goldseam.toml"
    path.write_text(_CONFIG.format(primary=primary_url, backup=backup_url))
    return path


def _pick(faults: Faults, share: int) -> Reply | None:
    for size, reply in faults:
        if share < size:
            return reply
        share -= size
    return None


def _answer(number: int) -> Reply:
    return testing.delayed(testing.chat(f"{2 * number}"), _SERVICE_TIME_S)


def _doomed(number: int) -> bool:
    return number % _DOOMED_EVERY == _DOOMED_EVERY - 1


def _number(request: Request) -> int:
    body = request.json if isinstance(request.json, dict) else {}
    found = re.search(r"Question (\d+)", str(body.get("messages")))
    return int(found[1]) if found else 0
