"""Group error texts: same cause and same fix, same key.

Called on both sides over the same redacted text; the key goes into `error_pattern`, the template
is what people read. Two stages, both pure: `innermost` digs the provider's own sentence out of
Python reprs, JSON, HTML and class names; the masks then replace what varies from call to call.
A change to either raises `VERSION`, because keys of different versions do not compare.
"""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from goldseam.errors.masks import mask

VERSION: Final = 1
"""Of extraction and masks together; stored with every pattern."""

MAX_TEMPLATE: Final = 500
"""Characters of a template: the column's limit."""

_MAX_INPUT: Final = 2_000
_KEY_HEX: Final = 12
"""48 bits: one chance in a million that two of 20,000 patterns of one provider meet."""

_MAX_LAYERS: Final = 6
"""Wrappers around wrappers; gateways have been seen to nest four deep."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of an error text.

    Attributes:
        key: Short hash of the template.
        template: The text with what varies replaced by `<kind>`.
        version: Version of the rules that made both.
    """

    key: str
    template: str
    version: int = VERSION


def fingerprint(message: str) -> Fingerprint:
    """Return the identity of `message`, which should be redacted before."""
    template = mask(innermost(message[:_MAX_INPUT]))[:MAX_TEMPLATE].strip()
    digest = hashlib.sha256(template.casefold().encode()).hexdigest()
    return Fingerprint(key=digest[:_KEY_HEX], template=template)


def error_pattern(code: str, provider: str, fingerprint: Fingerprint) -> str:
    """Return the pattern that rows and corrections are filed under."""
    return f"{code}:{provider}:{fingerprint.key}"


_PREFIX: Final = re.compile(
    r"""^(?:
        (?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Timeout|Warning|Failure)\s*(?::|-)\s*
      | [A-Z]\w*Exception\s-\s
      | (?:Error|HTTP)\s(?:code|status)?:?\s?\d{3}\s*[-:]\s*
      | status_code:\s\d{3},\s(?:model_name:\s[^,]+,\s)?(?:body:\s)?
      | \d{3}\s[A-Z_]{3,}\.\s
      | (?:error|Error):\s
    )""",
    re.VERBOSE,
)
_MESSAGE_IN_CUT_TEXT: Final = re.compile(
    r"""['"](?:message|detail|error_description|error)['"]\s*:\s*(?:"(?P<d>(?:[^"\\]|\\.)+)|'(?P<s>(?:[^'\\]|\\.)+))"""
)
_TAG: Final = re.compile(r"<[^>]{1,500}>")
_HTML_TITLE: Final = re.compile(r"<(title|h1)[^>]*>(?P<text>.*?)</\1", re.IGNORECASE | re.DOTALL)
_MESSAGE_KEYS: Final = ("message", "error", "errors", "detail", "error_description", "msg", "title")


def innermost(message: str) -> str:
    """Return the provider's own sentence without its wrappers; never empty where text was."""
    text = message.strip()
    for _ in range(_MAX_LAYERS):
        inner = _peel(text).strip()
        if not inner or inner == text:
            break
        text = inner
    return text


def _peel(text: str) -> str:
    """Take one wrapper off."""
    if prefix := _PREFIX.match(text):
        return text[prefix.end() :] or text
    if text[:200].lstrip().lower().startswith(("<!doctype", "<html", "<head", "<h1")):
        return _from_html(text)
    start = min((at for at in (text.find("{"), text.find("[{")) if at >= 0), default=-1)
    if start < 0:
        return text
    return _from_mapping(text[start:]) or text


def _from_html(text: str) -> str:
    import html  # noqa: PLC0415 - its table of entities is large, and pages are rare

    title = _HTML_TITLE.search(text)
    return html.unescape(_TAG.sub(" ", title["text"] if title else text))


def _from_mapping(text: str) -> str | None:
    """Return the message of the JSON object or Python dict that starts `text`."""
    found = _message(_decoded(text))
    if found is not None:
        return found
    cut = _MESSAGE_IN_CUT_TEXT.search(text)
    return (cut["d"] or cut["s"]) if cut else None


def _decoded(text: str) -> object:
    try:
        return json.JSONDecoder().raw_decode(text)[0]
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
    fields: Mapping[Any, Any] = value
    found = (_message(fields.get(key), depth + 1) for key in _MESSAGE_KEYS)
    return next(filter(None, found), None)
