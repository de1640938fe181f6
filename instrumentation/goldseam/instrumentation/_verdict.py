"""Tells an answer with status 200 that is none, and a stream that fails before its first token.

Called by `_mending` and `_recovery` for calls whose repeats recovery owns. What the SDK gave is
kept: where nothing better is found the caller gets it, a stream with all that it would have said.
Of other calls `_call` and `_wire_answer` ask `fault_of` only, to say what is wrong.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from goldseam.instrumentation._fault import UnusableAnswerError
from goldseam.instrumentation._formats._base import Answer, Format, field
from goldseam.instrumentation._guard import report
from goldseam.instrumentation._raw import is_raw

MAX_CHUNKS: Final = 32
"""A stream that says nothing in so many chunks is given to the caller as it is."""

_SPARSE: Final = frozenset({"length", "content_filter", "tool_calls", "function_call"})
"""Why an answer without text may be all there is; asking again would bring the same."""

_BEFORE_TOKENS: Final = frozenset(
    {
        "message_start",
        "ping",
        "content_block_start",
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    }
)
"""Events of Anthropic's messages and of OpenAI's responses that come before anything is said."""


class Unusable(Exception):  # noqa: N818 - carries what the SDK gave past the place where it is used
    """What the SDK returned does not help the caller.

    Attributes:
        response: What the SDK returned; the caller gets it where nothing better is found.
        cause: Why it is of no use.
    """

    def __init__(self, response: Any, cause: Exception) -> None:
        super().__init__()
        self.response = response
        self.cause = cause


def checked(response: Any, format_: Format, *, is_stream: bool) -> Any:
    """Return what the SDK returned if it is an answer; of a stream, wait for the first token.

    Raises:
        Unusable: It is none.
    """
    try:
        return _checked(response, format_, is_stream=is_stream)
    except Unusable:
        raise
    except Exception as fault:  # noqa: BLE001 - the fence: what we cannot judge is an answer
        report("checked", fault)
        return response


async def achecked(response: Any, format_: Format, *, is_stream: bool) -> Any:
    """Return what the SDK returned if it is an answer: `checked` for tasks."""
    try:
        return await _achecked(response, format_, is_stream=is_stream)
    except Unusable:
        raise
    except Exception as fault:  # noqa: BLE001 - the fence: what we cannot judge is an answer
        report("achecked", fault)
        return response


def _checked(response: Any, format_: Format, *, is_stream: bool) -> Any:
    if is_raw(response):
        return response
    if not is_stream:
        return _judged(response, format_)
    if not hasattr(response, "_iterator"):
        return response
    inner, seen = response._iterator, []  # noqa: SLF001 - the one place that every way of reading passes
    failure: Exception | None = None
    try:
        for chunk in inner:
            seen.append(chunk)
            if _has_begun(chunk) or len(seen) >= MAX_CHUNKS:
                break
        else:
            failure = UnusableAnswerError("the stream ended before its first token")
    except Exception as error:  # noqa: BLE001 - an SDK may raise anything
        failure = error
    response._iterator = _replay(seen, inner, failure)  # noqa: SLF001 - see above
    if failure is not None:
        raise Unusable(response, failure)
    return response


async def _achecked(response: Any, format_: Format, *, is_stream: bool) -> Any:
    if not is_stream or is_raw(response) or not hasattr(response, "_iterator"):
        return _checked(response, format_, is_stream=False)
    inner, seen = response._iterator, []  # noqa: SLF001 - as in `checked`
    failure: Exception | None = None
    try:
        async for chunk in inner:
            seen.append(chunk)
            if _has_begun(chunk) or len(seen) >= MAX_CHUNKS:
                break
        else:
            failure = UnusableAnswerError("the stream ended before its first token")
    except Exception as error:  # noqa: BLE001 - an SDK may raise anything
        failure = error
    response._iterator = _areplay(seen, inner, failure)  # noqa: SLF001 - see above
    if failure is not None:
        raise Unusable(response, failure)
    return response


def _replay(seen: list[Any], inner: Iterator[Any], failure: Exception | None) -> Iterator[Any]:
    yield from seen
    if failure is None:
        yield from inner
    elif not isinstance(failure, UnusableAnswerError):
        raise failure


async def _areplay(
    seen: list[Any], inner: AsyncIterator[Any], failure: Exception | None
) -> AsyncIterator[Any]:
    for chunk in seen:
        yield chunk
    if failure is None:
        async for chunk in inner:
            yield chunk
    elif not isinstance(failure, UnusableAnswerError):
        raise failure


def _judged(response: Any, format_: Format) -> Any:
    try:
        fault = fault_of(response, format_)
    except Exception as error:  # noqa: BLE001 - the fence: what we cannot judge is an answer
        report("_verdict", error)
        return response
    if fault is not None:
        raise Unusable(response, fault)
    return response


def is_plainly_good(answer: Answer | None) -> bool:
    """Tell at a glance that an answer says something and no error, as nearly all do."""
    return (
        answer is not None
        and bool(answer.length)
        and answer.error is None
        and bool(answer.finish_reasons)
        and "error" not in answer.finish_reasons
    )


def fault_of(response: Any, format_: Format) -> UnusableAnswerError | None:
    """Return what is wrong with a whole answer, None for a good one."""
    if isinstance(response, str | bytes):
        return UnusableAnswerError("the answer is no JSON")
    match format_.path:
        case "/chat/completions" | "/completions":
            return _fault_of_choices(response)
        case "/responses":
            error = field(response, "error")
            if field(response, "status") == "failed" or error:
                return UnusableAnswerError("the answer holds an error", _plain(error))
        case "/embeddings":
            if not field(response, "data"):
                return _nothing_in(response, "vectors")
        case "/v1/messages":
            if field(response, "content") is None:
                return _nothing_in(response, "content")
    return None


def _fault_of_choices(response: Any) -> UnusableAnswerError | None:
    choices = field(response, "choices")
    if not choices:
        return _nothing_in(response, "choices")
    choice = choices[0]
    reason = field(choice, "finish_reason")
    message = field(choice, "message")
    if reason != "error" and field(message, "content"):
        return None
    if reason == "error":
        return UnusableAnswerError(
            "the model stopped with an error", _plain(field(choice, "error"))
        )
    if reason in _SPARSE or field(choice, "text"):
        return None
    if message is None or not _says_something(message):
        return UnusableAnswerError("the answer is empty")
    return None


def _nothing_in(response: Any, what: str) -> UnusableAnswerError:
    error = _plain(field(response, "error"))
    if error:
        return UnusableAnswerError("the answer holds an error", error)
    return UnusableAnswerError(f"the answer has no {what}")


def _says_something(part: Any) -> bool:
    """Tell whether a message or a delta holds anything beside its role."""
    if isinstance(part, dict):
        return any(value for name, value in part.items() if name != "role")
    if field(part, "content"):
        return True
    told = {**vars(part), **(getattr(part, "__pydantic_extra__", None) or {})}
    return any(value for name, value in told.items() if name != "role" and not name.startswith("_"))


def _has_begun(chunk: Any) -> bool:
    """Tell whether a chunk holds something that the caller must not see twice."""
    try:
        choices = field(chunk, "choices")
        if choices is None:
            return field(chunk, "type") not in _BEFORE_TOKENS
        return any(
            field(choice, "finish_reason")
            or field(choice, "text")
            or ((delta := field(choice, "delta")) is not None and _says_something(delta))
            for choice in choices
        )
    except Exception as error:  # noqa: BLE001 - the fence
        report("_verdict", error)
        return True


def _plain(error: Any) -> Any:
    """Return an error as the JSON it was."""
    dump = getattr(error, "model_dump", None)
    return dump() if dump is not None else error
