"""Reads what comes over the wire, without standing in its way: JSON, event streams, JSON lines.

`_wire` gives the bytes of an answer to a `BodyReader` as the application reads them. What is kept
is bounded: the rest of the current event, or a whole JSON body up to a limit. A body that cannot
be read has no facts; it is the application's all the same.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from goldseam.instrumentation._fault import UnusableAnswerError
from goldseam.instrumentation._formats import Answer, Format
from goldseam.instrumentation._verdict import fault_of, is_plainly_good

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""A larger body is not decoded a second time: it would cost too much."""

MAX_EVENT_BYTES: Final = 1024 * 1024
"""A longer event of a stream, such as one with an image, is left out."""

EVENT_STREAM: Final = "text/event-stream"
PAGE: Final = "text/html"
JSON_LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")

_DONE: Final = b"[DONE]"
"""Last event of an answer in OpenAI's format; Anthropic's last one has the type `message_stop`."""

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class BodyReader(Protocol):
    """Collects the facts of one answer from its bytes."""

    @property
    def answer(self) -> Answer | None:
        """The facts, as far as they are known."""

    @property
    def fault(self) -> UnusableAnswerError | None:
        """What is wrong with an answer that has been read to its end; None for a good one."""

    @property
    def is_stream(self) -> bool:
        """Whether the answer comes piece by piece."""

    @property
    def is_over(self) -> bool:
        """Whether the last event was there, so that nothing has to follow."""

    def add(self, part: bytes) -> None:
        """Take the next bytes, as they came over the wire."""

    def complete(self) -> bool:
        """Finish reading; tell whether the answer had reached its end."""

    def error_body(self) -> Any:
        """Return the decoded body of an error, None where it is not JSON."""


def reader_of(format_: Format, headers: Mapping[str, str], *, is_decoded: bool) -> BodyReader:
    """Return a reader for an answer.

    Args:
        format_: The request's format.
        headers: The answer's headers.
        is_decoded: Whether the bytes will come without the answer's `content-encoding`.
    """
    content_type = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
    encoding = "" if is_decoded else str(headers.get("content-encoding", "")).lower()
    decode = _decoder(encoding)
    if content_type == EVENT_STREAM:
        return StreamReader(format_, decode, _EventLines())
    if content_type in JSON_LINES:
        return StreamReader(format_, decode, _JsonLines())
    return WholeReader(format_, decode, is_page=content_type == PAGE)


class WholeReader:
    """One JSON value: an object, or a list of the objects that a stream would bring."""

    is_stream: Final = False
    is_over: Final = False

    def __init__(self, format_: Format, decode: "_Decode", *, is_page: bool) -> None:
        self.answer: Answer | None = None
        self.fault = UnusableAnswerError("the answer is a page") if is_page else None
        self._format = format_
        self._decode = decode
        self._parts: list[bytes] = []
        self._bytes = 0

    def add(self, part: bytes) -> None:
        """Keep the bytes up to the limit."""
        decoded = self._decode(part)
        self._bytes += len(decoded)
        if self._bytes <= MAX_BODY_BYTES:
            self._parts.append(decoded)
        else:
            self._parts.clear()

    def complete(self) -> bool:
        """Read the body. Of one that is no JSON only a page is known to be no answer."""
        body = self._body()
        if isinstance(body, list):
            tally = self._format.tally()
            for each in body:
                tally.add(each)
            is_complete = tally.complete()
            self.answer = tally.answer
            return is_complete
        if isinstance(body, dict):
            self.answer = self._format.read(body)
            if not is_plainly_good(self.answer):
                self.fault = fault_of(body, self._format)
        return True

    def error_body(self) -> Any:
        """Return the decoded body."""
        body = self._body()
        return body[0] if isinstance(body, list) and body else body

    def _body(self) -> Any:
        parts, self._parts = self._parts, []
        try:
            return json.loads(b"".join(parts))
        except ValueError:
            return None


class StreamReader:
    """JSON objects one after the other; each goes to the format's tally and is forgotten."""

    is_stream: Final = True
    fault: Final = None

    def __init__(self, format_: Format, decode: "_Decode", lines: "_Lines") -> None:
        self._decode = decode
        self._lines = lines
        self._tally = format_.tally()
        self._error: Mapping[str, Any] | None = None
        self.is_over = False

    @property
    def answer(self) -> Answer | None:
        """The facts so far."""
        return self._tally.answer

    def add(self, part: bytes) -> None:
        """Take the events that these bytes complete."""
        for text in self._lines.feed(self._decode(part)):
            self._event(text)

    def complete(self) -> bool:
        """Take the last event; an error among the events is an end too."""
        for text in self._lines.rest():
            self._event(text)
        is_complete = self._tally.complete()
        if self._error is not None:
            self._tally.answer.error = self._error
            return True
        return is_complete

    def error_body(self) -> Any:
        """Return the error that an event told."""
        self.complete()
        return {"error": self._error} if self._error is not None else None

    def _event(self, text: bytes) -> None:
        if text == _DONE:
            self.is_over = True
            return
        try:
            event = json.loads(text)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        self.is_over = event.get("type") == "message_stop"
        error = event.get("error")
        if error:
            self._error = error if isinstance(error, dict) else {"message": str(error)}
        else:
            self._tally.add(event)


_Decode = Callable[[bytes], bytes]


class _Lines(Protocol):
    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the texts that end in `part`."""

    def rest(self) -> Iterator[bytes]:
        """Yield the text that no line break ended."""


class _JsonLines:
    """Lines; one that is too long is skipped."""

    def __init__(self) -> None:
        self._begun = b""
        self._is_skipping = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        *ended, begun = (self._begun + part).split(b"\n")
        for line in ended:
            if not self._is_skipping:
                yield line.rstrip(b"\r")
            self._is_skipping = False
        if len(begun) > MAX_EVENT_BYTES:
            begun, self._is_skipping = b"", True
        self._begun = begun

    def rest(self) -> Iterator[bytes]:
        begun, self._begun = self._begun, b""
        if begun and not self._is_skipping:
            yield begun.rstrip(b"\r")


class _EventLines:
    """The data of server-sent events. The JSON of one event may be spread over several lines."""

    def __init__(self) -> None:
        self._lines = _JsonLines()
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> Iterator[bytes]:
        return self._events(self._lines.feed(part))

    def rest(self) -> Iterator[bytes]:
        yield from self._events(self._lines.rest())
        if self._data:
            data, self._data = self._data, []
            yield b"\n".join(data)

    def _events(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line and self._data:
                data, self._data = self._data, []
                yield data[0] if len(data) == 1 else b"\n".join(data)


def _decoder(encoding: str) -> _Decode:
    """Return what undoes a `content-encoding`; one that we cannot undo leaves nothing to read."""
    if encoding in {"", "identity"}:
        return bytes
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return _nothing
    decompress = zlib.decompressobj(_GZIP_OR_ZLIB).decompress

    def decode(part: bytes) -> bytes:
        return decompress(part, MAX_BODY_BYTES)

    return decode


def _nothing(_part: bytes) -> bytes:
    return b""
