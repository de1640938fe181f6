"""How a request ended: status, error code, and the pattern that its error belongs to.

Evidence is taken from the span, strongest first, and judged by `goldseam.errors`, the same rules
that the application side uses on a live exception.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from goldseam.collector.mapping.reading import Reading
from goldseam.collector.spans import STATUS_ERROR, Attributes, Span
from goldseam.errors.classify import Evidence, classify
from goldseam.errors.codes import ErrorCode
from goldseam.errors.fingerprint import Fingerprint, error_pattern, fingerprint
from goldseam.errors.fixes import fix_for
from goldseam.errors.redact import redact
from goldseam.semconv.attributes import ERROR_CODE, EVENT_ORIGINAL_ERROR
from goldseam.storage.records import PatternRecord, Status, frozen

MAX_MESSAGE: Final = 2_000
MAX_TEMPLATE: Final = 500
MAX_ERROR_CODE: Final = 32

MESSAGES_KEPT: Final = 1_024
"""Error messages whose fingerprint is remembered: when a provider is down, all are alike."""

_NO_ATTRIBUTES: Final[Attributes] = {}
_HTTP_STATUSES: Final = range(100, 600)
_STATUS_IN_TEXT: Final = re.compile(
    r"Error code: (\d{3})\b|status_code: (\d{3})\b|^(\d{3}) [A-Z_]+", re.ASCII | re.MULTILINE
)
_TRACEBACK: Final = "Traceback (most recent call last)"
_EVIDENCE_CHARS: Final = 10_000
"""The beginning of an error text is all that is read; providers put their codes there."""


@frozen
class Outcome:
    """How a request ended. All but `status`, `responded` and `http_status` is None on success."""

    status: Status
    responded: bool
    http_status: int | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstError:
    """The error that came first, mended or not; `message` is masked."""

    code: str
    message: str


def outcome_of(
    reading: Reading, finish_reasons: list[str], *, last_http: int | None = None
) -> Outcome:
    """Return how the request of this span ended.

    Args:
        reading: The span.
        finish_reasons: Why the answer ended, as the provider says.
        last_http: Status of the last HTTP request below it, used if the span has none itself.
    """
    span = reading.span
    responded = bool(finish_reasons) or _has_response(reading)
    message = _message(reading)
    http_status = _http_status(reading, message) or last_http
    if not _failed(reading, finish_reasons, responded=responded):
        return Outcome(status="success", responded=responded, http_status=http_status)
    exception = _last_exception(span)
    explicit = reading.text("error_code", limit=MAX_ERROR_CODE)
    kind = reading.text("error_type", limit=MAX_MESSAGE) or _string(exception, "exception.type")
    code = _code(explicit=explicit, kind=kind, http_status=http_status, message=message)
    return Outcome(
        status="cancelled" if code == ErrorCode.CANCELLED else "error",
        responded=responded,
        http_status=http_status,
        error_code=code,
        error_message=redact(message, limit=MAX_MESSAGE) if message else None,
    )


def first_error(span: Span, outcome: Outcome) -> FirstError | None:
    """Return the error that recovery worked on, else the request's own, None if there is none."""
    for event in span.events:
        if event.name == EVENT_ORIGINAL_ERROR:
            message = _string(event.attributes, "exception.message")[:_EVIDENCE_CHARS]
            code = _code(
                explicit=_string(event.attributes, ERROR_CODE),
                kind=_string(event.attributes, "error.type"),
                http_status=None,
                message=message,
            )
            return FirstError(code=code, message=redact(message, limit=MAX_MESSAGE))
    if outcome.error_code is None:
        return None
    return FirstError(code=outcome.error_code, message=outcome.error_message or "")


def pattern_of(error: FirstError, *, provider: str, tenant_id: str) -> PatternRecord:
    """Return the pattern that groups errors with the same cause and the same fix."""
    identity = _identity(error.message)
    fix = fix_for(ErrorCode(error.code))
    return PatternRecord(
        tenant_id=tenant_id,
        error_pattern=error_pattern(ErrorCode(error.code), provider, identity),
        error_code=error.code,
        error_message_pattern=identity.template[:MAX_TEMPLATE],
        provider=provider,
        normaliser_version=identity.version,
        probable_cause=fix.probable_cause,
        suggested_action="\n".join(fix.suggested_actions),
    )


@lru_cache(maxsize=MESSAGES_KEPT)
def _identity(message: str) -> Fingerprint:
    return fingerprint(message)


def step_error_code(reading: Reading) -> str | None:
    """Return the code of the error that made a recovery step necessary or made it fail."""
    explicit = reading.text("error_code", limit=MAX_ERROR_CODE)
    if explicit is None and reading.span.status_code != STATUS_ERROR:
        return None
    kind = reading.text("error_type", limit=MAX_MESSAGE) or ""
    message = _message(reading)
    status = _http_status(reading, message)
    return _code(explicit=explicit, kind=kind, http_status=status, message=message)


def _code(*, explicit: str | None, kind: str, http_status: int | None, message: str) -> str:
    evidence = Evidence(
        explicit_code=explicit,
        exception_type=kind,
        http_status=http_status,
        message=message,
    )
    return classify(evidence).code.value


def _failed(reading: Reading, finish_reasons: list[str], *, responded: bool) -> bool:
    span = reading.span
    if span.status_code == STATUS_ERROR or reading.has("error_type") or "error" in finish_reasons:
        return True
    return bool(_last_exception(span)) and not responded


def _has_response(reading: Reading) -> bool:
    columns = (
        "response_id", "provider_model", "input_tokens", "output_tokens", "tokens_used",
        "output_text",
    )  # fmt: skip
    return any(map(reading.has, columns))


def http_status_of(span: Span) -> int | None:
    """Return the status that a span of an HTTP client tells."""
    reading = Reading(span, Counter())
    return _http_status(reading, _message(reading))


def _http_status(reading: Reading, message: str) -> int | None:
    candidates = reading.all_text("http_status") + reading.all_text("error_type")
    candidates += filter(None, _matched_status(message))
    for candidate in candidates:
        if candidate.isascii() and candidate.isdigit() and len(candidate) == len("200"):
            status = int(candidate)
            if status in _HTTP_STATUSES:
                return status
    return None


def _matched_status(message: str) -> tuple[str | None, ...]:
    match = _STATUS_IN_TEXT.search(message) if message else None
    return match.groups() if match else ()


def _message(reading: Reading) -> str:
    span = reading.span
    message = (
        span.status_message
        or _string(_last_exception(span), "exception.message")
        or next(iter(reading.all_text("error_message")), "")
    )
    return _without_traceback(message)[:_EVIDENCE_CHARS] if message else ""


def _without_traceback(message: str) -> str:
    """Return the error of a message that holds a traceback: before it, else its last line."""
    before, mark, after = message.partition(_TRACEBACK)
    if not mark:
        return message
    first = before.strip().partition("\n")[0]
    return first or after.rstrip().rpartition("\n")[2]


def _last_exception(span: Span) -> Attributes:
    """Return the last exception event: one dialect records each error twice."""
    for event in reversed(span.events):
        if event.name == "exception":
            return event.attributes
    return _NO_ATTRIBUTES


def _string(attributes: Attributes, name: str) -> str:
    value = attributes.get(name)
    return value if isinstance(value, str) else ""
