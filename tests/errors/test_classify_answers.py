"""What providers answer is named alike, from the SDK's exception and from a span."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import openai
import pytest

from goldseam.errors import Classification, ErrorCode, Evidence, classify, evidence_from_exception
from goldseam.recovery.testing import ScriptedProvider, cut, hang, raw

Known = Literal["docs", "seen", "unverified"]
"""`docs`: a provider's page. `seen`: an issue thread or a server's source. `unverified`: general
knowledge, no first-hand body was found."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One error answer of one provider.

    Attributes:
        name: The test's id.
        status: HTTP status.
        body: Decoded JSON body, or the text of another one.
        code: What it is.
        known: How well the shape is known.
        needs_codes: The text alone does not say it: the provider's code or type is needed.
    """

    name: str
    status: int
    body: Any
    code: ErrorCode
    known: Known = "docs"
    needs_codes: bool = False


def oai(message: str, kind: str | None = None, code: str | int | None = None, **more: Any) -> Any:
    """Return an error body in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def anthropic(kind: str, message: str, **more: Any) -> Any:
    """Return an error body in Anthropic's form."""
    return {"type": "error", "error": {"type": kind, "message": message, **more}}


C = ErrorCode
TPM = (
    "Rate limit reached for gpt-4o in organization org-abc on tokens per min (TPM): Limit 30000, "
    "Used 29000, Requested 5000. Please try again in 1.84s. You can increase your rate limit by "
    "adding a payment method at https://platform.openai.com/account/billing."
)
TOO_LARGE = (
    "Request too large for gpt-4o in organization org-abc on tokens per min (TPM): Limit 30000, "
    "Requested 50000. The input or output tokens must be reduced in order to run successfully."
)
QUOTA = "You exceeded your current quota, please check your plan and billing details."
BAD = "invalid_request_error"

