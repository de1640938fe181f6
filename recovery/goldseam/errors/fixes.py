"""What usually causes a failure, what to do about it, and where the providers say so.

Read by the collector when a pattern is new, and by the API. Pure data; one entry per code.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goldseam.errors.codes import ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Advice for one code.

    Attributes:
        probable_cause: The usual cause, one sentence.
        suggested_actions: What to do, most useful first.
        documentation: Pages of providers that describe this failure.
    """

    probable_cause: str
    suggested_actions: tuple[str, ...]
    documentation: tuple[str, ...]


_OPENAI: Final = "https://platform.openai.com/docs/guides/error-codes"
_OPENAI_LIMITS: Final = "https://platform.openai.com/docs/guides/rate-limits"
_OPENAI_MODELS: Final = "https://platform.openai.com/docs/models"
_OPENAI_STATUS: Final = "https://status.openai.com"
_OPENAI_API: Final = "https://platform.openai.com/docs/api-reference/chat"
_AZURE_LIMITS: Final = "https://learn.microsoft.com/azure/ai-services/openai/how-to/quota"
_AZURE_FILTER: Final = (
    "https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter"
)
_ANTHROPIC: Final = "https://docs.anthropic.com/en/api/errors"
_ANTHROPIC_LIMITS: Final = "https://docs.anthropic.com/en/api/rate-limits"
_ANTHROPIC_STATUS: Final = "https://status.anthropic.com"
_GROQ: Final = "https://console.groq.com/docs/errors"
_ASYNCIO: Final = "https://docs.python.org/3/library/asyncio-task.html#task-cancellation"
_OLLAMA: Final = "https://github.com/ollama/ollama/blob/main/docs/faq.md"

