"""What an exception says about the time to wait."""

from datetime import UTC, datetime

import pytest

from goldseam.errors import ErrorCode
from goldseam.recovery.failures import duration_s, failure_from, retry_after_s
from goldseam.recovery.values import Failure, Target

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

WAITS: tuple[tuple[str, dict[str, str], str, float | None], ...] = (
    ("whole-seconds", {"retry-after": "20"}, "", 20.0),
    ("fraction", {"retry-after": "0.5"}, "", 0.5),
    ("zero", {"retry-after": "0"}, "", 0.0),
    ("over-a-minute", {"retry-after": "120"}, "", 120.0),
    ("milliseconds-are-more-exact", {"retry-after": "2", "retry-after-ms": "1340"}, "", 1.34),
    ("http-date", {"retry-after": "Wed, 04 Mar 2026 05:06:37 GMT"}, "", 30.0),
    ("http-date-in-the-past", {"retry-after": "Wed, 04 Mar 2026 05:00:00 GMT"}, "", 0.0),
    ("duration", {"retry-after": "6m0s"}, "", 360.0),
    ("nonsense", {"retry-after": "soon"}, "", None),
    ("negative", {"retry-after": "-3"}, "", None),
    ("header-before-text", {"retry-after": "3"}, "Please try again in 1.84s.", 3.0),
    ("text-seconds", {}, "Please try again in 1.84s. Visit", 1.84),
    ("text-milliseconds", {}, "Please try again in 20ms.", 0.02),
    ("text-minutes", {}, "Please try again in 6m0s.", 360.0),
    ("text-hours", {}, "Please try again in 1h2m3.5s.", 3723.5),
    ("text-words", {}, "Please retry after 6 seconds.", 6.0),
    ("text-one-minute", {}, "retry in 1 minute", 60.0),
    ("text-without-time", {}, "Please try again later.", None),
    (
        "reset-of-the-limit-that-is-used-up",
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1.84s",
            "x-ratelimit-remaining-tokens": "1200",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        "",
        1.84,
    ),
    (
        "reset-with-something-left",
        {"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"},
        "",
        None,
    ),
    (
        "anthropic-reset",
        {
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "2026-03-04T05:06:17Z",
        },
        "",
        10.0,
    ),
    (
        "openrouter-reset",
        {
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int((NOW.timestamp() + 4) * 1000)),
        },
        "",
        4.0,
    ),
    ("nothing", {}, "", None),
)


@pytest.mark.parametrize(
    ("headers", "message", "expected"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS]
)
def test_wait_is_read(headers: dict[str, str], message: str, expected: float | None) -> None:
    """Every form in which providers name a wait is understood, the most exact one first."""
    found = retry_after_s(headers, message, now=NOW)

    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("6m0s", 360.0), ("1.84s", 1.84), ("20ms", 0.02), ("1d2h", 93_600.0), ("5", None), ("", None)],
)
def test_duration_is_read(text: str, expected: float | None) -> None:
    """Durations are sums of amounts with units."""
    assert duration_s(text) == expected


class Response:
    """What SDKs keep of an answer."""

    def __init__(self, status_code: int, headers: dict[str, str]) -> None:
        self.status_code = status_code
        self.headers = headers


class RateLimitError(Exception):
    """Looks like an SDK's exception."""

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response


def test_failure_holds_all_that_the_plan_needs() -> None:
    """Code, rule, wait, status, target and time come out of one exception."""
    error = RateLimitError("Too many requests", Response(429, {"Retry-After": "7"}))

    assert failure_from(error, Target("openai", "m"), at_s=3.0, now=NOW) == Failure(
        target=Target("openai", "m"),
        code=ErrorCode.RATE_LIMIT,
        rule="class:ratelimit",
        retry_after_s=7.0,
        http_status=429,
        at_s=3.0,
    )


def test_wait_of_an_exhausted_quota_is_not_believed() -> None:
    """Waiting does not bring credit, whatever the header says."""
    error = RateLimitError("insufficient_quota", Response(429, {"Retry-After": "7"}))

    failure = failure_from(error, Target("openai"), at_s=0.0, now=NOW)

    assert (failure.code, failure.retry_after_s) == (ErrorCode.QUOTA_EXCEEDED, None)
