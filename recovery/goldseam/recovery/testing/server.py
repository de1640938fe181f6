"""The scripted provider's server: threads, sockets and the script.

Tests use `ScriptedProvider`. A thread per connection, HTTP/1.1 with keep-alive, no Nagle delay, a
long accept queue; nothing is printed when clients go away. `close` ends every wait and every
connection and joins the threads.
"""

import hashlib
import json
import selectors
import socket
import socketserver
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Final, Self

from goldseam.recovery.testing.gemini import gemini, gemini_embedding
from goldseam.recovery.testing.messages import message
from goldseam.recovery.testing.ollama import ollama, ollama_embedding
from goldseam.recovery.testing.replies import (
    Reply,
    Request,
    Wire,
    chat,
    completion,
    embedding,
    error,
    models,
)
from goldseam.recovery.testing.responses import response

_BACKLOG: Final = 2048
"""A thousand clients may connect at the same moment; the kernel may cap this."""

_POLL_S: Final = 0.01
"""How soon the accepting thread sees that the provider closes."""

_JOIN_S: Final = 5.0
"""Handlers end at once when their socket is shut down; a rule that blocks is not waited for."""

_MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_RESET: Final = struct.pack("ii", 1, 0)


USUAL: Final[Mapping[str, Callable[[], Reply]]] = {
    "/chat/completions": chat,
    "/embeddings": embedding,
    "/responses": response,
    "/messages": message,
    "/completions": completion,
    "/api/chat": ollama,
    "/api/generate": ollama,
    "/api/embed": ollama_embedding,
    ":generateContent": gemini,
    ":streamGenerateContent": gemini,
    ":embedContent": gemini_embedding,
    ":batchEmbedContents": gemini_embedding,
}
"""Ends of the paths that always have an answer, in the order in which they are looked at."""


