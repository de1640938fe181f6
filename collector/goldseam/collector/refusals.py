"""Every answer of the collector that is not 200, and the one rule that each stands for.

Raised by `admission` and by all parts on the way of a body, rendered by the receivers. A sender
repeats what was refused with 503 and drops what was refused with anything else, so 503 is the only
answer to a passing fault and the others are kept for bodies that no repetition would mend.
"""

from typing import ClassVar, Final

RETRY_AFTER_S: Final = 1
"""The stock Python exporter gives up after six tries or 10 s, so a longer pause would lose more."""

_INVALID_ARGUMENT: Final = 3
_PERMISSION_DENIED: Final = 7
_UNAVAILABLE: Final = 14
_UNAUTHENTICATED: Final = 16


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The collector does not store this body.

    Attributes:
        http_status: Status of the HTTP answer.
        rpc_code: `google.rpc.Code` of the body.
        retry: Whether the same body may be stored later.
    """

    http_status: ClassVar[int]
    rpc_code: ClassVar[int]
    retry: ClassVar[bool] = False


class DecodeError(Refusal):
    """The body is not an OTLP request."""

    http_status = 400
    rpc_code = _INVALID_ARGUMENT


class Unauthenticated(Refusal):
    """The sender presents no key where one is needed, or one that opens nothing."""

    http_status = 401
    rpc_code = _UNAUTHENTICATED


class Forbidden(Refusal):
    """The sender's key is for something else."""

    http_status = 403
    rpc_code = _PERMISSION_DENIED


class BodyTooLarge(Refusal):
    """The body is larger than the limit after inflation."""

    http_status = 413
    rpc_code = _INVALID_ARGUMENT


class UnsupportedMedia(Refusal):
    """The content type or the content encoding is none that the collector reads."""

    http_status = 415
    rpc_code = _INVALID_ARGUMENT


class Unavailable(Refusal):
    """The body cannot be stored now; the sender keeps it and tries again."""

    http_status = 503
    rpc_code = _UNAVAILABLE
    retry = True


class QueueFull(Unavailable):
    """Too many bytes wait for the database."""


class Overloaded(Unavailable):
    """The bodies that are being received take all the memory that they may."""


class TooSlow(Unavailable):
    """The body has not come to its end in time."""


class StorageAway(Unavailable):
    """The database does not take rows now."""


class StorageFault(StorageAway):
    """The database is there and fails at these very rows, in a way that is no fault of a value."""


class StorageSlow(StorageAway):
    """The database has taken longer for a commit than a sender can wait."""


class SpoolFull(Unavailable):
    """The spool takes no more: its limit is reached, or its disk is full or fails."""
