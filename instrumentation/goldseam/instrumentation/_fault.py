"""Why a call or an attempt failed, as telemetry tells it.

Called by `_invocation` and `_recovery` with a live exception or with the facts of an answer that
is none. The caller's exception is read, never changed, and no traceback is kept.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from goldseam.errors import ErrorCode, Evidence, classify, evidence_from_exception
from goldseam.instrumentation import _names
from goldseam.instrumentation._privacy import provider_words, safe_message
from goldseam.semconv import attributes as names

RequestTexts = Callable[[], Iterable[str]]
"""Gives the texts that a message may not repeat; asked only where a message is wanted."""

INCOMPLETE_STREAM: Final = "incomplete_stream"
"""`error.type` of a stream that ended without a finish reason: a server or proxy cut it."""

ERROR_IN_BODY: Final = "error_in_body"
"""`error.type` of an answer with status 200 whose body holds an error instead of an answer."""

UNUSABLE_ANSWER: Final = "unusable_answer"
"""`error.type` of an answer with status 200 that holds neither an answer nor an error."""


class UnusableAnswerError(Exception):
    """An answer came with status 200 and holds none.

    Attributes:
        status_code: 200, as evidence for the classification.
        body: The error that came in place of the answer, if one did.
    """

    status_code: Final = 200

    def __init__(self, reason: str, body: object = None) -> None:
        super().__init__(reason)
        self.body = body

    @property
    def error_type(self) -> str:
        """Value of `error.type`; no exception of this class reaches the application."""
        return ERROR_IN_BODY if self.body else UNUSABLE_ANSWER


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure in the words of the conventions.

    Attributes:
        error_type: Value of `error.type`.
        code: Which of the sixteen codes.
        http_status: Status of the provider's answer, None without one.
        message: The provider's words, cleaned; empty where nobody would see them.
    """

    error_type: str
    code: ErrorCode
    http_status: int | None
    message: str

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the span attributes of the fault."""
        attributes: dict[str, AttributeValue] = {
            _names.ERROR_TYPE: self.error_type,
            names.ERROR_CODE: self.code.value,
        }
        if self.http_status is not None:
            attributes[_names.HTTP_RESPONSE_STATUS_CODE] = self.http_status
        return attributes


def from_exception(error: BaseException, texts: RequestTexts | None) -> Fault:
    """Return the fault of a raised exception.

    Args:
        error: What the application will see.
        texts: The request's texts; None leaves the message out.
    """
    evidence = evidence_from_exception(error)
    is_interruption = not isinstance(error, Exception)  # it tells of tasks and scopes in memory
    words = "" if texts is None or is_interruption else provider_words(error)
    return Fault(
        error_type=_error_type(error),
        code=classify(evidence).code,
        http_status=evidence.http_status,
        message=safe_message(words, texts()) if texts and words else "",
    )


def _error_type(error: BaseException) -> str:
    return error.error_type if isinstance(error, UnusableAnswerError) else class_name(type(error))


def from_error_body(body: Mapping[str, Any], texts: RequestTexts | None) -> Fault:
    """Return the fault of an answer with status 200 that holds an error."""
    told = [body.get(key) for key in ("code", "type")]
    codes = tuple(str(code) for code in told if isinstance(code, str | int))
    message = str(body.get("message") or "")
    return Fault(
        error_type=ERROR_IN_BODY,
        code=classify(Evidence(provider_codes=codes, message=message)).code,
        http_status=None,
        message=safe_message(message, texts()) if texts else "",
    )


def from_status(status: int, body: object, texts: RequestTexts | None) -> Fault:
    """Return the fault of an answer whose HTTP status is an error.

    Args:
        status: The HTTP status.
        body: The decoded body, None where there is none.
        texts: The request's texts; None leaves the message out.
    """
    refused = _RefusedError(status, body)
    evidence = evidence_from_exception(refused)
    return Fault(
        error_type=str(status),
        code=classify(evidence).code,
        http_status=status,
        message=safe_message(provider_words(refused), texts()) if texts else "",
    )


def incomplete_stream() -> Fault:
    """Return the fault of a stream that stopped before the model did."""
    return Fault(
        error_type=INCOMPLETE_STREAM,
        code=ErrorCode.RESPONSE_INVALID,
        http_status=None,
        message="the stream ended without a finish reason",
    )


def unread(error: BaseException) -> Fault:
    """Return the little that is certain about an exception that could not be read."""
    return Fault(class_name(type(error)), ErrorCode.UNKNOWN, None, "")


class _RefusedError(Exception):
    """An error answer in the shape of an SDK's exception, for the rules that read those."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__()
        self.status_code = status
        self.body = body


def class_name(cls: type) -> str:
    """Return the class's canonical name, as the conventions want it in `error.type`."""
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"
