"""The sixteen failure kinds.

Everything that names a failure uses these: spans, rows, the plan, the API. Pure constants.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """What went wrong with a provider call, whoever the provider is."""

    RATE_LIMIT = "RATE_LIMIT"
    """Too many requests or tokens for now; waiting helps."""
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    """This one request is bigger than the limit; waiting never helps."""
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    """The account has no credit or reached its spending limit; a person must act."""
    CONTEXT_LENGTH = "CONTEXT_LENGTH"
    """Prompt plus answer do not fit into the model's window."""
    CONTENT_FILTER = "CONTENT_FILTER"
    """The provider's moderation refused."""
    TIMEOUT = "TIMEOUT"
    """No answer in time, by the client's clock or a gateway's."""
    CANCELLED = "CANCELLED"
    """The caller gave up."""
    CONNECTION = "CONNECTION"
    """The network failed: refused, reset, name not found, TLS."""
    AUTH = "AUTH"
    """The key is missing or wrong."""
    PERMISSION = "PERMISSION"
    """The key is right and may not do this."""
    NOT_FOUND = "NOT_FOUND"
    """The model, deployment or path does not exist there."""
    OVERLOADED = "OVERLOADED"
    """The provider has no capacity for anyone just now."""
    SERVER_ERROR = "SERVER_ERROR"
    """The provider failed."""
    INVALID_REQUEST = "INVALID_REQUEST"
    """The request is wrong and stays wrong."""
    INVALID = "INVALID_REQUEST"
    """Alias of `INVALID_REQUEST`."""
    RESPONSE_INVALID = "RESPONSE_INVALID"
    """An answer came that cannot be used."""
    UNKNOWN = "UNKNOWN"
    """No rule knows this failure."""
