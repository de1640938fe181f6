"""Name a failure: evidence in, one of the sixteen codes out.

Called in the application with a live exception and in the collector with what a span says; one
table of rules (`rules.RULES`) serves both, so both give the same code. Pure, imports no SDK.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from goldseam.errors.codes import ErrorCode
from goldseam.errors.rules import RULES, SPECIFIC, TRANSPORT, Rule

_STATUS_IN_TEXT: Final = re.compile(
    r"(?:[Ee]rror code|status_code|HTTP|status code):? (?P<a>[1-5]\d\d)\b"
    r"|^(?P<b>[1-5]\d\d) [A-Z_]{3,}"
)
_STATUS_ALONE: Final = re.compile(r"[4-9][0-9]{2}")
_CODE_IN_TEXT: Final = re.compile(
    r"""['"](?:code|type|error_code|status)['"]\s*:\s*['"]?(?P<code>[A-Za-z][\w.-]*|\d+)"""
)
_CLASS_IN_TEXT: Final = re.compile(
    r"(?:[a-z_]\w{0,60}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception|Timeout)\b"
)
_LEADING_NAME: Final = re.compile(r"^\d{3} (?P<code>[A-Z_]{3,})\b")
_URL: Final = re.compile(r"https?://\S+")
_MAX_CLASSES: Final = 256
"""Names of exception classes that are remembered; an application meets a few dozen."""

_MAX_TEXT: Final = 8_000
"""Evidence stands near the start; a page of HTML is not searched to its end."""

_MAX_DEPTH: Final = 4
"""Errors nest as body → error → innererror → details at most."""

_CODE_KEYS: Final = ("code", "type", "error_code", "status")
_NESTED_KEYS: Final = ("error", "details", "innererror", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about a failure; every part may be missing.

    Attributes:
        explicit_code: A code that someone decided before, `goldseam.error.code`.
        exception_type: Class name, with or without its module, or `error.type` of a span, which
            may also be a status or a provider's error type.
        http_status: HTTP status of the answer.
        provider_codes: The provider's `code` and `type` values, outermost first.
        message: The text of the exception or of the span's status.
    """

    explicit_code: str | None = None
    exception_type: str | None = None
    http_status: int | None = None
    provider_codes: tuple[str, ...] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """The verdict and what decided it, for example `provider_code:insufficient_quota`."""

    code: ErrorCode
    rule: str


@dataclass(frozen=True, slots=True)
class _Facts:
    """Evidence in the form the rules look at: lower case, text mined for status and codes."""

    class_name: str
    status: int | None
    codes: frozenset[str]
    text: str


def classify(evidence: Evidence) -> Classification:
    """Return the code of the first rule that holds; `UNKNOWN` where none does."""
    if explicit := _known_code(evidence.explicit_code):
        return Classification(explicit, "explicit")
    facts = _facts(evidence)
    for rule in RULES:
        if word := _matched(rule, facts):
            return Classification(rule.code, f"{rule.source}:{word}")
    return Classification(ErrorCode.UNKNOWN, "none")


def evidence_from_exception(error: BaseException) -> Evidence:
    """Collect what an exception of any SDK or HTTP library says about itself.

    Looks at `status_code`, `code`, `type`, `body` and `response`; never raises.
    """
    body = _attribute(error, "body")
    codes = tuple(dict.fromkeys((*_own_codes(error), *_codes_in(body))))
    return Evidence(
        exception_type=_telling_class(error),
        http_status=_status_of(error),
        provider_codes=codes,
        message=_message_of(error, body),
    )


def _known_code(value: str | None) -> ErrorCode | None:
    try:
        return ErrorCode(value.upper()) if value else None
    except ValueError:
        return None


def _facts(evidence: Evidence) -> _Facts:
    text = (evidence.message or "")[:_MAX_TEXT]
    class_name = (evidence.exception_type or _class_in(text, evidence)).rpartition(".")[2]
    codes = {*evidence.provider_codes, *_codes_in_text(text)}
    status = evidence.http_status or _number(class_name) or _status_in_text(text)
    if status is None or status < 400:  # noqa: PLR2004 - answers below are no errors
        status = next(filter(None, map(_number, sorted(codes))), status)
    return _Facts(
        class_name.lower(),
        status,
        frozenset(code.lower() for code in codes),
        _URL.sub("", text).lower(),
    )


