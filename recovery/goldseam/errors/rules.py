"""The rules that name a failure, as data, in the order in which they are tried.

`classify` walks the table once per failure. A rule holds if one of its words is in the evidence it
looks at, and if the status, where one is known, is among those it needs. Sources: the error pages
of OpenAI, Azure OpenAI, Anthropic, Mistral, Groq, Gemini, vLLM, Ollama and OpenRouter, and what
their servers send.
"""

from dataclasses import dataclass
from typing import Final, Literal

from goldseam.errors.codes import ErrorCode

Source = Literal["class", "provider_code", "text", "status"]
"""What a rule looks at: the exception's class name (parts, without case), codes and types that the
provider sent (whole), the message (parts, without case), or the HTTP status."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: evidence in, code out.

    Attributes:
        code: The verdict.
        source: What is looked at.
        words: What is looked for, in lower case.
        statuses: Statuses of which one is needed where the status is known; empty needs none.
    """

    code: ErrorCode
    source: Source
    words: tuple[str, ...]
    statuses: frozenset[int] = frozenset()


_SIZE: Final = frozenset({400, 413, 422})
_LIMITS: Final = frozenset({400, 402, 403, 429})
_REFUSED: Final = frozenset({400, 403})
_RATE: Final = frozenset({429})
_MISSING: Final = frozenset({400, 404, 410})
_BUSY: Final = frozenset({429, 500, 502, 503, 529})
_KEY: Final = frozenset({400, 401, 403})
_FAILED_OUTPUT: Final = frozenset({400})

TRANSPORT: Final = (
    # "timeout" stands before "connection": openai's APITimeoutError is an APIConnectionError, and
    # Anthropic's time-out text speaks of dropped connections and cancellation.
    Rule(
        ErrorCode.TIMEOUT,
        "class",
        ("timeout", "timed_out", "timedout", "deadlineexceeded", "deadline_exceeded"),
    ),
    Rule(
        ErrorCode.CANCELLED,
        "class",
        ("cancelled", "canceled", "aborterror", "keyboardinterrupt", "generatorexit"),
    ),
    Rule(
        ErrorCode.CONNECTION,
        "class",
        (
            "connection",
            "connecterror",
            "connectorerror",
            "remoteprotocolerror",
            "readerror",
            "writeerror",
            "networkerror",
            "disconnected",
            "brokenpipe",
            "incompleteread",
            "gaierror",
            "sslerror",
            "sslcertverification",
            "sslzeroreturn",
            "ssleof",
        ),
    ),
)
"""The request did not get through: nothing that a provider said can be known."""

