"""Error texts with the same cause share a key; others do not."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from goldseam.errors import error_pattern, fingerprint, redact
from goldseam.errors.extract import innermost
from goldseam.errors.fingerprint import MAX_TEMPLATE, VERSION

SENTENCE = "You exceeded your current quota, please check your plan."

WRAPPED = (
    ("bare", SENTENCE),
    ("openai-3", f"Error code: 429 - {SENTENCE}"),
    ("openai-2", f"Error code: 429 - {{'error': {{'message': '{SENTENCE}', 'type': 'x'}}}}"),
    ("class-prefix", f"RateLimitError: Error code: 429 - {SENTENCE}"),
    ("qualified-class", f"openai.RateLimitError: {SENTENCE}"),
    ("json", f'{{"error": {{"message": "{SENTENCE}", "code": "insufficient_quota"}}}}'),
    ("json-string-error", f'{{"error": "{SENTENCE}"}}'),
    ("json-list", f'[{{"error": {{"message": "{SENTENCE}"}}}}]'),
    (
        "litellm",
        f'litellm.RateLimitError: RateLimitError: X - {{"error": {{"message": "{SENTENCE}"}}}}',
    ),
    (
        "pydantic-ai",
        f"ModelHTTPError: status_code: 429, model_name: gpt-4o, body: {{'message': '{SENTENCE}'}}",
    ),
    ("google", f"429 RESOURCE_EXHAUSTED. {{'error': {{'code': 429, 'message': '{SENTENCE}'}}}}"),
    ("html", f"<html><head><title>{SENTENCE}</title></head><body><p>x</p></body></html>"),
    ("json-in-a-string", f'Some("{{\\n  \\"error\\": {{\\"message\\": \\"{SENTENCE}\\"}}}}")'),
    ("go-map", f"Error from API: map[code:x message:{SENTENCE} param:<nil> type:y]"),
    ("repr", f'a.APIError: APIError(message="{SENTENCE}", status_code=429)'),
    ("log-line", f"2025-01-01 12:00:00,123 ERROR app.llm: {SENTENCE}"),
    ("http-status", f"HTTP 429 Too Many Requests: {SENTENCE}"),
    ("retries", f"RetryError [AI_RetryError]: Failed after 3 attempts. Last error: {SENTENCE}"),
    ("aws", f"An error occurred (XException) when calling the Converse operation: {SENTENCE}"),
    ("own-words", f"Error during chat completion: {SENTENCE}"),
    ("raise-for-status", f"429 Client Error: Too Many Requests for url: https://a.b/c {SENTENCE}"),
    ("request-id-behind", f"{SENTENCE} Request ID: req_8f7a6d5c4b3a2f1e"),
    (
        "gateway-report-behind",
        (
            f"litellm.APIError: APIError: XException - {SENTENCE} Received Model Group=foo\n"
            "Available Model Group Fallbacks=None LiteLLM Retried: 1 times"
        ),
    ),
    (
        "upstream-of-a-gateway",
        f'{{"error": {{"message": "Upstream error", "metadata": {{"raw": "{SENTENCE}"}}}}}}',
    ),
    ("cut-off", f"Error code: 429 - {{'error': {{'message': '{SENTENCE}', 'type': 'insuff"),
    ("escaped-twice", f'Some text: {{"a":"b","message":"{{\\\\"msg\\\\":\\\\"{SENTENCE}\\\\"}}"}}'),
    ("broken-nesting", f'{{"error":{{"message":"{{"message":"{SENTENCE}"}}. x=y","code":"403"}}}}'),
    ("json-string", f'429 "{SENTENCE}"'),
    ("grpc", f'details = "{SENTENCE}"\n debug_error_string = "x"'),
    ("tag", f"[acme/nova-2] [400]: {SENTENCE}"),
    ("status-in-brackets", f"[403 Forbidden] {SENTENCE}"),
    ("name-and-status", f"nova: 429 {SENTENCE}"),
    ("code-word", f"permission-denied: {SENTENCE}"),
    ("a-line-before", f"Provider returned error\n\n{SENTENCE}"),
    ("kind-and-comma", f"[models] Rate Limit Error, {SENTENCE}"),
    ("tenacity", f"Retrying a.b in 4.0 seconds as it raised RateLimitError: 429 {SENTENCE}"),
    ("all-failed", f"All models failed (2): acme/nova-2: {SENTENCE}"),
    ("lines-with-names", f"HTTPError: status_code: 400 \n code: X \n message: {SENTENCE}"),
    ("js-object", f"{{ error:\n   {{ message: '{SENTENCE}',\n     code: 'x' }} }}"),
    ("fields-without-braces", f"'code':\n'X'\n'message':\n'{SENTENCE}'"),
    ("typographic-quotes", f"Data: {{“details”:“{SENTENCE}”}}"),
    ("open-bracket", f"[API Error: 400 {SENTENCE}"),
    ("error-in-the-middle", f"Failed to sum it up. Error: API error: 400 {SENTENCE}"),
    ("fields-that-say-nothing", f"{SENTENCE} Error Data: n/a, Additional Data: n/a"),
    (
        "cut-off-behind-a-gateway",
        f'{{"error": {{"message": "No", "metadata": {{"raw": "{{\\"message\\":\\"{SENTENCE}\\"',
    ),
    ("provider-behind", f"{SENTENCE} Provider: acme"),
)


@pytest.mark.parametrize(
    "message", [message for _, message in WRAPPED], ids=[name for name, _ in WRAPPED]
)
def test_wrappers_come_off(message: str) -> None:
    """Class names, reprs, JSON and HTML around a sentence do not change its key."""
    assert innermost(message) == SENTENCE


REPEATED = (
    (
        "place-of-a-validation-error",
        '{"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]}',
        "model: Field required",
    ),
    ("status-alone", "Error code: 502", "Bad Gateway"),
    (
        "quota-named-in-details",
        (
            '{"error": {"message": "Out of quota.", "details": [{"violations": '
            '[{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}'
        ),
        "Out of quota. Quota: Requests PerDay.",
    ),
    (
        "prefix-of-the-message",
        "Invalid 'tools': array too long.",
        "Invalid 'tools': array too long.",
    ),
    ("field", "messages.0.content: Field required", "messages.0.content: Field required"),
    ("empty-message", '{"error": {"message": "", "type": "EngineError"}}', "EngineError"),
)


@pytest.mark.parametrize(
    ("message", "sentence"), [row[1:] for row in REPEATED], ids=[row[0] for row in REPEATED]
)
def test_what_tells_the_cause_comes_out(message: str, sentence: str) -> None:
    """Places, limits and beginnings of the message are no wrappers."""
    assert innermost(message) == sentence


SAME = (
    (
        "limits-models-organisations-and-waits",
        "Limit for gpt-4o in organization org-aBc123: 30000, used 29000. Try again in 1.84s.",
        "Limit for o3-mini in organization org-XyZ999: 200000, used 12. Try again in 6m0s.",
    ),
    ("model-in-backticks", "The model `gpt-5o` does not exist.", "The model `foo` does not exist."),
    (
        "request-ids",
        "Overloaded (request req_011CSHoEeqs5C35K2UUqR7Fy)",
        "Overloaded (request req_022DTIpFfrt6D46L3VVrS8Gz)",
    ),
    (
        "hosts-and-times",
        "connect to 10.0.0.1:443 failed at 2025-01-02T03:04:05Z",
        "connect to api.example.com:8443 failed at 2026-11-12T13:14:15Z",
    ),
    (
        "uuids",
        "session 5f0c5b4e-7a41-4d2c-9d3a-111111111111 expired",
        "session 0a1b2c3d-7a41-4d2c-9d3a-222222222222 expired",
    ),
    (
        "memory",
        "model requires more system memory (8.4 GiB) than is available (5.6 GiB)",
        "model requires more system memory (48.0 GiB) than is available (700 MiB)",
    ),
    ("waits-in-words", "Please retry after 6 seconds.", "Please retry after 1 second."),
    ("addresses", "See https://a.example/b?c=1.", "See https://d.example/e."),
    (
        "lists-of-values",
        "must be one of 'a', 'b' or 'c', not 'd'",
        "must be one of 'a', 'b', 'c', and 'x', not 'y'",
    ),
    ("spaces", "server busy, please try again.  maximum", "server busy, please try again. maximum"),
)
SAME_KEY = (
    (
        "advice",
        "You exceeded your current quota, please check your plan.",
        "You exceeded your current quota. For more information, read the docs: https://a.example.",
    ),
    ("glosses", "Limit reached on images (IPM) for acme", "Limit reached on images for acme"),
    (
        "one-limit-in-two-texts",
        "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 3, Used 3. Try again in 2s.",
        "You have exceeded the rate limit of 40,000 tokens per minute.",
    ),
    (
        "one-refusal-in-two-libraries",
        "[Errno 111] Connection refused",
        "Cannot connect to API: connect ECONNREFUSED 127.0.0.1:8000",
    ),
    (
        "models-of-no-known-family",
        "The model `acme/nova-2` does not exist.",
        "The model flux does not exist",
    ),
    (
        "index-in-a-path",
        "messages.3.content: Field required",
        "messages.14.content: Field required",
    ),
    (
        "request-too-large-with-and-without-tier",
        (
            "Request too large for model `a-1` in organization `x` service tier `on_demand` on "
            "tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size."
        ),
        "Request too large for model b-2 in organization y on tokens per minute (TPM): Limit 6.",
    ),
    (
        "fields-with-and-without-quotes",
        "Missing `reasoning_content` field in message 3",
        "Missing reasoning_content field in message 4",
    ),
    (
        "one-rule-for-roles-in-two-texts",
        "After the system message(s), user and assistant roles should be alternating.",
        "User or tool message(s) should alternate with assistant message(s).",
    ),
    ("statuses-before-other-scripts", "429 余额不足", "Error code: 429 - 余额不足"),
    ("vague-words", "Internal server error", "An internal error occurred."),
)


@pytest.mark.parametrize(
    ("one", "other"), [row[1:] for row in SAME_KEY], ids=[row[0] for row in SAME_KEY]
)
def test_other_words_for_one_cause_same_key(one: str, other: str) -> None:
    """What is added to a sentence, and known other wordings of it, do not change its key."""
    assert fingerprint(one).key == fingerprint(other).key


DIFFERENT = (
    (
        "limits-that-name-no-unit",
        "This request would exceed your account's rate limit.",
        "Rate limited",
    ),
    (
        "arguments-after-this-model",
        "Argument not supported on this model: presencePenalty",
        "Argument not supported on this model: stop",
    ),
    ("parameters-of-no-known-name", "Unknown parameter: 'foo'", "Unknown parameter: 'bar'"),
    ("fields", "model: Field required", "messages: Field required"),
    (
        "prompt-and-prompt-plus-answer",
        "This model's maximum context length is 8 tokens. Your messages resulted in 9 tokens.",
        (
            "This model's maximum context length is 8 tokens. You requested 9 tokens (6 in the "
            "messages, 3 in the completion)."
        ),
    ),
    (
        "minute-and-day-limits",
        "Rate limit reached on requests per min (RPM): Limit 3",
        "Rate limit reached on requests per day (RPD): Limit 200",
    ),
    (
        "token-and-request-limits",
        "Rate limit reached on tokens per min (TPM): Limit 3",
        "Rate limit reached on requests per min (RPM): Limit 3",
    ),
    (
        "named-parameters",
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        "Unsupported value: 'top_p' does not support 0.2 with this model.",
    ),
    (
        "paths-into-the-request",
        "Invalid type for 'messages[3].content'",
        "Invalid type for 'tools[3].function'",
    ),
)


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_same_cause_same_key(one: str, other: str) -> None:
    """What varies from call to call does not change the key."""
    assert fingerprint(one).template == fingerprint(other).template
    assert fingerprint(one).key == fingerprint(other).key


@pytest.mark.parametrize(
    ("one", "other"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT]
)
def test_different_cause_different_key(one: str, other: str) -> None:
    """What tells causes apart is kept."""
    assert fingerprint(one).key != fingerprint(other).key


def test_template_is_readable() -> None:
    """The template keeps the provider's words."""
    message = (
        "Error code: 429 - Rate limit reached for gpt-4o-mini-2024-07-18 in organization "
        "org-aBc123 on tokens per min (TPM): Limit 30000, Used 29000, Requested 5000. Please try "
        "again in 1.84s. Visit https://platform.openai.com/account/rate-limits to learn more."
    )

    assert fingerprint(message).template == snapshot(
        "Rate limit reached for <model> in organization <id> on tokens per min (TPM): Limit <n>, "
        "Used <n>, Requested <n>. Please try again in <duration>. Visit <url> to learn more."
    )