class ScriptedProvider:
    """A provider on a free loopback port that answers what a test scripts.

    It speaks OpenAI's API, Anthropic's at `/v1/messages`, Ollama's and Gemini's. Replies of
    `script` are given in order, one per POST. When they are used up, `default` answers, or where
    none was given the usual answer of the path (`USUAL`). With `respond`, that rule answers instead
    of the script. `GET /v1/models` always lists; a path that is not usual is OpenAI's 404 unless it
    is scripted.

    Args:
        respond: Called in the connection's thread with each request; gives the reply.
        default: The reply when the script is used up.
        model_names: What `GET /v1/models` lists.
    """

    def __init__(
        self,
        *,
        respond: Callable[[Request], Reply] | None = None,
        default: Reply | None = None,
        model_names: tuple[str, ...] = ("scripted-model",),
    ) -> None:
        self.respond = respond
        self.default = default
        self._models = models(*model_names)
        self._script: deque[Reply] = deque()
        self._requests: list[Request] = []
        self._attempts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._faults: list[Exception] = []
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_POLL_S,),
            name="scripted-provider",
            daemon=True,
        )
        self._thread.start()

    @property
    def host(self) -> str:
        """The loopback address."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """The address to give to a client, ending in `/v1`."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def origin(self) -> str:
        """The address without a path, for clients of Ollama and Gemini."""
        return f"http://{self.host}:{self.port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests seen so far, in order of arrival."""
        with self._changed:
            return tuple(self._requests)

    @property
    def count(self) -> int:
        """How many requests were seen so far."""
        with self._changed:
            return len(self._requests)

    def script(self, *replies: Reply) -> Self:
        """Append replies to the script."""
        with self._changed:
            self._script.extend(replies)
        return self

    def wait_for_requests(self, count: int, *, timeout_s: float = 5.0) -> None:
        """Return when `count` requests were seen in all.

        Raises:
            TimeoutError: They did not come within `timeout_s`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout_s):
                raise TimeoutError(
                    f"saw {len(self._requests)} of {count} requests in {timeout_s} s"
                )

    def close(self) -> None:
        """End waits and connections, then join the threads. A second call does nothing."""
        self._server.stop()
        self._thread.join(_JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if exc is None and self._faults:
            raise self._faults[0]

    def _receive(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[Request, Reply]:
        """Record one request and choose its reply."""
        key = headers.get("idempotency-key") or _body_key(method, path, body)
        with self._changed:
            self._attempts[key] += 1
            request = Request(
                method=method,
                path=path,
                headers=headers,
                body=body,
                json=_decode(body),
                at_s=time.monotonic(),
                number=len(self._requests) + 1,
                attempt=self._attempts[key],
            )
            self._requests.append(request)
            reply = self._fixed_reply(request)
            if reply is None and self.respond is None:
                reply = self._scripted_reply(request)
            self._changed.notify_all()
        return request, reply or self._ruled_reply(request)

    def _fixed_reply(self, request: Request) -> Reply | None:
        """Return the answer that no script changes."""
        if request.method == "GET" and request.path.endswith("/models"):
            return self._models
        if request.method == "POST" and (self._script or request.path.endswith(tuple(USUAL))):
            return None
        text = f"Invalid URL ({request.method} {request.path})"
        return error(404, code="unknown_url", message=text)

    def _scripted_reply(self, request: Request) -> Reply:
        if self._script:
            return self._script.popleft()
        if self.default is not None:
            return self.default
        return next(usual() for end, usual in USUAL.items() if request.path.endswith(end))

    def _ruled_reply(self, request: Request) -> Reply:
        """Ask the rule; its fault is kept and raised when the provider is closed."""
        try:
            if self.respond is None:
                return chat()
            return self.respond(request)
        except Exception as fault:  # noqa: BLE001 - a test's rule may raise anything
            self._faults.append(fault)
            return error(500, code="rule_failed", message=f"The test's rule raised {fault!r}")


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Accepts connections and knows the open ones."""

    request_queue_size = _BACKLOG
    allow_reuse_address = True
    daemon_threads = False  # so that `server_close` joins every one

    def __init__(self, provider: ScriptedProvider) -> None:
        self.provider = provider
        self.closing = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def entered(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            if self.closing:
                _shut_down(connection)

    def left(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def stop(self) -> None:
        if self.closing:
            return
        self.shutdown()
        with self._lock:
            self.closing = True
            for connection in self._open:
                _shut_down(connection)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients that go away are part of the weather."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        self.server.entered(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.wfile.close()
            self.rfile.close()
        finally:
            self.server.left(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def do_POST(self) -> None:
        self._answer()

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the base looks for these

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Print nothing."""

    def _answer(self) -> None:
        body = self._read_body()
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        request, reply = self.server.provider._receive(self.command, path, headers, body)  # noqa: SLF001 - one unit
        self._send(reply.render(request))

    def _read_body(self) -> bytes | None:
        """Return the whole body; None of a request that its client gave up while sending."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        length = min(int(self.headers.get("content-length") or 0), _MAX_BODY_BYTES)
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def _read_chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _send(self, wire: Wire) -> None:
        if not self._stays_open_for(wire.wait_s):
            self.close_connection = True
            return
        if wire.status is not None:
            self._send_headers(wire)
            self._send_body(wire)
        if wire.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if wire.ending != "keep":
            self.close_connection = True

    def _send_headers(self, wire: Wire) -> None:
        self.send_response_only(wire.status or 200)
        for name, value in wire.headers.items():
            self.send_header(name, value)
        if wire.chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(sum(map(len, wire.parts))))
        self.end_headers()

    def _send_body(self, wire: Wire) -> None:
        if not wire.chunked:
            content = b"".join(wire.parts)
            self.wfile.write(content if wire.ending == "keep" else content[: len(content) // 2])
            return
        for index, part in enumerate(wire.parts):
            if index and wire.gap_s and not self._stays_open_for(wire.gap_s):
                raise ConnectionResetError
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        if wire.ending == "keep":
            self.wfile.write(b"0\r\n\r\n")

    def _stays_open_for(self, seconds: float | None) -> bool:
        """Wait; return False as soon as the client or the provider closes the connection."""
        if seconds is not None and seconds <= 0:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            return not selector.select(seconds)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _body_key(method: str, path: str, body: bytes) -> str:
    return hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