PROVIDER: Final = (
    Rule(
        ErrorCode.QUOTA_EXCEEDED,
        "provider_code",
        (
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "enforced_spend_limit_reached",
            "insufficient_credits",
        ),
    ),
    Rule(ErrorCode.QUOTA_EXCEEDED, "status", ("402",)),
    # Anthropic sends the first two with `rate_limit_error`, the last with `invalid_request_error`.
    Rule(
        ErrorCode.QUOTA_EXCEEDED,
        "text",
        ("usage is required", "credits are required", "reached your specified api usage limit"),
        _LIMITS,
    ),
    # Groq sends 413 with `rate_limit_exceeded`; OpenAI sends that code with a 429 text that says
    # so: waiting never helps, so both stand before the rate limit.
    Rule(ErrorCode.REQUEST_TOO_LARGE, "status", ("413",)),
    Rule(
        ErrorCode.REQUEST_TOO_LARGE,
        "provider_code",
        ("request_too_large", "max_tokens_per_request"),
    ),
    Rule(
        ErrorCode.REQUEST_TOO_LARGE,
        "text",
        ("request too large", "request_too_large", "tokens per request"),
    ),
    Rule(
        ErrorCode.CONTEXT_LENGTH,
        "provider_code",
        ("context_length_exceeded", "string_above_max_length", "3051"),
    ),
    Rule(
        ErrorCode.CONTENT_FILTER,
        "provider_code",
        (
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "invalid_prompt",
        ),
    ),
    Rule(
        ErrorCode.NOT_FOUND,
        "provider_code",
        (
            "model_not_found",
            "deploymentnotfound",
            "invalid_model",
            "1500",
            "model_decommissioned",
            "not_found_error",
            "notfounderror",
            "not_found",
        ),
    ),
    Rule(
        ErrorCode.OVERLOADED,
        "provider_code",
        ("overloaded_error", "capacity_exceeded", "engine_overloaded", "3505", "unavailable"),
    ),
    # Mistral sends this text with 429 as well.
    Rule(ErrorCode.OVERLOADED, "text", ("service tier capacity exceeded",), _BUSY),
    Rule(
        ErrorCode.RATE_LIMIT,
        "provider_code",
        (
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limited",
            "ratelimitreached",
            "too_many_requests",
            "1300",
        ),
    ),
    Rule(ErrorCode.RATE_LIMIT, "text", ("rate limit reached", "rate_limit_exceeded"), _RATE),
    Rule(
        ErrorCode.QUOTA_EXCEEDED,
        "text",
        (
            "insufficient_quota",
            "exceeded your current quota",
            "billing",
            "credit balance is too low",
            "insufficient credits",
            "spend limit",
        ),
        _LIMITS,
    ),
    Rule(
        ErrorCode.RATE_LIMIT,
        "provider_code",
        ("resource_exhausted", "tokens", "requests"),
        _RATE,
    ),
    Rule(
        ErrorCode.CONTEXT_LENGTH,
        "text",
        (
            "context_length_exceeded",
            "maximum context length",
            "prompt is too long",
            "exceed context limit",
            "context length is only",
            "longer than the context length",
            "exceeds the context length",
            "exceed the configured limit",
            "exceeds the context window",
            "max_tokens must be at least 1, got -",
            "too large for model with",
            "please reduce the length",
        ),
        _SIZE,
    ),
    Rule(
        ErrorCode.CONTENT_FILTER,
        "text",
        (
            "content_filter",
            "content_policy_violation",
            "content management policy",
            "content filtering policy",
            "moderation",
            "violating our usage polic",
            "our safety system",
        ),
        _REFUSED,
    ),
    Rule(
        ErrorCode.AUTH,
        "provider_code",
        ("invalid_api_key", "authentication_error", "unauthenticated"),
    ),
    Rule(ErrorCode.AUTH, "text", ("invalid_api_key", "api key not valid"), _KEY),
    Rule(
        ErrorCode.PERMISSION,
        "provider_code",
        ("permission_error", "permission_denied", "unsupported_country_region_territory"),
    ),
    Rule(ErrorCode.NOT_FOUND, "text", ("model_not_found", "try pulling it first"), _MISSING),
    Rule(ErrorCode.NOT_FOUND, "text", ("does not have access to model",), _REFUSED | _MISSING),
    Rule(
        ErrorCode.RESPONSE_INVALID,
        "provider_code",
        ("json_validate_failed", "tool_use_failed"),
        _FAILED_OUTPUT,
    ),
    Rule(
        ErrorCode.TIMEOUT,
        "provider_code",
        ("timeout", "timeout_error", "request_timeout", "deadline_exceeded"),
    ),
)
"""The provider's own words. They separate kinds that share a class or a status."""

SPECIFIC: Final = (
    Rule(
        ErrorCode.RATE_LIMIT,
        "class",
        (
            "ratelimit",
            "toomanyrequests",
            "rate_limit_error",
            "resourceexhausted",
            "throttlingexception",
        ),
    ),
    Rule(ErrorCode.CONTEXT_LENGTH, "class", ("contextwindow", "contextlength", "contextoverflow")),
    Rule(ErrorCode.CONTENT_FILTER, "class", ("contentfilter", "contentpolicy")),
    Rule(ErrorCode.REQUEST_TOO_LARGE, "class", ("request_too_large", "requesttoolarge")),
    Rule(ErrorCode.QUOTA_EXCEEDED, "class", ("billing_error",)),
    Rule(ErrorCode.AUTH, "class", ("authentication", "unauthorized", "authentication_error")),
    Rule(ErrorCode.PERMISSION, "class", ("permissiondenied", "permission_error", "forbidden")),
    Rule(ErrorCode.NOT_FOUND, "class", ("notfound", "not_found_error")),
    Rule(ErrorCode.OVERLOADED, "class", ("overloaded", "serviceunavailable")),
    Rule(
        ErrorCode.RESPONSE_INVALID,
        "class",
        (
            "responsevalidation",
            "jsondecode",
            "validationerror",
            "unexpectedmodelbehavior",
            "lengthfinishreason",
        ),
    ),
)
"""Classes that say more than the status."""

