"""Follows a streamed answer to its end without standing between the caller and the SDK's object.

`_sdk` calls `follow` with the SDK's own stream. The object stays what it is: its inner iterator is
replaced by one that looks at each chunk, and closing its HTTP response is noticed. The invocation
ends once, whichever comes first: the last chunk, an error or cancellation while waiting for a
chunk, a close by the caller, or the collection of an abandoned stream. A caller who stops early
made no error; a stream that stops before the model did is one.
"""

import sys
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from goldseam.instrumentation._attempts import sdk_retries
from goldseam.instrumentation._fault import incomplete_stream
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation

if TYPE_CHECKING:
    from types import FrameType


class StreamEnd:
    """Collects what a stream tells and ends its invocation once.

    Holds no reference to the stream: the stream's collection is one of the ends.
    """

    __slots__ = ("_chunks", "_first_chunk_s", "_invocation", "_last_s", "_retries", "_tally")

    def __init__(self, invocation: Invocation, retries: int | None) -> None:
        self._invocation = invocation
        self._retries = retries
        self._tally = invocation.reading.tally()
        self._first_chunk_s: float | None = None
        self._last_s = 0.0
        self._chunks = 0

    def chunk(self, chunk: Any) -> None:
        """Take note of one chunk."""
        self._last_s = time.perf_counter()
        self._chunks += 1
        if self._first_chunk_s is None:
            self._first_chunk_s = self._last_s - self._invocation.started_s
        try:
            self._tally.add(chunk)
        except Exception as error:  # noqa: BLE001 - a strange chunk is the caller's to judge
            report("StreamEnd.chunk", error)

    @fenced
    def finished(self) -> None:
        """End after the last chunk; without a finish reason somebody cut the stream."""
        if self._is_complete():
            self._stop()
        else:
            self._invocation.fail(
                incomplete_stream(), answer=self._tally.answer, first_chunk_s=self._first_chunk_s
            )

    @fenced
    def failed(self, error: BaseException) -> None:
        """End with the error that waiting for a chunk raised."""
        self._is_complete()
        self._invocation.fail(error, answer=self._tally.answer, first_chunk_s=self._first_chunk_s)

    @fenced
    def closed(self) -> None:
        """End because the caller wants no more; what came is told."""
        self._is_complete()
        self._stop()

    def _is_complete(self) -> bool:
        self._invocation.note_chunks(self._first_chunk_s, self._last_s, self._chunks)
        try:
            return self._tally.complete()
        except Exception as error:  # noqa: BLE001 - the stream must end all the same
            report("StreamEnd._is_complete", error)
            return True

    def _stop(self) -> None:
        self._invocation.stop_with(
            self._tally.answer, first_chunk_s=self._first_chunk_s, retries=self._retries
        )


def follow(stream: Any, invocation: Invocation, *, retries: int | None = None) -> None:
    """Follow an SDK stream until it ends.

    Args:
        stream: The SDK's stream object; it keeps its type, its methods and its chunks.
        invocation: The call that gave it.
        retries: Repeats that the SDK made by itself, where known.
    """
    inner = stream._iterator  # noqa: SLF001 - the one place that every way of reading passes
    if isinstance(inner, (_Followed, _AsyncFollowed)):
        return
    response = getattr(stream, "response", None)
    end = StreamEnd(invocation, sdk_retries(response) if retries is None else retries)
    is_async = hasattr(inner, "__anext__")
    stream._iterator = (_AsyncFollowed if is_async else _Followed)(inner, end)  # noqa: SLF001 - see above
    when_collected(stream, end.closed)
    if response is not None:
        notice_close(response, end.closed, unless_running=inner)


def notice_close(response: Any, closed: Callable[[], None], *, unless_running: Any = None) -> None:
    """Call `closed` after the caller has closed an HTTP response.

    The response's methods are its own again after the first close, so that it is no cycle.

    Args:
        response: An httpx or httpx2 response.
        closed: Called after the close.
        unless_running: A generator that closes the response too; its own close does not count.
    """
    own = weakref.ref(unless_running) if unless_running is not None else None
    close, aclose = response.close, response.aclose

    def after_close() -> None:
        for name in ("close", "aclose"):
            vars(response).pop(name, None)
        if not _is_running(own):
            closed()

    def noticed_close() -> None:
        try:
            close()
        finally:
            after_close()

    async def noticed_aclose() -> None:
        try:
            await aclose()
        finally:
            after_close()

    response.close, response.aclose = noticed_close, noticed_aclose


def when_collected(value: Any, ended: Callable[[], None]) -> None:
    """Call `ended` once `value` is garbage; the callable must not refer to it."""
    weakref.finalize(value, _end_collected, ended)


def end_collected() -> None:
    """Make the calls that could not be made at the moment of collection."""
    while _collected:
        _collected.popleft()()


class _Followed:
    """A sync stream's inner iterator."""

    __slots__ = ("_end", "_inner", "_next")

    def __init__(self, inner: Iterator[Any], end: StreamEnd) -> None:
        self._inner = inner
        self._next = inner.__next__
        self._end = end

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            chunk = self._next()
        except StopIteration:
            self._end.finished()
            raise
        except BaseException as error:
            self._end.failed(error)
            raise
        self._end.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _AsyncFollowed:
    """An async stream's inner iterator."""

    __slots__ = ("_end", "_inner", "_next")

    def __init__(self, inner: AsyncIterator[Any], end: StreamEnd) -> None:
        self._inner = inner
        self._next = inner.__anext__
        self._end = end

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await self._next()
        except StopAsyncIteration:
            self._end.finished()
            raise
        except BaseException as error:
            self._end.failed(error)
            raise
        self._end.chunk(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


_collected: Final[deque[Callable[[], None]]] = deque()

_LOCKING_MODULES: Final = ("opentelemetry", "threading", "queue", "logging", "goldseam")
"""Modules that hold locks which ending a span may need."""

_FRAMES_OF_OURS: Final = 3
"""`_is_inside_telemetry`, `_end_collected`, and the fence around it."""


@fenced
def _end_collected(ended: Callable[[], None]) -> None:
    if _is_inside_telemetry():
        _collected.append(ended)
    else:
        ended()


def _is_inside_telemetry() -> bool:
    """Tell whether this thread may hold a lock that ending a span would wait for.

    The collector runs between any two instructions, also inside a metric reader's lock.
    """
    frame: FrameType | None = sys._getframe(_FRAMES_OF_OURS)  # noqa: SLF001 - cheaper than `inspect`, which reads source files
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _LOCKING_MODULES:
            return True
        frame = frame.f_back
    return False


@fenced
def _is_running(generator: weakref.ref[Any] | None) -> bool:
    running = generator() if generator is not None else None
    return bool(getattr(running, "gi_running", False) or getattr(running, "ag_running", False))
