"""The id of a request's row, computed alike in the application and in the collector."""

import hashlib
from typing import Final
from uuid import UUID

_NS_PER_MS: Final = 1_000_000
_MAX_MS: Final = (1 << 48) - 1
_VERSION: Final = 8
_VARIANT: Final = 0b10
_LOW_62: Final = (1 << 62) - 1


def log_id(start_ns: int, trace_id: int, span_id: int) -> UUID:
    """Return the row id of the span that started at `start_ns`.

    A UUID of version 8: 48 bits of start milliseconds, then bits of SHA-256 over
    `"{trace_id}/{span_id}"` in lower-case hex. Redelivery therefore gives the same id, and ids
    sort by time, so a look-up by id reads one daily partition.

    Args:
        start_ns: Start of the span, nanoseconds since the epoch.
        trace_id: 128-bit trace id.
        span_id: 64-bit span id.
    """
    return UUID(log_id_text(start_ns, trace_id, span_id))


def log_id_text(start_ns: int, trace_id: int, span_id: int) -> str:
    """Return `log_id` as its text, which is all that a span needs of it."""
    return _text(start_ns, b"%032x/%016x" % (trace_id, span_id))


def log_id_of(start_ns: int, trace_id: str, span_id: str) -> UUID:
    """Return `log_id` of a span whose ids are lower-case hex, as the wire has them."""
    digest = hashlib.sha256(f"{trace_id}/{span_id}".encode()).digest()
    bits = int.from_bytes(digest[:10])
    head = _milliseconds(start_ns) << 16 | _VERSION << 12 | bits >> 68
    return UUID(int=head << 64 | _VARIANT << 62 | bits & _LOW_62)


def _text(start_ns: int, name: bytes) -> str:
    milliseconds = f"{_milliseconds(start_ns):012x}"
    digest = hashlib.sha256(name).hexdigest()
    variant = "89ab"[int(digest[4], 16) & 0b11]
    return (
        f"{milliseconds[:8]}-{milliseconds[8:]}-8{digest[:3]}-{variant}{digest[5:8]}-{digest[8:20]}"
    )


def _milliseconds(start_ns: int) -> int:
    return min(max(start_ns // _NS_PER_MS, 0), _MAX_MS)


def log_id_time_ms(row_id: UUID) -> int:
    """Return the start of the request, milliseconds since the epoch, that a row id holds."""
    return row_id.int >> 80
