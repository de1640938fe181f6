"""Dig the provider's own sentence out of what programs wrap around it.

Called by `fingerprint`. Pure. Structures are read here: JSON (also cut off, also inside a string),
Python reprs and HTML pages; `wrappers` takes off what is written before and behind. What cannot be
read is left as it is: the result is never empty where text was.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from goldseam.errors.wrappers import phrase_of_bare_status, without_frame, without_head

_MAX_LAYERS: Final = 8
"""Wrappers around wrappers; gateways have been seen to nest four deep."""

_MAX_BEFORE_PAGE: Final = 400
"""Characters in which a page of HTML starts, if the text holds one."""

_MESSAGE_KEYS: Final = (
    "message",
    "error",
    "errors",
    "detail",
    "error_description",
    "error_message",
    "errormessage",
    "error_msg",
    "msg",
    "title",
    "details",
)
_UPSTREAM_KEYS: Final = ("metadata", "raw")
"""Where a gateway keeps what the provider behind it said."""

_HTML: Final = re.compile(r"<(?:!doctype|html|head|h1)\b", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]{1,500}>")
_HTML_TITLE: Final = re.compile(r"<(title|h1)[^>]*>(?P<text>.*?)</\1", re.IGNORECASE | re.DOTALL)
_STRING: Final = r"""(?:"(?P<d>(?:[^"\\]|\\.)+)|'(?P<s>(?:[^'\\]|\\.)+))"""
"""The beginning of a quoted text up to its end or to where it was cut off."""

_MESSAGE_IN_CUT_TEXT: Final = re.compile(
    rf"""(?<!\w)['"]?(?:(?:error_?)?message|(?:error_?)?msg|detail|error_description|error)"""
    rf"""['"]?\s*:\s*"""
    rf"{_STRING}",
    re.IGNORECASE,
)
_RAW_IN_CUT_TEXT: Final = re.compile(rf"""['"]raw['"]\s*:\s*{_STRING}""")
_FIELD: Final = re.compile(r"""['"]\w+['"]\s*:""")
_MESSAGE_OF_GRPC: Final = re.compile(rf"\b(?:grpc_message:|details = ){_STRING}")
_MESSAGE_IN_REPR: Final = re.compile(rf"\w\(.{{0,80}}?\bmessage={_STRING}")
_EXCEPTION_REPR: Final = re.compile(
    r"""^[\w.]*(?:Error|Exception|Timeout)\((?P<q>['"])(?P<text>.+?)(?P=q)[,)]"""
)
_ESCAPED: Final = re.compile(r"\\u([\da-fA-F]{4})")
_WORD: Final = re.compile(r"[A-Za-z]{2}|[^\x00-\u024f\u2000-\u2bff]{2}")
_STRAIGHT: Final = str.maketrans(
    {"\u2010": "-", "\u2011": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
)
"""Typographic hyphens and quotes, as the programs wrote them."""

_QUOTA_ID: Final = re.compile(r"""quota_?[iI]d\\?['"]\s*:\s*\\?['"](?P<id>[A-Za-z-]{1,120})""")
_QUOTA_WORDS: Final = re.compile(r"Requests?|Tokens?|Images?|PerDay|PerHour|PerMinute|PerSecond")


def innermost(message: str) -> str:
    """Return the provider's own sentence without its wrappers; never empty where text was."""
    text = message.translate(_STRAIGHT).strip()
    for _ in range(_MAX_LAYERS):
        inner = _peel(text).strip()
        if not inner or inner == text:
            break
        text = inner
    return text + _quota_named_in(message, text)


def _quota_named_in(message: str, text: str) -> str:
    """Name the limit that Google puts into the details only: a minute's and a day's differ."""
    found = _QUOTA_ID.search(message)
    if not found or found["id"] in text:
        return ""
    words = " ".join(_QUOTA_WORDS.findall(found["id"]))
    return f" Quota: {words}." if words else ""


def _peel(text: str) -> str:
    """Take one wrapper off."""
    for peeled in _layers(text):
        if peeled and peeled.strip() not in {"", text}:
            return peeled
    return text


def _layers(text: str) -> Iterator[str | None]:
    """Yield what is left of `text` without each kind of wrapper that it may have."""
    yield phrase_of_bare_status(text)
    yield _from_string(text)
    yield _from_html(text)
    yield _from_structure(text)
    if '\\"' in text and "{" in text:
        yield _from_structure(_unescaped(text))
    for pattern in (_MESSAGE_OF_GRPC, _MESSAGE_IN_REPR, _EXCEPTION_REPR):
        if found := pattern.search(text):
            groups = found.groupdict()
            yield _unescaped(groups.get("d") or groups.get("s") or groups.get("text") or "")
    yield without_frame(text)
    yield without_head(text)


def _from_string(text: str) -> str | None:
    """Return what a JSON string says."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':  # noqa: PLR2004 - two quotes
        return None
    found = _decoded(text)
    return found if isinstance(found, str) else None


def _from_html(text: str) -> str | None:
    page = _HTML.search(text, 0, _MAX_BEFORE_PAGE)
    if not page:
        return None
    import html  # noqa: PLC0415 - its table of entities is large, and pages are rare

    title = _HTML_TITLE.search(text, page.start())
    return html.unescape(_TAG.sub(" ", title["text"] if title else text[page.start() :]))


def _from_structure(text: str) -> str | None:
    """Return the message of the JSON object, Python dict or list in `text`."""
    start = min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=-1)
    if start < 0:
        return _from_cut_text(text, 0) if _FIELD.match(text) else None
    found = _message(_decoded(text[start:]))
    if found is not None:
        return found
    return _from_cut_text(text, start)


def _from_cut_text(text: str, start: int) -> str | None:
    """Return the first message that has words, of what is no JSON or only its beginning."""
    if raw := _RAW_IN_CUT_TEXT.search(text, start):
        return _unescaped(raw["d"] or raw["s"])
    for cut in _MESSAGE_IN_CUT_TEXT.finditer(text, start):
        found = _unescaped(cut["d"] or cut["s"])
        if _WORD.search(found):
            return found
    return None


def _unescaped(text: str) -> str:
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return plain.replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n")


def _decoded(text: str) -> object:
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        pass
    end = max(text.rfind("}"), text.rfind("]")) + 1
    try:
        return ast.literal_eval(text[:end])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _message(value: object, depth: int = 0) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, list) and value and depth < _MAX_LAYERS:
        return _message(value[0], depth + 1)
    if not isinstance(value, Mapping) or depth >= _MAX_LAYERS:
        return None
    fields: Mapping[Any, Any] = {str(key).lower(): item for key, item in value.items()}
    return _upstream(fields) or _located(fields) or _first(fields, depth)


def _first(fields: Mapping[Any, Any], depth: int) -> str | None:
    found = (_message(fields.get(key), depth + 1) for key in _MESSAGE_KEYS)
    if text := next(filter(None, found), None):
        return text
    kind = fields.get("type")  # an error with an empty message
    return kind if isinstance(kind, str) and fields.keys() & set(_MESSAGE_KEYS) else None


def _upstream(fields: Mapping[Any, Any]) -> str | None:
    """Return what the provider behind a gateway said; the gateway says only that it did."""
    inner: Any = fields
    for key in _UPSTREAM_KEYS:
        inner = inner.get(key) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, str) and _WORD.search(inner) else None


def _located(fields: Mapping[Any, Any]) -> str | None:
    """Return a validation error as its place and text."""
    place, text = fields.get("loc"), fields.get("msg")
    if not isinstance(place, list | tuple) or not isinstance(text, str):
        return None
    return f"{'.'.join(str(part) for part in place if part != 'body')}: {text}"
