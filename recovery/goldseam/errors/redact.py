"""Make an error text fit to leave the process.

Called on every error text before it reaches a span, a row or a log line. Pure. It keeps the
provider's words, numbers and request ids; it removes control characters, secrets, e-mail
addresses, credentials in URLs and tracebacks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_MESSAGE: Final = 2_000
"""Characters of an error text that are kept: the column's limit."""

_MAX_INPUT: Final = 2 * MAX_MESSAGE
"""An error page may be megabytes; what stands behind this is cut before the patterns run. Twice
the limit, because masks are shorter than what they hide."""

_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)
_TRACEBACK: Final = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class _Secret:
    """A kind of secret.

    Attributes:
        telltales: Parts, one of which every such secret has. Looking for them is a fraction of the
            pattern's cost, and most texts hold none. Case-folded, and without an `i`: patterns
            take its dotless and dotted variants for it, folding does not.
        pattern: What the secret looks like.
        mask: What stands in its place.
    """

    telltales: tuple[str, ...]
    pattern: re.Pattern[str]
    mask: str


_SECRETS: Final = (
    # Credentials in URLs go first: their `user:password@` looks like an e-mail address.
    _Secret(("@",), re.compile(r"(?<=://)[^\s/@'\"]{1,200}@"), "***@"),
    _Secret(
        ("bearer ", "bas"),
        re.compile(r"\b(Bearer|Basic) +(?=[A-Za-z.~+/=:*_-]*\d)[\w.~+/=:*-]{4,}", re.IGNORECASE),
        r"\1 ***",
    ),
    _Secret(
        ("-", "_"),
        re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|glpat|ghp|gs|nvapi|pplx|r8)[-_][\w*.-]{4,}\w"),
        "***",
    ),
    _Secret(("aiza", "akia"), re.compile(r"\bAIza[\w-]{10,}|\bAKIA[A-Z0-9]{12,}"), "***"),
    _Secret(("eyj",), re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?"), "***"),
    _Secret(
        tuple(
            f"{name}{sign}"
            for name in ("key", "token", "secret", "password", "passwd", "gnature")
            for sign in ("=", '"', "'")
        ),
        re.compile(
            r"(?<![\w-])([\w-]{0,40}(?:api[_-]?key|apikey|access[_-]?token|auth[_-]?token|secret|password|passwd"
            r"|signature|client[_-]?secret|key|token))"
            r"((?:[\"']\s*:\s*[\"']?|=[\"']?))(?!\*\*\*)[^\s&,;\"'}]{4,}",
            re.IGNORECASE,
        ),
        r"\1\2***",
    ),
    _Secret(("key provided: ",), re.compile(r"(?<=key provided: )\S+?(?=[.,;]?(?:\s|$))"), "***"),
    _Secret(
        ("@",),
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"),
        "***@***",
    ),
)
"""In the order in which they are looked for."""


def redact(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return `text` without control characters, secrets and traceback.

    Args:
        text: The message of an exception or span.
        limit: Longest result in characters.
    """
    line = _without_traceback(text)[:_MAX_INPUT]
    if not line.isprintable():
        line = _CONTROL.sub(" ", line)
    for secret in _suspected(line):
        line = secret.pattern.sub(secret.mask, line)
    return line.strip()[:limit]


def _suspected(line: str) -> Iterator[_Secret]:
    """Yield the kinds of secrets that may be in a text."""
    folded = line.casefold()
    for secret in _SECRETS:
        for telltale in secret.telltales:
            if telltale in folded:
                yield secret
                break


def _without_traceback(text: str) -> str:
    """Return the first line of a text that holds a traceback, else the text.

    A text that starts with the traceback says what happened in its last line.
    """
    if _TRACEBACK not in text:
        return text
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines[0].startswith(_TRACEBACK) else lines[0]