def test_pattern_names_code_provider_and_key() -> None:
    """The pattern is what the server files occurrences under."""
    found = fingerprint("Overloaded")

    assert error_pattern("OVERLOADED", "anthropic", found) == f"OVERLOADED:anthropic:{found.key}"


def test_keys_of_this_version_stay() -> None:
    """A changed key is a new pattern for everybody: raise VERSION when this test fails."""
    texts = ("Overloaded", "prompt is too long: 210000 tokens > 200000 maximum", "")

    assert (VERSION, [fingerprint(text).key for text in texts]) == snapshot(
        (2, ["ef527af5f7ce", "2f47f505818d", "e3b0c44298fc"])
    )


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300))
def test_any_text_has_a_bounded_fingerprint(text: str) -> None:
    """Every text gives a key of one form, a template in its limit, and the same ones again."""
    found = fingerprint(text)

    assert re.fullmatch(r"[0-9a-f]{12}", found.key)
    assert len(found.template) <= MAX_TEMPLATE
    assert found == fingerprint(text)


HOSTILE = (
    *("{", "[{", "'", "'a ", "a-", "a.", "1.", "/a", "gpt-", "<h1", "a@", "key=", "http://"),
    *("a_", "- ", "a/", "(", "message: ", "error: ", "a=", "b(", '\\"{', "x", "*", "model ", "1:1"),
    *("exceed ", "requested <n> tokens (<n> in ", "per ", "[ERROR] ", "\n", "did not provide a "),
)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_is_bounded_work(unit: str) -> None:
    """Megabytes of the worst text for the patterns give a result at once.

    The bound is on the characters that the patterns see: a pattern that went back and forth over
    2,000 of them would take minutes, and the suite with it.
    """
    assert len(fingerprint(redact(unit * 500_000)).template) <= MAX_TEMPLATE
