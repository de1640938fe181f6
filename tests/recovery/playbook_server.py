"""A small HTTP server that serves a playbook, for the tests of the client and of mended calls."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from goldseam.errors.fingerprint import VERSION

PATTERN = "NOT_FOUND:openai:0123456789ab"


def entry(name: str = "c1", **more: Any) -> dict[str, Any]:
    """Return a correction as it is sent."""
    return {
        "id": name,
        "error_pattern": PATTERN,
        "normaliser_version": VERSION,
        "config": {"strategy": "retry"},
        **more,
    }


def document(*corrections: Any) -> bytes:
    """Return a document as it is sent."""
    return json.dumps(
        {"version": 1, "generated_at": "2026-03-01T00:00:00Z", "corrections": corrections}
    ).encode()


class PlaybookServer:
    """A small HTTP server that serves one document, with an ETag."""

    def __init__(self) -> None:
        self.body = document()
        self.status = 200
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self._changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """The document's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/v1/ai/recovery/playbook"

    def wait_for(self, count: int) -> None:
        """Wait until so many requests were answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.statuses) >= count, timeout=10)

    def wait_for_next(self) -> None:
        """Wait until what is served now has been taken: one more poll comes after it."""
        self.wait_for(len(self.statuses) + 2)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        etag = f'"{hash(self.body)}"'
        is_known = self.status == 200 and handler.headers.get("If-None-Match") == etag
        status = 304 if is_known else self.status
        with self._changed:
            self.statuses.append(status)
            self._changed.notify_all()
        handler.send_response(status)
        handler.send_header("ETag", etag)
        body = b"" if is_known else self.body
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with suppress(OSError):  # the client may have had enough
            handler.wfile.write(body)
