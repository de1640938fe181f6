"""What a span or an exception says is named by the first rule of the table that holds."""

import asyncio
import json
import re
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldseam.errors import Classification, ErrorCode, Evidence, classify, evidence_from_exception
from goldseam.errors.rules import GAP, RULES

C = ErrorCode
QUOTA = "You exceeded your current quota, please check your plan and billing details."


SPANS = (
    ("explicit-code-wins", Evidence(explicit_code="AUTH", http_status=429), C.AUTH),
    ("explicit-alias", Evidence(explicit_code="invalid_request"), C.INVALID_REQUEST),
    ("explicit-unknown-word-is-ignored", Evidence(explicit_code="???", http_status=401), C.AUTH),
    ("official-google-status", Evidence(exception_type="429"), C.RATE_LIMIT),
    (
        "official-google-text",
        Evidence(exception_type="429", message="429 RESOURCE_EXHAUSTED. {'error': {'code': 429}}"),
        C.RATE_LIMIT,
    ),
    ("httpx-timeout", Evidence(exception_type="httpx.ReadTimeout"), C.TIMEOUT),
    (
        "langchain",
        Evidence(exception_type="langchain_openai.chat_models.base.OpenAIRateLimitError"),
        C.RATE_LIMIT,
    ),
    ("anthropic-type", Evidence(exception_type="rate_limit_error", http_status=429), C.RATE_LIMIT),
    ("anthropic-client-timeout", Evidence(exception_type="client_timeout_error"), C.TIMEOUT),
    (
        "anthropic-timeout-text-names-other-kinds",
        Evidence(
            exception_type="anthropic.APITimeoutError",
            message="Request timed out, dropped connection, or request cancellation.",
        ),
        C.TIMEOUT,
    ),
    ("litellm", Evidence(exception_type="Timeout", http_status=408), C.TIMEOUT),
    (
        "litellm-context",
        Evidence(exception_type="litellm.exceptions.ContextWindowExceededError", http_status=400),
        C.CONTEXT_LENGTH,
    ),
    (
        "pydantic-ai",
        Evidence(
            exception_type="pydantic_ai.exceptions.ModelHTTPError",
            message="ModelHTTPError: status_code: 401, model_name: gpt-4o, body: {}",
        ),
        C.AUTH,
    ),
    ("vercel-status", Evidence(exception_type="AI_APICallError", http_status=429), C.RATE_LIMIT),
    (
        "vercel-quota",
        Evidence(exception_type="AI_APICallError", http_status=429, message=QUOTA),
        C.QUOTA_EXCEEDED,
    ),
    ("vercel-timeout", Evidence(exception_type="TimeoutError"), C.TIMEOUT),
    (
        "logfire-prefix",
        Evidence(exception_type="openai.RateLimitError", message=f"RateLimitError: {QUOTA}"),
        C.QUOTA_EXCEEDED,
    ),
    (
        "class-without-status",
        Evidence(exception_type="openai.BadRequestError", message="timeout must be positive"),
        C.INVALID_REQUEST,
    ),
    (
        "server-class-without-status",
        Evidence(exception_type="openai.InternalServerError", message="Something broke"),
        C.SERVER_ERROR,
    ),
    (
        "server-class-says-no-more-than-503",
        Evidence(exception_type="openai.InternalServerError", http_status=503),
        C.OVERLOADED,
    ),
    ("aws-throttling", Evidence(exception_type="ThrottlingException"), C.RATE_LIMIT),
    ("grpc-deadline", Evidence(exception_type="DeadlineExceeded"), C.TIMEOUT),
    ("other", Evidence(exception_type="_OTHER", message="connection error"), C.CONNECTION),
    ("keywords-only", Evidence(message="connect ECONNREFUSED 127.0.0.1:11434"), C.CONNECTION),
    (
        "class-in-the-text-only",
        Evidence(message="httpx.RemoteProtocolError: peer went away"),
        C.CONNECTION,
    ),
    (
        "status-before-class-in-the-text",
        Evidence(message="litellm.APIConnectionError: no memory", http_status=500),
        C.SERVER_ERROR,
    ),
    (
        "credit-behind-a-rate-limit-type",
        Evidence(
            http_status=429,
            provider_codes=("rate_limit_error",),
            message="Extra usage is required for long context requests.",
        ),
        C.QUOTA_EXCEEDED,
    ),
    ("answer-with-200", Evidence(exception_type="ValueError", http_status=200), C.RESPONSE_INVALID),
    (
        "error-in-the-body-of-a-200",
        Evidence(http_status=200, provider_codes=("502",)),
        C.SERVER_ERROR,
    ),
    ("nothing", Evidence(), C.UNKNOWN),
    ("own-exception", Evidence(exception_type="app.Whatever", message="no idea"), C.UNKNOWN),
)


@pytest.mark.parametrize(
    ("evidence", "code"), [row[1:] for row in SPANS], ids=[row[0] for row in SPANS]
)
def test_span_evidence_is_named(evidence: Evidence, code: ErrorCode) -> None:
    """What the instrumentations in use leave on a span is enough for the right code."""
    assert classify(evidence).code is code


