"""The rules that name a failure, as data, in the order in which they are tried.

`classify` walks the table once per failure. A rule holds if one of its words is in the evidence it
looks at, and if the status, where one is known, is among those it needs. Words of a text may leave
a gap, `model … not found`: the parts stand in this order, not far apart. Sources: the error pages
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


GAP: Final = " … "
"""Between the parts of what is looked for in a text."""

_SIZE: Final = frozenset({400, 413, 422, 500})
"""Servers of open models send 500 where a prompt does not fit."""

_LIMITS: Final = frozenset({400, 402, 403, 429})
_REFUSED: Final = frozenset({400, 403})
_EMPTY: Final = _LIMITS | {500}
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
            "insufficient_balance",
            "exceeded_current_quota_error",
            "arrearage",
            "allocationquota.freetieronly",
            "payment_required",
        ),
    ),
    Rule(ErrorCode.QUOTA_EXCEEDED, "status", ("402",)),
    # Anthropic sends the first two with `rate_limit_error`, the third with `invalid_request_error`;
    # others send 429 or 403 for an empty account. What a month's allowance lacks is paid for, not
    # waited for; a day's comes back.
    Rule(
        ErrorCode.QUOTA_EXCEEDED,
        "text",
        (
            "usage is required",
            "credits are required",
            "reached your specified api usage limit",
            "all available credits",
            "out of credits",
            "not enough credits",
            "no credits",
            "exhausted … credit",
            "credits … exhausted",
            "credits … depleted",
            "credits … used up",
            "insufficient balance",
            "insufficient account balance",
            "insufficient funds",
            "balance … insufficient",
            "balance … too low",
            "balance … not enough",
            "not enough balance",
            "arrears",
            "arrearage",
            "overdue",
            "spending limit",
            "spending cap",
            "monthly … limit",
            "monthly … quota",
            "monthly … credit",
            "monthly … allowance",
            "calls / month",
            "limit: 0",
            "perdayper",
            "permodelperday",
            "in good standing",
            "free allocated quota",
            "free quota",
            "余额不足",
            "欠费",
        ),
        _EMPTY,
    ),
    # Google's names of limits; its sentence speaks of "your current quota" for each of them.
    Rule(ErrorCode.RATE_LIMIT, "text", ("perminuteper", "permodelperminute"), _RATE),
    Rule(
        ErrorCode.RATE_LIMIT,
        "provider_code",
        (
            "generaterequestsperminuteperprojectpermodel",
            "generaterequestsperminuteperprojectpermodel-freetier",
            "generatecontentinputtokenspermodelperminute",
            "generatecontentinputtokenspermodelperminute-freetier",
            "generatecontentpaidtierinputtokenspermodelperminute",
        ),
        _RATE,
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
            "datainspectionfailed",
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
        (
            "overloaded_error",
            "capacity_exceeded",
            "engine_overloaded",
            "engine_overloaded_error",
            "3505",
            "unavailable",
        ),
    ),
    # These texts come with 429 as well: nobody's limit is at fault.
    Rule(
        ErrorCode.OVERLOADED,
        "text",
        ("service tier capacity exceeded", "overloaded", "at capacity", "over capacity"),
        _BUSY,
    ),
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
    # NVIDIA answers so with 400 for a hosted model that is ill: the request is well.
    Rule(ErrorCode.SERVER_ERROR, "text", ("degraded function",), _REFUSED),
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
            "input is too long",
            "prompt too long",
            "input too long",
            "input token count … exceeds",
            "input tokens … exceed",
            "input length … exceed",
            "input length should be",
            "prompt … exceeds",
            "exceeds … maximum input",
            "exceeds … context",
            "exceed … context",
            "exceeds the maximum number of tokens",
            "model token limit",
            "context size",
            "context … overflow",
            "must have less than … tokens",
            "too many tokens",
            "max_new_tokens` must be",
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
            "inappropriate content",
        ),
        _REFUSED,
    ),
    Rule(
        ErrorCode.AUTH,
        "provider_code",
        ("invalid_api_key", "authentication_error", "unauthenticated"),
    ),
    Rule(
        ErrorCode.AUTH,
        "text",
        (
            "invalid_api_key",
            "api key not valid",
            "incorrect api key",
            "invalid api key",
            "api key … is invalid",
            "api key … expired",
            "api key not found",
            "no api key",
            "missing api key",
            "api key is missing",
            "security token",
            "invalid token",
            "invalid access token",
            "token … expired",
            "token is invalid",
            "token seems invalid",
            "invalid credentials",
            "bad credentials",
        ),
        _KEY,
    ),
    Rule(
        ErrorCode.PERMISSION,
        "text",
        ("location is not supported", "region … not supported", "country … not supported"),
        _REFUSED,
    ),
    Rule(
        ErrorCode.PERMISSION,
        "provider_code",
        ("permission_error", "permission_denied", "unsupported_country_region_territory"),
    ),
    Rule(
        ErrorCode.NOT_FOUND,
        "text",
        (
            "model_not_found",
            "try pulling it first",
            "not a valid model",
            "model not exist",
            "model … not found",
            "model … does not exist",
            "model … decommissioned",
            "model … deprecated",
            "model … retired",
            "model … no longer",
            "model identifier is invalid",
            "model is not supported",
            "not supported by any",
            "model not supported",
            "model is not available",
            "unsupported model",
            "unknown model",
            "invalid model name",
            "no such model",
            "unable to access … model",
        ),
        _MISSING,
    ),
    Rule(ErrorCode.NOT_FOUND, "text", ("does not have access to model",), _REFUSED | _MISSING),
    Rule(
        ErrorCode.RESPONSE_INVALID,
        "provider_code",
        ("json_validate_failed", "tool_use_failed"),
        _FAILED_OUTPUT,
    ),
    Rule(
        ErrorCode.RESPONSE_INVALID,
        "text",
        ("failed_generation", "failed to generate json", "failed to call a function"),
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
