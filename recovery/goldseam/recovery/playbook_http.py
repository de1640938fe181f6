"""Ask for the playbook over HTTP; called by `playbook` in its own thread.

Standard library only, so that an application carries nothing for it and no instrumentation of HTTP
clients takes the poll for a call. Follows no redirect: the key is for one host. Bounded in bytes
and in time, however slowly a server dribbles.
"""

import http.client
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from goldseam.recovery.corrections import PlaybookError

MAX_BYTES: Final = 1024 * 1024
"""A thousand corrections take a quarter of this."""

SILENCE_S: Final = 5.0
"""How long the server may be silent."""

TOTAL_S: Final = 15.0
"""How long it may take in all."""

_CHUNK_BYTES: Final = 64 * 1024

_ADVICE: Final = {
    HTTPStatus.UNAUTHORIZED: "set the key in the variable named by api_key_env",
    HTTPStatus.FORBIDDEN: "the key needs the scope playbook:read",
    HTTPStatus.NOT_FOUND: "the address should end in /api/v1/ai/recovery/playbook",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said.

    Attributes:
        body: The document; None where it has not changed.
        etag: By which to ask next time.
    """

    body: bytes | None
    etag: str | None


def ask(url: str, *, key: str | None, etag: str | None) -> Answer:
    """Return the document at `url`, unless it is still the one of `etag`.

    Raises:
        PlaybookError: The server refused, or sent too much.
        OSError, http.client.HTTPException: It could not be reached or understood.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PlaybookError(f"the address {url!r} must begin with http:// or https://")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname, parts.port, timeout=SILENCE_S)
    ends_s = time.monotonic() + TOTAL_S
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers=_headers(key, etag))
        response = connection.getresponse()
        if response.status == HTTPStatus.NOT_MODIFIED:
            return Answer(None, etag)
        if response.status != HTTPStatus.OK:
            raise PlaybookError(_refusal(response.status))
        return Answer(_read(response, ends_s), response.headers.get("ETag"))
    finally:
        connection.close()


def _headers(key: str | None, etag: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    if etag is not None:
        headers["If-None-Match"] = etag
    return headers


def _refusal(status: int) -> str:
    advice = next((words for known, words in _ADVICE.items() if known == status), None)
    return f"the server answered {status}" + (f"; {advice}" if advice else "")


def _read(response: http.client.HTTPResponse, ends_s: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := response.read1(_CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise PlaybookError(f"the playbook is larger than {MAX_BYTES} bytes")
        if time.monotonic() > ends_s:
            raise PlaybookError(f"the playbook takes longer than {TOTAL_S:g} s")
    return b"".join(parts)