SHAPES = (
    # OpenAI
    Shape(name="openai-rate-tokens", status=429, code=C.RATE_LIMIT,
          body=oai(TPM, "tokens", "rate_limit_exceeded")),
    Shape(name="openai-rate-requests", status=429, code=C.RATE_LIMIT,
          body=oai("Rate limit reached for requests", "requests", "rate_limit_exceeded")),
    Shape(name="openai-too-large", status=429, code=C.REQUEST_TOO_LARGE,
          body=oai(TOO_LARGE, "tokens", "rate_limit_exceeded")),
    Shape(name="openai-quota", status=429, code=C.QUOTA_EXCEEDED,
          body=oai(QUOTA, "insufficient_quota", "insufficient_quota")),
    Shape(name="openai-billing-limit", status=400, code=C.QUOTA_EXCEEDED,
          body=oai("Billing hard limit has been reached", BAD, "billing_hard_limit_reached")),
    Shape(name="openai-context", status=400, code=C.CONTEXT_LENGTH,
          body=oai("This model's maximum context length is 8192 tokens. However, your messages "
                   "resulted in 9000 tokens.", BAD, "context_length_exceeded")),
    Shape(name="openai-context-responses", status=400, code=C.CONTEXT_LENGTH,
          body=oai("Your input exceeds the context window of this model. Please adjust your input "
                   "and try again.", BAD, "context_length_exceeded")),
    Shape(name="openai-string-too-long", status=400, code=C.CONTEXT_LENGTH, needs_codes=True,
          body=oai("Invalid 'input': string too long. Expected a string with maximum length "
                   "1048576.", BAD, "string_above_max_length")),
    Shape(name="openai-no-model", status=404, code=C.NOT_FOUND,
          body=oai("The model `gpt-9` does not exist or you do not have access to it.", BAD,
                   "model_not_found")),
    Shape(name="openai-key", status=401, code=C.AUTH,
          body=oai("Incorrect API key provided: test.", BAD, "invalid_api_key")),
    Shape(name="openai-region", status=403, code=C.PERMISSION,
          body=oai("Country, region, or territory not supported", "request_forbidden",
                   "unsupported_country_region_territory")),
    Shape(name="openai-overloaded", status=503, code=C.OVERLOADED,
          body=oai("The engine is currently overloaded, please try again later.", "server_error")),
    Shape(name="openai-slow-down", status=503, code=C.OVERLOADED,
          body=oai("Slow Down", "server_error")),
    Shape(name="openai-server", status=500, code=C.SERVER_ERROR,
          body=oai("The server had an error while processing your request.", "server_error")),
    Shape(name="openai-policy", status=400, code=C.CONTENT_FILTER,
          body=oai("Your request was rejected by our safety system.", BAD,
                   "content_policy_violation"), needs_codes=True),
    Shape(name="openai-invalid-prompt", status=400, code=C.CONTENT_FILTER, needs_codes=True,
          body=oai("Your prompt was flagged as potentially violating our usage policy.", BAD,
                   "invalid_prompt")),
    Shape(name="openai-bad-parameter", status=400, code=C.INVALID_REQUEST,
          body=oai("Unsupported value: 'temperature' does not support 0.2 with this model.", BAD,
                   "unsupported_value")),
    Shape(name="openai-bad-timeout-parameter", status=400, code=C.INVALID_REQUEST,
          body=oai("Unknown parameter: 'timeout'.", BAD, "unknown_parameter")),
    Shape(name="openai-conflict", status=409, code=C.INVALID_REQUEST, known="unverified",
          body=oai("The resource was updated by another request.", BAD)),
    Shape(name="openai-gateway-html", status=502, code=C.SERVER_ERROR, known="seen",
          body="<html><head><title>502 Bad Gateway</title></head></html>"),
    Shape(name="openai-gateway-timeout", status=504, code=C.TIMEOUT, known="seen",
          body="upstream request timeout"),
    # Azure OpenAI
    Shape(name="azure-rate-number", status=429, code=C.RATE_LIMIT, known="seen",
          body=oai("Requests to the ChatCompletions_Create Operation have exceeded token rate "
                   "limit of your current OpenAI S0 pricing tier. Please retry after 6 seconds.",
                   None, "429")),
    Shape(name="azure-rate-name", status=429, code=C.RATE_LIMIT, known="seen",
          body=oai("Your requests have exceeded the call rate limit.", None, "RateLimitReached")),
    Shape(name="azure-filter", status=400, code=C.CONTENT_FILTER,
          body=oai("The response was filtered due to the prompt triggering Azure OpenAI's content "
                   "management policy.", None, "content_filter", innererror={
                       "code": "ResponsibleAIPolicyViolation",
                       "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
                   })),
    Shape(name="azure-inner-code-only", status=400, code=C.CONTENT_FILTER, known="seen",
          needs_codes=True,
          body=oai("Refused.", None, None,
                   innererror={"code": "ResponsibleAIPolicyViolation"})),
    Shape(name="azure-context", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body=oai("Input tokens exceed the configured limit of 272000 tokens.", BAD,
                   "context_length_exceeded")),
    Shape(name="azure-no-deployment", status=404, code=C.NOT_FOUND,
          body=oai("The API deployment for this resource does not exist.", None,
                   "DeploymentNotFound")),
    Shape(name="azure-key", status=401, code=C.AUTH,
          body=oai("Access denied due to invalid subscription key.", None, "401")),
    Shape(name="azure-timeout", status=408, code=C.TIMEOUT, known="seen",
          body=oai("The operation was timeout.", None, "Timeout")),
    Shape(name="azure-upstream", status=503, code=C.OVERLOADED, known="seen",
          body="upstream connect error or disconnect/reset before headers"),
    Shape(name="azure-quota", status=403, code=C.QUOTA_EXCEEDED, known="unverified",
          body=oai("Out of call volume quota. " + QUOTA, None, "403")),
    # Anthropic
    Shape(name="anthropic-rate", status=429, code=C.RATE_LIMIT,
          body=anthropic("rate_limit_error", "This request would exceed your rate limit.")),
    Shape(name="anthropic-spend-limit", status=429, code=C.QUOTA_EXCEEDED, known="seen",
          needs_codes=True,
          body=anthropic("rate_limit_error", "This organization reached its limit.",
                         details={"error_code": "enforced_spend_limit_reached"})),
    Shape(name="anthropic-too-large", status=413, code=C.REQUEST_TOO_LARGE,
          body=anthropic("request_too_large", "Request exceeds the maximum size.")),
    Shape(name="anthropic-credit", status=400, code=C.QUOTA_EXCEEDED, known="seen",
          body=anthropic(BAD, "Your credit balance is too low to access the Anthropic API.")),
    Shape(name="anthropic-billing", status=402, code=C.QUOTA_EXCEEDED,
          body=anthropic("billing_error", "There is an issue with your payment.")),
    Shape(name="anthropic-context", status=400, code=C.CONTEXT_LENGTH,
          body=anthropic(BAD, "prompt is too long: 210000 tokens > 200000 maximum")),
    Shape(name="anthropic-context-sum", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body=anthropic(BAD, "input length and `max_tokens` exceed context limit: 190000 + 20000 "
                              "> 200000, decrease input length or `max_tokens`")),
    Shape(name="anthropic-no-model", status=404, code=C.NOT_FOUND,
          body=anthropic("not_found_error", "model: claude-9")),
    Shape(name="anthropic-key", status=401, code=C.AUTH,
          body=anthropic("authentication_error", "invalid x-api-key")),
    Shape(name="anthropic-permission", status=403, code=C.PERMISSION,
          body=anthropic("permission_error", "Your key may not use this resource.")),
    Shape(name="anthropic-overloaded", status=529, code=C.OVERLOADED,
          body=anthropic("overloaded_error", "Overloaded")),
    Shape(name="anthropic-server", status=500, code=C.SERVER_ERROR,
          body=anthropic("api_error", "Internal server error")),
    Shape(name="anthropic-timeout", status=504, code=C.TIMEOUT,
          body=anthropic("timeout_error", "The request took too long.")),
    # Mistral
    Shape(name="mistral-rate", status=429, code=C.RATE_LIMIT, known="seen",
          body={"object": "error", "message": "Rate limit exceeded", "type": "rate_limited",
                "param": None, "code": "1300"}),
    Shape(name="mistral-context", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body={"object": "error", "message": "Prompt contains 40000 tokens, too large for model "
                "with 32768 maximum context length", "type": BAD, "param": None, "code": "3051"}),
    Shape(name="mistral-no-model", status=400, code=C.NOT_FOUND, known="seen", needs_codes=True,
          body={"object": "error", "message": "Invalid model: x", "type": "invalid_model",
                "param": None, "code": "1500"}),
    Shape(name="mistral-key", status=401, code=C.AUTH, known="seen",
          body={"detail": "Unauthorized"}),
    Shape(name="mistral-capacity", status=429, code=C.OVERLOADED, known="seen",
          body={"object": "error", "message": "Service tier capacity exceeded for this model.",
                "type": "service_tier_capacity_exceeded", "param": None, "code": "3505"}),
    # Others: what a month allows and what an account holds is bought, not waited for.
    Shape(name="xai-credits", status=429, code=C.QUOTA_EXCEEDED, known="seen",
          body={"code": "Some resource has been exhausted", "error": "Your team x has either used "
                "all available credits or reached its monthly spending limit."}),
    Shape(name="cohere-month", status=429, code=C.QUOTA_EXCEEDED, known="seen",
          body={"message": "You are using a Trial key, which is limited to 1000 API calls / "
                "month."}),
    Shape(name="xai-key", status=400, code=C.AUTH, known="seen",
          body={"code": "Client specified an invalid argument",
                "error": "Incorrect API key provided: xa***Qk."}),
    Shape(name="gemini-context", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body=oai("The input token count (1200293) exceeds the maximum number of tokens allowed "
                   "(1048576).", None, 400)),
    Shape(name="gemini-place", status=400, code=C.PERMISSION, known="seen",
          body=oai("User location is not supported for the API use.", None, 400)),
    Shape(name="gemini-minute", status=429, code=C.RATE_LIMIT, known="seen", needs_codes=True,
          body=oai(QUOTA, None, 429, details=[{"violations": [
              {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}])),
    Shape(name="groq-decommissioned", status=400, code=C.NOT_FOUND, known="seen",
          body=oai("The model `x` has been decommissioned and is no longer supported.", BAD)),
    Shape(name="groq-no-call", status=400, code=C.RESPONSE_INVALID, known="seen",
          body=oai("Failed to call a function. See 'failed_generation' for more details.", BAD)),
    Shape(name="mistral-bad-body", status=422, code=C.INVALID_REQUEST, known="seen",
          body={"detail": [{"type": "missing", "loc": ["body", "messages"],
                            "msg": "Field required"}]}),
    # Groq
    Shape(name="groq-rate", status=429, code=C.RATE_LIMIT,
          body=oai("Rate limit reached for model `llama3-70b` on tokens per day (TPD): Limit "
                   "500000, Used 499000, Requested 2000. Please try again in 2m52.8s.", "tokens",
                   "rate_limit_exceeded")),
    Shape(name="groq-too-large", status=413, code=C.REQUEST_TOO_LARGE, known="seen",
          body=oai("Request too large for model `llama3-70b` on tokens per minute (TPM): Limit "
                   "6000, Requested 9000", "tokens", "rate_limit_exceeded")),
    Shape(name="groq-context", status=400, code=C.CONTEXT_LENGTH,
          body=oai("Please reduce the length of the messages or completion.", BAD,
                   "context_length_exceeded")),
    Shape(name="groq-retired", status=400, code=C.NOT_FOUND, needs_codes=True,
          body=oai("The model `x` has been decommissioned and is no longer supported.", BAD,
                   "model_decommissioned")),
    Shape(name="groq-capacity", status=498, code=C.OVERLOADED,
          body=oai("The flex tier is at capacity.", BAD, "capacity_exceeded")),
    Shape(name="groq-bad-json", status=400, code=C.RESPONSE_INVALID, needs_codes=True,
          body=oai("Failed to generate JSON. Please adjust your prompt.", BAD,
                   "json_validate_failed", failed_generation='{"a":')),
    Shape(name="groq-bad-tool", status=400, code=C.RESPONSE_INVALID, needs_codes=True,
          body=oai("Failed to call a function.", BAD, "tool_use_failed", failed_generation="<f>")),
    # vLLM and hosts like it
    Shape(name="vllm-context", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body={"object": "error", "message": "This model's maximum context length is 4096 tokens. "
                "However, you requested 5000 tokens.", "type": "BadRequestError", "param": None,
                "code": 400}),
    Shape(name="vllm-context-new", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body=oai("You passed 5000 input tokens and requested 100 output tokens. However, the "
                   "model's context length is only 4096 tokens.", "BadRequestError", 400)),
    Shape(name="vllm-context-negative", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body=oai("max_tokens must be at least 1, got -512.", "BadRequestError", 400)),
    Shape(name="vllm-no-model", status=404, code=C.NOT_FOUND, known="seen",
          body={"object": "error", "message": "The model `x` does not exist.",
                "type": "NotFoundError", "param": None, "code": 404}),
    Shape(name="vllm-key", status=401, code=C.AUTH, known="seen",
          body={"error": "Unauthorized"}),
    Shape(name="vllm-engine-dead", status=500, code=C.SERVER_ERROR, known="seen",
          body=oai("", "InternalServerError", 500)),
    # Ollama behind /v1
    Shape(name="ollama-no-model", status=404, code=C.NOT_FOUND, known="seen",
          body=oai("model 'llama9' not found", "not_found_error")),
    Shape(name="ollama-busy", status=503, code=C.OVERLOADED, known="seen",
          body=oai("server busy, please try again.  maximum pending requests exceeded",
                   "api_error")),
    Shape(name="ollama-memory", status=500, code=C.SERVER_ERROR, known="seen",
          body=oai("model requires more system memory (8.4 GiB) than is available (5.6 GiB)",
                   "api_error")),
    Shape(name="ollama-load-timeout", status=500, code=C.SERVER_ERROR, known="seen",
          body=oai("timed out waiting for llama-server to start", "api_error")),
    Shape(name="ollama-context", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body=oai("the prompt is longer than the context length currently available to the model",
                   BAD)),
    Shape(name="ollama-client-gone", status=499, code=C.CANCELLED, known="seen",
          body=oai("client closed request", "api_error")),
    Shape(name="ollama-native-string", status=400, code=C.INVALID_REQUEST, known="seen",
          body={"error": "missing request body"}),
    # OpenRouter
    Shape(name="openrouter-rate", status=429, code=C.RATE_LIMIT, known="seen",
          body={"error": {"message": "Rate limit exceeded: free-models-per-day", "code": 429,
                          "metadata": {"headers": {"X-RateLimit-Remaining": "0"}}}}),
    Shape(name="openrouter-credit", status=402, code=C.QUOTA_EXCEEDED, known="seen",
          body={"error": {"message": "Insufficient credits", "code": 402}}),
    Shape(name="openrouter-context", status=400, code=C.CONTEXT_LENGTH, known="seen",
          body={"error": {"message": "This endpoint's maximum context length is 8192 tokens. "
                          "Please use the middle-out transform.", "code": 400}}),
    Shape(name="openrouter-upstream", status=502, code=C.SERVER_ERROR, known="seen",
          body={"error": {"message": "Provider returned error", "code": 502,
                          "metadata": {"provider_name": "Somebody"}}}),
    Shape(name="openrouter-moderation", status=403, code=C.CONTENT_FILTER, known="unverified",
          body={"error": {"message": "Input requires moderation and was flagged", "code": 403,
                          "metadata": {"reasons": ["violence"]}}}),
)  # fmt: skip

HOPELESS = {C.AUTH, C.QUOTA_EXCEEDED, C.INVALID_REQUEST, C.CONTENT_FILTER, C.CONTEXT_LENGTH}
RETRYABLE = {C.RATE_LIMIT, C.TIMEOUT, C.CONNECTION, C.OVERLOADED, C.SERVER_ERROR}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    """Give one provider for the whole table."""
    with ScriptedProvider() as scripted:
        yield scripted


@pytest.fixture(scope="module")
def client(provider: ScriptedProvider) -> Iterator[openai.OpenAI]:
    """Give the real SDK's client, with its own retries off."""
    with openai.OpenAI(base_url=provider.base_url, api_key="test", max_retries=0) as real:
        yield real


def ask(client: openai.OpenAI, *, timeout_s: float = 5.0) -> Exception:
    """Make a call with the real SDK and return what it raises."""
    with pytest.raises(openai.OpenAIError) as raised:
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "?"}], timeout=timeout_s
        )
    error: Exception = raised.value
    return error