_FIXES: Final = MappingProxyType(
    {
        ErrorCode.RATE_LIMIT: Fix(
            probable_cause="More requests or tokens per minute or day than the account allows.",
            suggested_actions=(
                "Wait as long as the Retry-After header says, then send the request again.",
                "Name a fallback provider or model for the peaks.",
                "Lower max_tokens: many providers count it against the limit in advance.",
                "Ask the provider for a higher limit.",
            ),
            documentation=(_OPENAI_LIMITS, _AZURE_LIMITS, _ANTHROPIC_LIMITS),
        ),
        ErrorCode.REQUEST_TOO_LARGE: Fix(
            probable_cause="A single request is larger than the limit per minute or per body.",
            suggested_actions=(
                "Make the prompt or max_tokens smaller; waiting does not help.",
                "Split the document into several requests.",
                "Use a model or an account tier with a higher limit.",
            ),
            documentation=(_OPENAI_LIMITS, _ANTHROPIC, _GROQ),
        ),
        ErrorCode.QUOTA_EXCEEDED: Fix(
            probable_cause="The account has no credit left or reached its spending limit.",
            suggested_actions=(
                "Add credit or raise the spending limit in the provider's console.",
                "Name a fallback provider with its own account.",
                "Check that the key belongs to the account that has the credit.",
            ),
            documentation=(_OPENAI, _ANTHROPIC),
        ),
        ErrorCode.CONTEXT_LENGTH: Fix(
            probable_cause="Prompt and answer together do not fit into the model's context window.",
            suggested_actions=(
                "Lower max_tokens to what the window leaves: no input is lost.",
                "Use a model with a larger window.",
                "Drop the oldest turns or shorten the longest document.",
            ),
            documentation=(_OPENAI_MODELS, _ANTHROPIC, _OLLAMA),
        ),
        ErrorCode.CONTENT_FILTER: Fix(
            probable_cause="The provider's moderation refused the prompt or the answer.",
            suggested_actions=(
                "Read which category was triggered and review the prompt.",
                "Tell the user; sending the same text again or elsewhere is no remedy.",
            ),
            documentation=(_AZURE_FILTER, _OPENAI),
        ),
        ErrorCode.TIMEOUT: Fix(
            probable_cause="No answer came within the time-out of the client or of a gateway.",
            suggested_actions=(
                "Allow more time for long answers, or stream them.",
                "Name a fallback provider, so that a slow one costs one time-out at most.",
                "Lower max_tokens; a local model may still be loading.",
            ),
            documentation=(_OPENAI, _ANTHROPIC, _OLLAMA),
        ),
        ErrorCode.CANCELLED: Fix(
            probable_cause="The caller cancelled the request or went away.",
            suggested_actions=(
                "Look for a shorter time-out around the call, such as asyncio.wait_for.",
                "Nothing is wrong if users may leave before the answer comes.",
            ),
            documentation=(
                "https://docs.python.org/3/library/asyncio-task.html#task-cancellation",
            ),
        ),
        ErrorCode.CONNECTION: Fix(
            probable_cause="The provider could not be reached, or the connection was lost.",
            suggested_actions=(
                "Check base_url, DNS, proxy and firewall from the application's host.",
                "Check that the server runs, if the model is local.",
                "Name a fallback provider on another network.",
            ),
            documentation=(_OPENAI, _OLLAMA),
        ),
        ErrorCode.AUTH: Fix(
            probable_cause="The API key is missing, wrong or revoked.",
            suggested_actions=(
                "Check the environment variable that holds the key: it must be this provider's.",
                "Create a new key in the provider's console.",
            ),
            documentation=(_OPENAI, _ANTHROPIC),
        ),
        ErrorCode.PERMISSION: Fix(
            probable_cause="The key is valid but may not use this model, project or region.",
            suggested_actions=(
                "Give the key's project access to the model.",
                "Check the provider's list of supported regions.",
            ),
            documentation=(_OPENAI, _ANTHROPIC),
        ),
        ErrorCode.NOT_FOUND: Fix(
            probable_cause="The model, deployment or path does not exist at this provider.",
            suggested_actions=(
                "Check the model's name and whether it was retired.",
                "Pull the model, if the server is Ollama; check the deployment's name on Azure.",
                "Check that base_url ends as the provider documents.",
            ),
            documentation=(_OPENAI_MODELS, _ANTHROPIC, _OLLAMA),
        ),
        ErrorCode.OVERLOADED: Fix(
            probable_cause="The provider has no capacity for the moment.",
            suggested_actions=(
                "Name a fallback provider or model.",
                "Send the request again after a short wait.",
                "Look at the provider's status page.",
            ),
            documentation=(_OPENAI, _ANTHROPIC, _ANTHROPIC_STATUS),
        ),
        ErrorCode.SERVER_ERROR: Fix(
            probable_cause="The provider failed while it worked on the request.",
            suggested_actions=(
                "Send the request again; most such failures are short.",
                "Name a fallback provider.",
                "Look at the provider's status page; keep the request id for its support.",
            ),
            documentation=(_OPENAI, _OPENAI_STATUS, _ANTHROPIC_STATUS),
        ),
        ErrorCode.INVALID_REQUEST: Fix(
            probable_cause="A parameter or the body is not what the provider accepts.",
            suggested_actions=(
                "Read which parameter the message names and correct it.",
                "Check whether this model supports the parameter: reasoning models refuse some.",
                "Compare the versions of SDK and API.",
            ),
            documentation=(_OPENAI_API, _ANTHROPIC),
        ),
        ErrorCode.RESPONSE_INVALID: Fix(
            probable_cause="An answer came that cannot be used: empty, cut off or not as asked.",
            suggested_actions=(
                "Raise max_tokens if the answer was cut off.",
                "Ask again; state the wanted format more strictly.",
                "Look for a proxy that answers with its own page.",
            ),
            documentation=("https://platform.openai.com/docs/guides/structured-outputs", _GROQ),
        ),
        ErrorCode.UNKNOWN: Fix(
            probable_cause="No rule knows this failure.",
            suggested_actions=(
                "Read the error message and the trace of the request.",
                "Report the shape of the error, so that a rule can be added.",
            ),
            documentation=(_OPENAI, _ANTHROPIC),
        ),
    }
)


def fix_for(code: ErrorCode) -> Fix:
    """Return the advice for `code`."""
    return _FIXES[code]
