"""Name a failure: evidence in, one of the sixteen codes out.

Called in the application with a live exception and in the collector with what a span says; one
table of rules (`rules.RULES`) serves both, so both give the same code. Pure, imports no SDK.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from goldseam.errors.codes import ErrorCode
from goldseam.errors.rules import GAP, RULES, SPECIFIC, TRANSPORT, Rule

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

_MAX_GAP: Final = 60
"""Characters between two parts of what a rule looks for: a model's name and a few words."""

_MAX_DEPTH: Final = 6
"""Errors nest as body → error → details → item → violations → item at most."""

_CODE_KEYS: Final = ("code", "type", "error_code", "status", "quotaId")
_NESTED_KEYS: Final = ("error", "details", "innererror", "metadata", "violations")


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
    open_rules = _open_rules(facts.status, facts.class_name)
    decided = open_rules.decided_by(facts.codes)
    last = decided.place if decided else len(_VERDICTS)
    text = facts.text
    for verdict in open_rules.of_text:
        place, _, _, first, second = verdict
        if place > last:
            break
        if first in text and second in text and _is_near(text, first, second):
            decided = verdict
            break
    if decided is None:
        return Classification(ErrorCode.UNKNOWN, "none")
    return Classification(decided.rule.code, f"{decided.rule.source}:{decided.word}")


def evidence_from_exception(error: BaseException) -> Evidence:
    """Collect what an exception of any SDK or HTTP library says about itself.

    Looks at `status_code`, `code`, `type`, `body` and `response`; never raises.
    """
    body = _attribute(error, "body")
    codes = tuple(dict.fromkeys((*_own_codes(error), *_codes_in(body))))
    return Evidence(
        exception_type=_telling_class(type(error)),  # type: ignore[arg-type] # mypy asks the class, not its type, for a hash
        http_status=_status_of(error),
        provider_codes=codes,
        message=_message_of(error, body),
    )


def _is_near(text: str, first: str, second: str) -> bool:
    """Tell whether `second` follows `first` in `text` within a few words."""
    start = text.find(first) if second else -1
    while start >= 0:
        end = start + len(first)
        if text.find(second, end, end + _MAX_GAP + len(second)) >= 0:
            return True
        start = text.find(first, end)
    return not second


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
        frozenset([code.lower() for code in codes]),
        (_URL.sub("", text) if "://" in text else text).lower(),
    )


def _class_in(text: str, evidence: Evidence) -> str:
    """Return the class that starts a text which came without class and status."""
    found = _CLASS_IN_TEXT.match(text) if evidence.http_status is None else None
    return found[0] if found else ""


class _Verdict(NamedTuple):
    """What one word of a rule says, its place in the order of all words, and its two parts."""

    place: int
    word: str
    rule: Rule
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class _OpenRules:
    """The rules that a status and a class leave undecided.

    Attributes:
        of_text: By what stands in the text, in order.
        by_code: By what the provider's code is.
        otherwise: What status or class say by themselves.
    """

    of_text: tuple[_Verdict, ...]
    by_code: Mapping[str, _Verdict]
    otherwise: _Verdict | None

    def decided_by(self, codes: frozenset[str]) -> _Verdict | None:
        """Return the first verdict that holds whatever the text says."""
        first = self.otherwise
        for code in codes:
            verdict = self.by_code.get(code)
            if verdict is not None and (first is None or verdict.place < first.place):
                first = verdict
        return first


@lru_cache(maxsize=_MAX_CLASSES)
def _open_rules(status: int | None, class_name: str) -> _OpenRules:
    """Return the rules up to the first that these two decide.

    Failures of an application come with few statuses and classes, and most of the table looks at
    nothing else.
    """
    of_text: list[_Verdict] = []
    by_code: dict[str, _Verdict] = {}
    for verdict in _VERDICTS:
        rule, word = verdict.rule, verdict.word
        if rule.statuses and status is not None and status not in rule.statuses:
            continue
        if rule.source == "text":
            of_text.append(verdict)
        elif rule.source == "provider_code":
            by_code.setdefault(word, verdict)
        elif word in (class_name if rule.source == "class" else _status_words(status)):
            return _OpenRules(tuple(of_text), by_code, verdict)
    return _OpenRules(tuple(of_text), by_code, None)


def _status_words(status: int | None) -> tuple[str, ...]:
    """Return how rules may name a status."""
    if status is None:
        return ()
    return (str(status), "5xx") if 500 <= status <= 599 else (str(status),)  # noqa: PLR2004


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
        if _is_code(value):
            yield str(value)


def _is_code(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _codes_in(body: object, depth: int = 0) -> list[str]:
    """Return the codes of a decoded error body, outermost first."""
    if body is None or isinstance(body, str) or depth >= _MAX_DEPTH:
        return []
    if isinstance(body, list) and body:
        return _codes_in(body[0], depth + 1)
    if not isinstance(body, (dict, Mapping)):  # most are dicts, and asking for one costs less
        return []
    codes = [str(body[key]) for key in _CODE_KEYS if _is_code(body.get(key))]
    for key in _NESTED_KEYS:
        if key in body:
            codes += _codes_in(body[key], depth + 1)
    return codes


def _status_of(error: BaseException) -> int | None:
    for holder in (error, _attribute(error, "response")):
        for name in ("status_code", "status", "http_status"):
            value = _attribute(holder, name) if holder is not None else None
            if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:  # noqa: PLR2004
                return value
    return None


@lru_cache(maxsize=_MAX_CLASSES)
def _telling_class(own: type[BaseException]) -> str:
    """Return the name of the nearest class that a rule knows, of the exception's own else."""
    classes = [cls for cls in own.__mro__ if cls not in (BaseException, object)]
    cls = next((cls for cls in classes if _is_known(cls.__name__.lower())), own)
    return f"{cls.__module__}.{cls.__qualname__}" if cls.__module__ != "builtins" else cls.__name__


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
    if depth >= _MAX_DEPTH or not isinstance(body, (dict, Mapping)):
        return ""
    for key in ("message", "error", "detail"):
        if found := _message_in(body.get(key), depth + 1):
            return found
    return ""


_VERDICTS: Final = tuple(
    _Verdict(place, word, rule, *word.partition(GAP)[::2])
    for place, (word, rule) in enumerate((word, rule) for rule in RULES for word in rule.words)
)