def answer(client: openai.OpenAI, provider: ScriptedProvider, shape: Shape) -> Exception:
    """Return the SDK's exception for a shape."""
    is_text = isinstance(shape.body, str)
    content = shape.body if is_text else json.dumps(shape.body)
    kind = "text/html" if is_text else "application/json"
    provider.script(raw(shape.status, headers={"content-type": kind}, body=content))
    return ask(client)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_exception_of_the_real_sdk_is_named(
    client: openai.OpenAI, provider: ScriptedProvider, shape: Shape
) -> None:
    """The exception that the SDK raises for a provider's answer gets the right code."""
    assert classify(evidence_from_exception(answer(client, provider, shape))).code is shape.code


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_span_with_the_body_in_its_text_is_named_alike(
    client: openai.OpenAI, provider: ScriptedProvider, shape: Shape
) -> None:
    """A span that holds only class and text, in the form of openai 2, gets the same code."""
    error = answer(client, provider, shape)
    text = f"Error code: {shape.status} - {shape.body}"

    assert classify(Evidence(exception_type=type(error).__name__, message=text)).code is shape.code


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if not shape.needs_codes], ids=lambda shape: shape.name
)
def test_span_with_the_message_only_is_named_alike(
    client: openai.OpenAI, provider: ScriptedProvider, shape: Shape
) -> None:
    """Where words or status say it, a span without the provider's codes gets the same code."""
    evidence = evidence_from_exception(answer(client, provider, shape))
    span = Evidence(
        exception_type=evidence.exception_type,
        http_status=evidence.http_status,
        message=evidence.message,
    )

    assert classify(span).code is shape.code


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if shape.needs_codes], ids=lambda shape: shape.name
)
def test_without_its_code_a_hopeless_failure_is_never_called_hopeful(shape: Shape) -> None:
    """A hopeless failure whose code got lost is not taken for one that waiting mends."""
    text = shape.body.get("message") or shape.body["error"]["message"]
    code = classify(Evidence(http_status=shape.status, message=text)).code

    # Anthropic's spending limit is the exception: without its details it is a rate limit.
    assert code not in RETRYABLE or shape.name == "anthropic-spend-limit"


def test_lost_connection_is_named(client: openai.OpenAI, provider: ScriptedProvider) -> None:
    """The SDK's APIConnectionError is a CONNECTION failure."""
    provider.script(cut())

    verdict = classify(evidence_from_exception(ask(client)))

    assert verdict == Classification(C.CONNECTION, "class:connection")


def test_time_out_is_no_connection_failure(
    client: openai.OpenAI, provider: ScriptedProvider
) -> None:
    """APITimeoutError is a TIMEOUT, though it is an APIConnectionError."""
    provider.script(hang())

    error = ask(client, timeout_s=0.05)

    assert isinstance(error, openai.APIConnectionError)
    assert classify(evidence_from_exception(error)).code is C.TIMEOUT


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if shape.code in HOPELESS], ids=lambda shape: shape.name
)
def test_hopeless_failures_are_never_called_hopeful(shape: Shape) -> None:
    """No class name that an SDK may add turns a hopeless answer into one worth repeating."""
    for name in ("APIStatusError", "APIError", "AI_APICallError", "ModelHTTPError", "_OTHER"):
        evidence = Evidence(
            exception_type=name, message=f"Error code: {shape.status} - {shape.body}"
        )
        assert classify(evidence).code not in RETRYABLE
