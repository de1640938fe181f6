"""Error texts lose secrets and keep the provider's words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldseam.errors import redact

SECRETS = (
    ("openai-key", "Incorrect API key provided: sk-proj-AbCdEf123456.", "AbCdEf123456"),
    ("any-key-provided", "Incorrect API key provided: hunter2abc. You can", "hunter2abc"),
    ("groq-key", "key gsk_AbCdEf123456 refused", "AbCdEf123456"),
    ("google-key", "AIzaSyA1234567890abcdefg is not valid", "AIzaSyA1234567890abcdefg"),
    ("aws-key", "AKIAIOSFODNN7EXAMPLE is not valid", "AKIAIOSFODNN7EXAMPLE"),
    ("bearer", "header Authorization: Bearer abc.DEF-123", "abc.DEF-123"),
    ("basic", "header Authorization: Basic dXNlcjpwYXNzd29yZDE=", "dXNlcjpwYXNzd29yZDE="),
    ("query", "GET https://host/x?key=abcdef123&y=1 failed", "abcdef123"),
    ("json", "{'api_key': 'abcdef123'}", "abcdef123"),
    ("environment", "OPENAI_API_KEY=abcdef123 is set", "abcdef123"),
    ("long-s", "pa\u017f\u017fword=abcdef123", "abcdef123"),
    ("dotless-i", "s\u0131gnature=abcdef123", "abcdef123"),
    ("kelvin-sign", "api_\u212aey=abcdef123", "abcdef123"),
    ("web-token", "token eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ expired", "SflKxwRJ"),
    ("e-mail", "user jane.doe@example.com has no access", "jane.doe"),
    ("url-credentials", "cannot reach http://jane:secret9@proxy:3128", "secret9"),
    ("traceback", 'RateLimitError: slow\n\nTraceback (most recent call last):\n  File "x"', "File"),
)


@pytest.mark.parametrize(
    ("text", "secret"), [row[1:] for row in SECRETS], ids=[row[0] for row in SECRETS]
)
def test_secret_is_masked(text: str, secret: str) -> None:
    """No part of a secret is left, and something is."""
    assert secret in text
    assert secret not in redact(text)
    assert redact(text)


KEPT = (
    "Rate limit reached for gpt-4o in organization org-abc on tokens per min (TPM): Limit 30000.",
    "Request req_011CSHoEeqs5C35K2UUqR7Fy failed",
    "Unsupported value: 'temperature' does not support 0.2. max_tokens=4096",
    "The basic tier has no access to this model; bearer authentication needed",
)


@pytest.mark.parametrize("text", KEPT)
def test_words_numbers_and_request_ids_are_kept(text: str) -> None:
    """What a person needs to understand the failure is not touched."""
    assert redact(text) == text


def test_text_that_starts_with_its_traceback_keeps_the_last_line() -> None:
    """The last line of a traceback says what happened."""
    text = 'Traceback (most recent call last):\n  File "app.py", line 1\nValueError: wrong'

    assert redact(text) == "ValueError: wrong"


def test_control_characters_become_spaces() -> None:
    """Nothing is left that a terminal or a database would take as a command."""
    assert redact("a\x00b\x1b[31mc") == "a b [31mc"


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=200), st.integers(min_value=1, max_value=100))
def test_limit_holds(text: str, limit: int) -> None:
    """The result never exceeds its limit, whatever the text."""
    assert len(redact(text, limit)) <= limit


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=200))
def test_masking_twice_changes_nothing(text: str) -> None:
    """Both sides may mask: the second time finds nothing to do."""
    assert redact(redact(text)) == redact(text)
