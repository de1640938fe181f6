"""The codes and the advice for each."""

import pytest

from goldseam.errors import ErrorCode, fix_for


def test_there_are_sixteen_codes() -> None:
    """The codes are those that rows and dashboards know."""
    expected = (
        "AUTH CANCELLED CONNECTION CONTENT_FILTER CONTEXT_LENGTH INVALID_REQUEST NOT_FOUND "
        "OVERLOADED PERMISSION QUOTA_EXCEEDED RATE_LIMIT REQUEST_TOO_LARGE RESPONSE_INVALID "
        "SERVER_ERROR TIMEOUT UNKNOWN"
    )
    assert " ".join(sorted(ErrorCode)) == expected


def test_invalid_is_an_alias() -> None:
    """The short name means the same code."""
    assert ErrorCode["INVALID"] is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_advice(code: ErrorCode) -> None:
    """A cause, at least one action and one page stand behind every code."""
    fix = fix_for(code)

    assert fix.probable_cause.endswith(".")
    assert fix.suggested_actions
    assert all(action.endswith(".") for action in fix.suggested_actions)
    assert fix.documentation
    assert all(page.startswith("https://") for page in fix.documentation)
