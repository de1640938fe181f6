"""Follows the answer of a call that only the wire sees, to its end.

`_wire` makes an `AnswerEnd` per answer. A body that is there is read at once; of one that the
caller reads in its own time only the response's `stream` is replaced, by one of the kind that the
library expects. The invocation ends once, whichever comes first: the last byte, an error or
cancellation while waiting, a close by the caller, or the collection of a dropped response.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final

from goldseam.instrumentation import _fault
from goldseam.instrumentation._guard import fenced, report
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._streams import when_collected
from goldseam.instrumentation._wire_body import MAX_BODY_BYTES, reader_of

_FIRST_FAILURE: Final = 400


class AnswerEnd:
    """Collects what an answer tells and ends its invocation once; refers to no response."""

    __slots__ = ("_chunks", "_first_chunk_s", "_invocation", "_last_s", "_reader", "_status")

    def __init__(self, invocation: Invocation, response: Any) -> None:
        self._invocation = invocation
        self._status: int = response.status_code
        self._first_chunk_s: float | None = None
        self._last_s = 0.0
        self._chunks = 0
        self._reader = reader_of(
            invocation.reading, response.headers, is_decoded=response.is_closed
        )

    def whole(self, content: bytes) -> None:
        """End with a body that has been read already."""
        if len(content) <= MAX_BODY_BYTES:
            self._reader.add(content)
        self.finished()

    def part(self, part: bytes) -> None:
        """Take note of the next bytes of a body that the caller reads."""
        try:
            if self._reader.is_stream:
                self._last_s = time.perf_counter()
                self._chunks += 1
                if self._first_chunk_s is None:
                    self._first_chunk_s = self._last_s - self._invocation.started_s
            self._reader.add(part)
            is_over = self._reader.is_over
        except Exception as error:  # noqa: BLE001 - strange bytes are the caller's to judge
            report("AnswerEnd.part", error)
            return
        if is_over:  # some clients read no further, and neither close nor drop the response
            self.finished()

    @fenced
    def finished(self) -> None:
        """End after the last byte."""
        if self._status >= _FIRST_FAILURE:
            self._refused()
        elif not self._is_complete():
            self._fail(_fault.incomplete_stream())
        elif self._reader.fault is not None:
            self._fail(self._reader.fault)
        else:
            self._stop()

    @fenced
    def failed(self, error: BaseException) -> None:
        """End with the error that waiting for bytes raised."""
        self._is_complete()
        self._fail(error)

    @fenced
    def closed(self) -> None:
        """End because the caller wants no more; what came is told."""
        if self._status >= _FIRST_FAILURE:
            self._refused()
        else:
            self._is_complete()
            self._stop()

    def _is_complete(self) -> bool:
        self._invocation.note_chunks(self._first_chunk_s, self._last_s, self._chunks)
        try:
            return self._reader.complete()
        except Exception as error:  # noqa: BLE001 - the call must end all the same
            report("AnswerEnd._is_complete", error)
            return True

    def _refused(self) -> None:
        body = self._reader.error_body()
        self._fail(self._invocation.fault_of_status(self._status, body))

    def _fail(self, error: BaseException | _fault.Fault) -> None:
        self._invocation.fail(error, answer=self._reader.answer, first_chunk_s=self._first_chunk_s)

    def _stop(self) -> None:
        self._invocation.stop_with(self._reader.answer, first_chunk_s=self._first_chunk_s)


def follow_stream(response: Any, end: AnswerEnd) -> None:
    """Follow the bytes of a response that the caller has not read yet.

    Only its `stream` is replaced, by one of the kind that the library expects.
    """
    stream = response.stream
    kind = _AsyncFollowed if hasattr(stream, "__aiter__") else _Followed
    followed = _of_library(kind, stream)(stream, end)
    when_collected(followed, end.closed)
    response.stream = followed


class _Followed:
    """A sync byte stream."""

    def __init__(self, inner: Any, end: AnswerEnd) -> None:
        self._inner = inner
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        end = self._end
        try:
            for part in self._inner:
                end.part(part)
                yield part
        except GeneratorExit:  # the caller reads no further; it may close or drop the response
            raise
        except BaseException as error:
            end.failed(error)
            raise
        end.finished()

    def close(self) -> None:
        """Close the library's stream."""
        try:
            self._inner.close()
        finally:
            self._end.closed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _AsyncFollowed:
    """An async byte stream."""

    def __init__(self, inner: Any, end: AnswerEnd) -> None:
        self._inner = inner
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        end = self._end
        stream = self._inner.__aiter__()
        try:
            async for part in stream:
                end.part(part)
                yield part
        except GeneratorExit:  # as above
            raise
        except BaseException as error:
            end.failed(error)
            raise
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        end.finished()

    async def aclose(self) -> None:
        """Close the library's stream."""
        try:
            await self._inner.aclose()
        finally:
            self._end.closed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


_classes: Final[dict[tuple[type, type], type]] = {}


def _of_library(kind: type, stream: Any) -> Any:
    """Return `kind` as a subclass of the library's own base, which its `Response` checks for."""
    base = next(
        each
        for each in type(stream).__mro__
        if each.__name__ in {"SyncByteStream", "AsyncByteStream"}
    )
    key = (kind, base)
    return _classes.get(key) or _classes.setdefault(key, type(kind.__name__, key, {}))
