"""What may be said about content: hash and length of a prompt, and the cleaned words of an error.

No prompt or answer text leaves the process. A provider's error message keeps its words, numbers
and request ids, and loses secrets, e-mail addresses, URL credentials, quoted values, and whatever
it repeats of the request. Called by `_invocation` and `_recovery`; pure.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from goldseam.errors.redact import redact

MASK: Final = "…"

RUN_WORDS: Final = 4
"""A run of this many words that also occurs in the request is an echo of it."""

MIN_VERBATIM_CHARS: Final = 8
"""A shorter text of the request, such as `user`, may stand in a message by chance."""

MAX_SCANNED_CHARS: Final = 500_000
"""Looking for echoes takes about 0.1 µs a character; of larger requests no words are kept."""

MAX_MESSAGE_CHARS: Final = 2_000
"""What the column `error_message` holds."""

MAX_DEPTH: Final = 32
"""Deeper nesting is not JSON that a provider accepts."""

_VOCABULARY: Final = frozenset({"model", "role", "type", "service_tier", "reasoning_effort"})
"""Fields whose texts are the provider's words, not the application's."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORD: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
"""A word; where a script has no spaces between words, a character."""

_IDENTIFIER: Final = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[^\W\d_])[\w-]{8,}")
"""Letters and digits mixed, as in account numbers and ids; one alone gives its owner away."""

_QUOTED: Final = re.compile(
    r"""(?P<d>"[^"\n]*")|(?P<b>`[^`\n]*`)|(?<!\w)'[^'\n]*'(?!\w)|“[^”\n]*”|«[^»\n]*»"""
)


def canonical_text(parts: Iterable[str]) -> str:
    """Return the text that prompt hash and length are taken of.

    The parts joined by line breaks, in normal form C, lone surrogates replaced by U+FFFD.
    """
    text = "\n".join(parts)
    if text.isascii():
        return text
    return _LONE_SURROGATE.sub("\ufffd", unicodedata.normalize("NFC", text))


def sha256(text: str) -> str:
    """Return the lower-case hexadecimal SHA-256 of a canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()


def provider_words(error: BaseException) -> str:
    """Return what the provider said: the message of the error's body, else the exception's text.

    The body comes first because an exception's text may be a quotation of the whole body.
    """
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        return _message_in(body) or str(error)
    return str(error)


def safe_message(message: str, request: Iterable[str]) -> str:
    """Return an error message without secrets and without anything of the request.

    Args:
        message: The provider's words.
        request: Every text of the request that may not be repeated.
    """
    texts = _bounded(request)
    if texts is None:
        return f"{MASK} (the request is too large to look for echoes of it)"
    text = message[:MAX_MESSAGE_CHARS]
    for part in texts:
        if len(part) >= MIN_VERBATIM_CHARS and part in text:
            text = text.replace(part, MASK)
    text = _QUOTED.sub(lambda quoted: f"{quoted[0][0]}{MASK}{quoted[0][-1]}", text)
    return redact(_without_echoes(text, texts), MAX_MESSAGE_CHARS)


def texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every string value inside JSON-like data, but not the protocol's own words."""
    if isinstance(value, str):
        yield value
    elif depth >= MAX_DEPTH:
        return
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not (isinstance(inner, str) and key in _VOCABULARY):
                yield from texts_in(inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts_in(inner, depth + 1)


def _message_in(body: Mapping[str, Any]) -> str | None:
    error = body.get("error")
    inner = error.get("message") if isinstance(error, Mapping) else error
    found = (text for text in (body.get("message"), inner, body.get("detail")) if text)
    return next((text for text in found if isinstance(text, str)), None)


def _bounded(texts: Iterable[str]) -> Sequence[str] | None:
    """Return the distinct non-empty texts, None where they are too much to search."""
    kept: dict[str, None] = {}
    total = 0
    for text in texts:
        stripped = text.strip()
        total += len(stripped)
        if total > MAX_SCANNED_CHARS:
            return None
        if stripped:
            kept[stripped] = None
    return list(kept)


def _without_echoes(message: str, texts: Sequence[str]) -> str:
    for start, end in reversed(_merged(sorted(_echoes(message, texts)))):
        message = f"{message[:start]}{MASK}{message[end:]}"
    return message


def _echoes(message: str, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the spans of `message` that repeat the request."""
    words = [(match[0].casefold(), match.start(), match.end()) for match in _WORD.finditer(message)]
    runs = list(_runs([word for word, _, _ in words]))
    identifiers = list(_IDENTIFIER.finditer(message))
    if not runs and not identifiers:
        return
    wanted, repeated = set(runs), set[tuple[str, ...]]()
    for text in texts:
        folded = text.casefold()
        repeated |= wanted.intersection(_runs(_WORD.findall(folded)))
        for identifier in identifiers:
            if identifier[0].casefold() in folded:
                yield identifier.span()
    for index, run in enumerate(runs):
        if run in repeated:
            yield words[index][1], words[index + RUN_WORDS - 1][2]


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[offset:] for offset in range(RUN_WORDS)), strict=False)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = list(spans[:1])
    for start, end in spans[1:]:
        last_start, last_end = merged[-1]
        if start <= last_end:
            merged[-1] = (last_start, max(last_end, end))
        else:
            merged.append((start, end))
    return merged