EXCEPTIONS: tuple[tuple[BaseException, ErrorCode], ...] = (
    (asyncio.CancelledError(), C.CANCELLED),
    (KeyboardInterrupt(), C.CANCELLED),
    (TimeoutError("x"), C.TIMEOUT),
    (ConnectionRefusedError(111, "Connection refused"), C.CONNECTION),
    (BrokenPipeError(), C.CONNECTION),
    (socket.gaierror(-2, "Name or service not known"), C.CONNECTION),
    (ssl.SSLCertVerificationError("bad certificate"), C.CONNECTION),
    (json.JSONDecodeError("Expecting value", "<html>", 0), C.RESPONSE_INVALID),
    (ValueError("no idea"), C.UNKNOWN),
)


@pytest.mark.parametrize(
    ("error", "code"), EXCEPTIONS, ids=[type(row[0]).__name__ for row in EXCEPTIONS]
)
def test_exception_of_python_is_named(error: BaseException, code: ErrorCode) -> None:
    """Exceptions that no SDK wraps get their code too."""
    assert classify(evidence_from_exception(error)).code is code


def test_class_of_a_base_counts_where_the_own_name_says_nothing() -> None:
    """A subclass with a name of its own is known by its base."""

    class SlowError(TimeoutError): ...

    assert classify(evidence_from_exception(SlowError())).code is C.TIMEOUT


def test_hostile_exception_gives_evidence() -> None:
    """Properties and texts that raise do not get out."""

    class Hostile(Exception):  # noqa: N818 - no error of ours
        @property
        def status_code(self) -> int:
            raise RuntimeError

        def __str__(self) -> str:
            raise RuntimeError

    assert classify(evidence_from_exception(Hostile())).code is C.UNKNOWN


def test_rule_names_the_evidence_that_decided() -> None:
    """The verdict says which word of which source it rests on, with words from the table only."""
    verdict = classify(Evidence(http_status=429, provider_codes=("insufficient_quota",)))

    assert verdict == Classification(C.QUOTA_EXCEEDED, "provider_code:insufficient_quota")


@given(
    status=st.sampled_from([None, 200, 400, 401, 402, 403, 404, 413, 422, 429, 499, 500, 503]),
    name=st.sampled_from(
        ["X", *(word for rule in RULES if rule.source == "class" for word in rule.words)]
    ),
    codes=st.lists(
        st.sampled_from(
            [w for rule in RULES if rule.source == "provider_code" for w in rule.words]
        ),
        max_size=2,
    ),
    words=st.lists(
        st.sampled_from([word for rule in RULES if rule.source == "text" for word in rule.words]),
        max_size=2,
    ),
)
def test_first_rule_in_the_order_of_the_table_decides(
    status: int | None, name: str, codes: list[str], words: list[str]
) -> None:
    """Whatever is known beforehand about status and class, the verdict is that of the table."""
    text = ", ".join(words)
    evidence = Evidence(
        exception_type=name, http_status=status, provider_codes=tuple(codes), message=text
    )
    statuses = [str(status), "5xx"] if status and status >= 500 else [str(status)]
    told = {"class": name, "provider_code": codes, "text": text, "status": statuses}
    holds = [
        rule.code
        for rule in RULES
        if not (rule.statuses and status and status not in rule.statuses)
        and any(
            _says(text, word) if rule.source == "text" else word in told[rule.source]
            for word in rule.words
        )
    ]

    assert classify(evidence).code is next(iter(holds), C.UNKNOWN)


def _says(text: str, word: str) -> bool:
    return bool(re.search(".{0,60}".join(map(re.escape, word.split(GAP))), text))


GAPS = (
    ("the model `acme/nova-2` was not found", C.NOT_FOUND),
    ("model not found", C.NOT_FOUND),
    (f"the model {'x' * 60} was not found", C.INVALID_REQUEST),
    ("not found: this model", C.INVALID_REQUEST),
)


@pytest.mark.parametrize(("text", "code"), GAPS, ids=["near", "joined", "far", "other-order"])
def test_parts_of_a_text_stand_in_order_and_near(text: str, code: ErrorCode) -> None:
    """What a rule looks for in two parts holds if the second follows within a few words."""
    assert classify(Evidence(http_status=400, message=text)).code is code


def test_words_of_the_rules_can_match() -> None:
    """Evidence is compared in lower case, so every word of the table is."""
    assert [word for rule in RULES for word in rule.words if word != word.lower()] == []


def test_address_in_a_text_is_no_evidence() -> None:
    """A rate limit whose text links to the billing page is no exhausted quota."""
    text = (
        "Limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000. You can "
        "increase it by adding a payment method at https://platform.openai.com/account/billing."
    )
    evidence = Evidence(exception_type="RateLimitError", message=text)

    assert classify(evidence).code is C.RATE_LIMIT


def test_digits_of_other_scripts_are_no_status() -> None:
    """What merely looks like a number does not stop the classification."""
    assert classify(Evidence(exception_type="⁴²⁹")).code is C.UNKNOWN
