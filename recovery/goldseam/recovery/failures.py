"""Read an exception into a `Failure`: what went wrong, and when the provider may be asked again.

Called by `drivers` after every failed attempt. Pure: the time is passed in. Looks at attributes
that every SDK's exceptions share and imports none of them.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from goldseam.errors import ErrorCode, classify, evidence_from_exception
from goldseam.recovery.values import Failure, Target

_WAITS: Final = frozenset({ErrorCode.RATE_LIMIT, ErrorCode.OVERLOADED, ErrorCode.SERVER_ERROR})
"""Kinds whose answer may name a wait. Quota answers name one too, and it is never true."""

_UNITS_S: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|d|h|m|s))+")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_HINT: Final = re.compile(
    r"(?:try again|retry) (?:in|after) (?P<amount>\d[\d.]*(?:ms|d|h|m|s)[\w.]*|\d+(?:\.\d+)?)"
    r"(?: ?(?P<unit>milliseconds?|seconds?|minutes?|hours?))?",
    re.IGNORECASE,
)
_WORDS_S: Final = {"milli": 0.001, "secon": 1.0, "minut": 60.0, "hours": 3_600.0, "hour": 3_600.0}
_LIMITS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"maximum context length (?:is|of) (\d+)",
        r"context length is only (\d+)",
        r"exceed context limit: \d+ \+ \d+ > (\d+)",
        r"prompt is too long: \d+ tokens > (\d+)",
        r"model with (\d+) maximum context length",
        r"configured limit of (\d+) tokens",
        r"request too large\b.{0,400}?\blimit:? (\d+)",
    )
)
"""Where providers write the size of the window: OpenAI and vLLM, newer vLLM, Anthropic (two),
Mistral, Azure; and, where a single request is bigger than a minute's limit, OpenAI and Groq."""

_PROMPTS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"\((\d+) in (?:the|your) (?:messages|prompt)",
        r"messages resulted in (\d+) tokens",
        r"you passed (\d+) input tokens",
        r"exceed context limit: (\d+) \+ \d+ >",
        r"prompt is too long: (\d+) tokens",
        r"prompt contains (\d+) tokens",
        r"request too large\b.{0,400}?\brequested:? (\d+)",
    )
)
"""Where they write how much of it the prompt takes; the last counts the answer's limit too."""

_TOO_LONG: Final = frozenset({ErrorCode.CONTEXT_LENGTH, ErrorCode.REQUEST_TOO_LARGE})

_MAX_TEXT: Final = 4_000

_EPOCH_MS: Final = 1e11
"""A larger count since the epoch is in milliseconds: as seconds it would be the year 5138."""
_EPOCH_S: Final = 1e9
"""A smaller number is a duration, not a time: no provider resets its limits in 30 years."""


def failure_from(error: Exception, target: Target, *, at_s: float, now: datetime) -> Failure:
    """Return what `error` says, as the plan needs it.

    Args:
        error: The exception of a failed attempt.
        target: Where the attempt went.
        at_s: Monotonic time of the failure.
        now: Wall-clock time of the failure, for dates in `Retry-After`.
    """
    evidence = evidence_from_exception(error)
    verdict = classify(evidence)
    wait_s = None
    if verdict.code in _WAITS:
        wait_s = retry_after_s(headers_of(error), evidence.message or "", now=now)
    limit_tokens, prompt_tokens = None, None
    if verdict.code in _TOO_LONG:
        limit_tokens, prompt_tokens = window_of(evidence.message or "")
    return Failure(
        target=target,
        code=verdict.code,
        rule=verdict.rule,
        retry_after_s=wait_s,
        http_status=evidence.http_status,
        at_s=at_s,
        limit_tokens=limit_tokens,
        prompt_tokens=prompt_tokens,
    )


def headers_of(error: BaseException) -> Mapping[str, str]:
    """Return the response headers that an exception carries, names in lower case."""
    try:
        headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
        return {str(name).lower(): str(value) for name, value in headers.items()}
    except Exception:  # noqa: BLE001 - a foreign object may raise anything
        return {}


def retry_after_s(headers: Mapping[str, str], message: str, *, now: datetime) -> float | None:
    """Return the seconds that the provider asks to wait; None where it names none.

    The most exact source wins: `retry-after-ms`, `retry-after` (number or date), a hint in the
    message ("Please try again in 1.84s"), then the resets of the limits that are used up.

    Args:
        headers: Response headers, names in lower case.
        message: The provider's text.
        now: Wall-clock time at which the answer came.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    waits = (
        _wait_s(headers.get("retry-after"), now),
        _hint_s(message),
        _resets_s(headers, now),
    )
    return next((wait for wait in waits if wait is not None), None)


def window_of(message: str) -> tuple[int | None, int | None]:
    """Return the window and the prompt's size in tokens, as far as the provider's text tells."""
    return _first_number(_LIMITS, message), _first_number(_PROMPTS, message)


def _first_number(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    text = message[:_MAX_TEXT].replace(",", "")
    found = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    return int(found[1]) if found else None


def duration_s(text: str) -> float | None:
    """Return the seconds of a duration such as `6m0s`, `1.84s` or `20ms`; None if it is none."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(amount) * _UNITS_S[unit] for amount, unit in _PART.findall(text))


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _wait_s(text: str | None, now: datetime) -> float | None:
    """Read a wait written as seconds, duration, count since the epoch, or date of either kind."""
    text = (text or "").strip()
    if (number := _number(text)) is not None:
        if number < _EPOCH_S:
            return number
        since_epoch_s = number / 1000 if number > _EPOCH_MS else number
        return max(0.0, since_epoch_s - now.timestamp())
    if (duration := duration_s(text)) is not None:
        return duration
    moment = _date(text)
    return max(0.0, (moment - now).total_seconds()) if moment else None


def _date(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare: keeps the import light

    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
        except (ValueError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _hint_s(message: str) -> float | None:
    found = _HINT.search(message)
    if found is None:
        return None
    amount = found["amount"].rstrip(".")
    if (duration := duration_s(amount)) is not None:
        return duration
    number = _number(amount)
    return (
        number * _WORDS_S[(found["unit"] or "seconds")[:5].lower()] if number is not None else None
    )


def _resets_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the longest reset among the limits with nothing remaining.

    Names differ: `x-ratelimit-reset-tokens`, `anthropic-ratelimit-tokens-reset`,
    `x-ratelimit-reset`; each has a twin with `remaining` in place of `reset`.
    """
    waits = [
        _wait_s(value, now)
        for name, value in headers.items()
        if "ratelimit" in name
        and "reset" in name
        and _number(headers.get(name.replace("reset", "remaining"))) == 0
    ]
    return max((wait for wait in waits if wait is not None), default=None)
