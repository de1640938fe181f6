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

_CONNECTION_ERROR: Final = "Connection error."
"""The whole text of the `APIConnectionError` of openai, anthropic and their like."""

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORD: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
"""A word; where a script has no spaces between words, a character."""

_BETWEEN_WORDS: Final = str.maketrans(
    {sign: " " for sign in map(chr, range(128)) if not sign.isalnum() and sign != "_"}
)
"""Turns what `_WORD` does not match in ASCII into blanks."""

MIN_NAME_CHARS: Final = 8
"""Shorter mixtures of letters and digits are words such as `gpt4`."""

_LONG_NAME: Final = re.compile(rf"[\w-]{{{MIN_NAME_CHARS},}}")
_DIGIT: Final = re.compile(r"\d")
_LETTER: Final = re.compile(r"[^\W\d_]")

_QUOTED: Final = re.compile(r"""\"[^"\n]*"|`[^`\n]*`|'(?<!\w')[^'\n]*'(?!\w)|“[^”\n]*”|«[^»\n]*»""")
"""Every kind begins with a fixed character, so that a search skips to the next of them."""


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

    The body comes first because an exception's text may be a quotation of the whole body. Where an
    SDK's text is always "Connection error.", what broke the connection is added.
    """
    body = getattr(error, "body", None)
    if isinstance(body, (dict, Mapping)):  # most are dicts, and asking for one costs less
        return _message_in(body) or str(error)
    text = str(error)
    if text != _CONNECTION_ERROR:
        return text
    return next((f"{text[:-1]}: {reason}" for reason in _reasons(error)), text)


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
    text = _QUOTED.sub(_mask_quoted, text)
    return redact(_without_echoes(text, texts), MAX_MESSAGE_CHARS)


def texts_in(value: Any, depth: int = 0) -> list[str]:
    """Return every string value inside JSON-like data, but not the protocol's own words."""
    if isinstance(value, str):
        return [value]
    found: list[str] = []
    if depth >= MAX_DEPTH or value is None:
        return found
    if isinstance(value, (dict, Mapping)):  # most are dicts, and asking for one costs less
        for key, inner in value.items():
            if isinstance(inner, str):
                if key not in _VOCABULARY:
                    found.append(inner)
            elif not isinstance(inner, (int, float)):
                found += texts_in(inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            found += texts_in(inner, depth + 1)
    return found


def _reasons(error: BaseException) -> Iterator[str]:
    """Yield what the exceptions said that led to this one, the first one first."""
    causes: list[BaseException] = []
    while (cause := error.__cause__) is not None and len(causes) < MAX_DEPTH:
        causes.append(cause)
        error = cause
    yield from filter(None, map(str, reversed(causes)))


def _message_in(body: Mapping[str, Any]) -> str | None:
    error = body.get("error")
    inner = error.get("message") if isinstance(error, (dict, Mapping)) else error
    for text in (body.get("message"), inner, body.get("detail")):
        if text and isinstance(text, str):
            return text
    return None


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


def _mask_quoted(quoted: re.Match[str]) -> str:
    return f"{quoted[0][0]}{MASK}{quoted[0][-1]}"


def _without_echoes(message: str, texts: Sequence[str]) -> str:
    folded = [text.casefold() for text in texts]
    echoes = [*_echoed_runs(message, folded), *_echoed_identifiers(message, folded)]
    for start, end in reversed(_merged(sorted(echoes))):
        message = f"{message[:start]}{MASK}{message[end:]}"
    return message


def _echoed_identifiers(message: str, folded: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the spans of account numbers and ids: one alone gives its owner away.

    They mix letters and digits.
    """
    if not any(len(part) >= MIN_NAME_CHARS and _DIGIT.search(part) for part in message.split()):
        return
    for name in _LONG_NAME.finditer(message):
        if _DIGIT.search(name[0]) and _LETTER.search(name[0]):
            wanted = name[0].casefold()
            if any(wanted in text for text in folded):
                yield name.span()


def _echoed_runs(message: str, folded: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the spans of runs of words that the request has too."""
    suspects = _texts_with_a_run(message, folded)
    if not suspects:
        return
    words = [(match[0].casefold(), match.start(), match.end()) for match in _WORD.finditer(message)]
    runs = list(_runs([word for word, _, _ in words]))
    wanted, repeated = set(runs), set[tuple[str, ...]]()
    for text in suspects:
        repeated |= wanted.intersection(_runs(_WORD.findall(text)))
    for index, run in enumerate(runs):
        if run in repeated:
            yield words[index][1], words[index + RUN_WORDS - 1][2]


def _texts_with_a_run(message: str, folded: Sequence[str]) -> Sequence[str]:
    """Return the texts that may have a run of the message's words.

    A run holds one of every `RUN_WORDS` words, and the word before it or behind it. Looking for
    these costs far less than splitting a text into words, and most messages share none with the
    request.
    """
    plain = message.replace(MASK, " ")
    if not plain.isascii():  # folding may change where its words begin
        return folded
    words = plain.lower().translate(_BETWEEN_WORDS).split()
    pivots = range(RUN_WORDS - 1, len(words), RUN_WORDS)
    trios = [(words[at], words[at - 1], words[at + 1 : at + 2]) for at in pivots]
    return [text for text in folded if _has_a_pair(text, trios)]


def _has_a_pair(text: str, trios: Sequence[tuple[str, str, Sequence[str]]]) -> bool:
    for word, before, behind in trios:
        if word in text and (before in text or (behind and behind[0] in text)):
            return True
    return False


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