def _class_in(text: str, evidence: Evidence) -> str:
    """Return the class that starts a text which came without class and status."""
    found = _CLASS_IN_TEXT.match(text) if evidence.http_status is None else None
    return found[0] if found else ""


def _matched(rule: Rule, facts: _Facts) -> str | None:
    """Return the word of `rule` that the facts hold, None where the rule does not apply."""
    if rule.statuses and facts.status is not None and facts.status not in rule.statuses:
        return None
    match rule.source:
        case "class":
            return next((word for word in rule.words if word in facts.class_name), None)
        case "provider_code":
            return next((word for word in rule.words if word in facts.codes), None)
        case "text":
            return next((word for word in rule.words if word in facts.text), None)
        case "status":
            return next((word for word in rule.words if _status_is(word, facts.status)), None)


def _status_is(word: str, status: int | None) -> bool:
    if status is None:
        return False
    return str(status) == word or (word == "5xx" and 500 <= status <= 599)  # noqa: PLR2004


def _number(text: str) -> int | None:
    """Return `text` as an HTTP status if it is one."""
    return int(text) if _STATUS_ALONE.fullmatch(text) else None


def _status_in_text(text: str) -> int | None:
    found = _STATUS_IN_TEXT.search(text)
    return int(found["a"] or found["b"]) if found else None


def _codes_in_text(text: str) -> Iterator[str]:
    for found in _CODE_IN_TEXT.finditer(text):
        yield found["code"]
    if leading := _LEADING_NAME.match(text):
        yield leading["code"]


def _attribute(error: BaseException, name: str) -> Any:
    """Return an attribute of a foreign object; its properties may raise anything."""
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001 - a guest takes what it can get
        return None


def _own_codes(error: BaseException) -> Iterator[str]:
    for name in ("code", "type"):
        value = _attribute(error, name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)


def _codes_in(body: object, depth: int = 0) -> Iterator[str]:
    """Yield the codes of a decoded error body, outermost first."""
    if isinstance(body, list) and body and depth < _MAX_DEPTH:
        yield from _codes_in(body[0], depth + 1)
    if not isinstance(body, Mapping) or depth >= _MAX_DEPTH:
        return
    for key in _CODE_KEYS:
        value = body.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)
    for key in _NESTED_KEYS:
        yield from _codes_in(body.get(key), depth + 1)


def _status_of(error: BaseException) -> int | None:
    for holder in (error, _attribute(error, "response")):
        for name in ("status_code", "status", "http_status"):
            value = _attribute(holder, name) if holder is not None else None
            if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:  # noqa: PLR2004
                return value
    return None


def _telling_class(error: BaseException) -> str:
    """Return the name of the nearest class that a rule knows, of the exception's own else."""
    classes = [cls for cls in type(error).__mro__ if cls not in (BaseException, object)]
    known = (cls for cls in classes if _is_known(cls.__name__.lower()))
    cls = next(known, type(error))
    return f"{cls.__module__}.{cls.__qualname__}" if cls.__module__ != "builtins" else cls.__name__


@lru_cache(maxsize=_MAX_CLASSES)
def _is_known(name: str) -> bool:
    return any(word in name for rule in (*TRANSPORT, *SPECIFIC) for word in rule.words)


def _message_of(error: BaseException, body: object) -> str:
    """Return the exception's text, with the body's message where the text leaves it out."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a guest takes what it can get
        text = ""
    inner = _message_in(body)
    return f"{text} - {inner}".strip(" -") if inner and inner not in text else text


def _message_in(body: object, depth: int = 0) -> str:
    if isinstance(body, str):
        return body.strip()[:_MAX_TEXT]
    if not isinstance(body, Mapping) or depth >= _MAX_DEPTH:
        return ""
    found = (_message_in(body.get(key), depth + 1) for key in ("message", "error", "detail"))
    return next(filter(None, found), "")