STATUS: Final = (
    Rule(ErrorCode.RATE_LIMIT, "status", ("429",)),
    Rule(ErrorCode.TIMEOUT, "status", ("408", "504")),
    Rule(ErrorCode.CANCELLED, "status", ("499",)),
    Rule(ErrorCode.AUTH, "status", ("401",)),
    Rule(ErrorCode.PERMISSION, "status", ("403",)),
    Rule(ErrorCode.NOT_FOUND, "status", ("404",)),
    Rule(ErrorCode.OVERLOADED, "status", ("498", "503", "529")),
    Rule(ErrorCode.SERVER_ERROR, "status", ("5xx",)),
    Rule(ErrorCode.INVALID_REQUEST, "status", ("400", "409", "422")),
)

GENERAL: Final = (
    Rule(ErrorCode.OVERLOADED, "text", ("overloaded",), _BUSY),
    Rule(ErrorCode.SERVER_ERROR, "class", ("internalserver", "api_error", "servererror")),
    Rule(
        ErrorCode.INVALID_REQUEST,
        "class",
        (
            "badrequest",
            "invalidrequest",
            "invalid_request_error",
            "unprocessableentity",
            "conflict",
        ),
    ),
    Rule(ErrorCode.SERVER_ERROR, "provider_code", ("server_error", "api_error", "internal_error")),
    Rule(ErrorCode.INVALID_REQUEST, "provider_code", ("invalid_request_error", "invalid_argument")),
)
"""Classes and types that say no more than a status would; used where no status is known.

Ollama calls every failure but 400 and 404 `api_error`, OpenAI calls a wrong key
`invalid_request_error`: before the status they would mislead.
"""

KEYWORDS: Final = (
    Rule(ErrorCode.RATE_LIMIT, "text", ("resource_exhausted", "rate limit", "too many requests")),
    Rule(ErrorCode.TIMEOUT, "text", ("timed out", "timeout", "deadline exceeded")),
    Rule(
        ErrorCode.CONNECTION,
        "text",
        (
            "connection error",
            "connection refused",
            "connection reset",
            "connection attempts failed",
            "actively refused",
            "econnrefused",
            "econnreset",
            "enotfound",
            "eai_again",
            "name resolution",
            "name or service not known",
            "nodename nor servname",
            "cannot connect to",
            "failed to connect to",
            "server disconnected",
            "peer closed connection",
            "certificate verify failed",
            "unexpected_eof_while_reading",
        ),
    ),
    Rule(
        ErrorCode.RESPONSE_INVALID,
        "text",
        (
            "could not parse response content",
            "validation error for",
            "expecting value: line",
            "unexpected end of json input",
        ),
    ),
    Rule(ErrorCode.CANCELLED, "text", ("request was aborted", "operation was aborted")),
    Rule(
        ErrorCode.AUTH,
        "text",
        ("unauthenticated", "unauthorized", "missing credentials", "api key provided"),
    ),
    Rule(ErrorCode.INVALID_REQUEST, "text", ("invalid_argument",)),
)
"""Words in a message that came with nothing else."""

UNUSABLE: Final = (Rule(ErrorCode.RESPONSE_INVALID, "status", ("200",)),)
"""The provider says that all is well, and yet the call failed."""

RULES: Final = TRANSPORT + PROVIDER + SPECIFIC + STATUS + GENERAL + KEYWORDS + UNUSABLE
"""Every rule, in the order in which they are tried; the first that holds decides."""
