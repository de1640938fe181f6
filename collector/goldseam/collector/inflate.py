"""Read a request body, inflating it on the way, and stop at the limit.

Called by the receivers for each chunk that arrives. Never holds more than the limit in memory,
however small the compressed body is.
"""

import zlib
from typing import Final, Protocol

from goldseam.collector.refusals import BodyTooLarge, DecodeError, UnsupportedMedia

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
"""zlib tells the two apart by their header, so one setting reads gzip and deflate."""


class Body(Protocol):
    """Takes a body in chunks and gives it back whole."""

    def feed(self, chunk: bytes) -> int:
        """Take the next chunk; return how many bytes are held now.

        Raises:
            BodyTooLarge: The inflated body has passed the limit.
            DecodeError: The chunk is no valid compressed data.
        """

    def finish(self) -> bytes:
        """Return the inflated body.

        Raises:
            DecodeError: The compressed data ended too early.
        """


def body_reader(content_encoding: str, *, limit_bytes: int) -> Body:
    """Return a reader for bodies of this `Content-Encoding`.

    Raises:
        UnsupportedMedia: The encoding is none of gzip, deflate and identity.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            return _Plain(limit_bytes)
        case "gzip" | "x-gzip" | "deflate":
            return _Inflating(limit_bytes)
        case other:
            raise UnsupportedMedia(f"content encoding {other!r}: send gzip, deflate or none")


class _Plain:
    """Collects chunks as they are."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._body = bytearray()

    def feed(self, chunk: bytes) -> int:
        self._body += chunk
        if len(self._body) > self._limit_bytes:
            raise _too_large(self._limit_bytes)
        return len(self._body)

    def finish(self) -> bytes:
        return bytes(self._body)


class _Inflating:
    """Inflates gzip (of any number of members) or zlib data."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._body = bytearray()
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._member_started = False

    def feed(self, chunk: bytes) -> int:
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            self._member_started = True
            self._inflate(chunk)
            chunk = self._member.unused_data
        return len(self._body)

    def finish(self) -> bytes:
        if self._member_started and not self._member.eof:
            raise DecodeError("the compressed body ends too early: send it whole")
        return bytes(self._body)

    def _inflate(self, chunk: bytes) -> None:
        room = self._limit_bytes - len(self._body) + 1
        try:
            self._body += self._member.decompress(chunk, room)
        except zlib.error as error:
            raise DecodeError(f"the body is no valid gzip or deflate data: {error}") from error
        if len(self._body) > self._limit_bytes:
            raise _too_large(self._limit_bytes)


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body is larger than {limit_bytes} bytes after inflation: send fewer spans in a "
        "request (OTEL_BSP_MAX_EXPORT_BATCH_SIZE) or raise GOLDSEAM_MAX_BODY_BYTES"
    )
