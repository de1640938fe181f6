"""Run ASGI applications on sockets that are bound beforehand, in a thread, until told to stop.

`goldseam up`, `collector`, `api` and `demo` use it. Binding first means that a taken port is
reported in one sentence before anything has been started. Signals stay with the command, which
stops the services in order.
"""

import asyncio
import contextlib
import gc
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from goldseam.cli.connections import MAX_CONNECTIONS, PatientProtocol

_BACKLOG: Final = 2048
_START_LIMIT_S: Final = 30
DRAIN_LIMIT_S: Final = 10
"""After this long an open connection no longer holds up the stop; what it sent is not
acknowledged, so its sender sends it again."""

_GARBAGE_EVERY: Final = 10_000
"""Objects that may come before the cyclic collector looks through them. At 700, its default, it
goes through the rows of one request again and again, a tenth of what reading them costs."""


class PortInUseError(RuntimeError):
    """Port {port} on {host} is in use; choose another one with {flag}."""

    def __init__(self, *, host: str, port: int, flag: str) -> None:
        super().__init__(f"Port {port} on {host} is in use; choose another one with {flag}.")


class WorkersFailedError(RuntimeError):
    """A worker ended before it took requests; its message is above."""

    def __init__(self) -> None:
        super().__init__("A worker ended before it took requests; its message is above.")


class OpenBindError(ValueError):
    """It would listen on {host}, where others can reach it, without keys; use loopback."""

    def __init__(self, host: str, flag: str) -> None:
        super().__init__(
            f"Listening on {host} would let others in, and there are no keys to ask them for: "
            f"set {flag} to a loopback address (127.0.0.1 or ::1), or create a key first with "
            "`goldseam keys create`."
        )


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM.

    Attributes:
        cert: The certificate and those between it and its authority.
        key: Its private key.
        client_ca: Authorities whose certificate every client must present; None asks for none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    def options(self) -> dict[str, Any]:
        """Return uvicorn's names for them."""
        found: dict[str, Any] = {"ssl_certfile": self.cert, "ssl_keyfile": self.key}
        if self.client_ca is not None:
            found |= {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return found


@dataclass(frozen=True, slots=True)
class Service:
    """An ASGI application and the socket it listens on."""

    name: str
    app: Any
    listener: socket.socket
    tls: Tls | None = None

    @property
    def url(self) -> str:
        """Where clients reach it, without a trailing slash."""
        return url_of(self.listener, self.tls)


def listen(
    host: str,
    port: int,
    *,
    port_flag: str,
    host_flag: str = "the host",
    or_any: bool = False,
    asks_for_keys: bool = False,
) -> socket.socket:
    """Bind a listening socket, on loopback unless the service asks for keys.

    Args:
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        port_flag: The option that sets the port, for the error message.
        host_flag: The option that sets the host, for the error message.
        or_any: Take a free port if this one is in use.
        asks_for_keys: Whether the service lets nobody in without a key.

    Raises:
        OpenBindError: The address is not loopback; without keys, everybody could read and write.
        PortInUseError: The port is taken and `or_any` is false.
    """
    if not (asks_for_keys or is_loopback(host)):
        raise OpenBindError(host, host_flag)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if not or_any:
            raise PortInUseError(host=host, port=port, flag=port_flag) from error
        listener = socket.create_server((host, 0), family=family, backlog=_BACKLOG)
    _send_at_once(listener)
    return listener


def reserve(
    host: str,
    port: int,
    *,
    port_flag: str,
    host_flag: str = "the host",
    or_any: bool = False,
    asks_for_keys: bool = False,
) -> socket.socket:
    """Hold a port for a server that binds by itself, as gRPC's and workers do.

    The socket does not listen, so all connections go to the server that binds beside it.

    Args:
        host: As of `listen`, like all others.
        port: As of `listen`.
        port_flag: As of `listen`.
        host_flag: As of `listen`.
        or_any: As of `listen`.
        asks_for_keys: As of `listen`.

    Raises:
        OpenBindError: The address is not loopback.
        PortInUseError: The port is taken and `or_any` is false.
    """
    with listen(
        host,
        port,
        port_flag=port_flag,
        host_flag=host_flag,
        or_any=or_any,
        asks_for_keys=asks_for_keys,
    ) as alone:
        address = alone.getsockname()[:2]
    return share(address)


def share(address: tuple[str, int]) -> socket.socket:
    """Bind a socket beside others on the same port; connections come once its server listens."""
    held = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _send_at_once(held)
    held.bind(address)
    return held


def _send_at_once(listener: socket.socket) -> None:
    """Let connections inherit that bytes do not wait for an acknowledgement of those before.

    asyncio sets this only on sockets that name their protocol. Head and body of an answer are
    written apart, and a client acknowledges the head up to 40 ms later.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def url_of(held: socket.socket, tls: Tls | None) -> str:
    """Return where clients reach what listens there, without a trailing slash."""
    return f"{'http' if tls is None else 'https'}://{address_of(held)}"


def address_of(held: socket.socket) -> str:
    """Return host and port of a socket, as gRPC writes them."""
    host, port = held.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def running(services: Sequence[Service]) -> Iterator[None]:
    """Serve until the block ends, then drain in order: the first service stops first.

    Raises:
        RuntimeError: A service did not start; its own message has been logged.
    """
    servers = [_server(service) for service in services]
    threads = [
        threading.Thread(target=_serve, args=(server, service), name=f"goldseam-{service.name}")
        for server, service in zip(servers, services, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        for server, service, thread in zip(servers, services, threads, strict=True):
            _wait_until_started(server, service, thread)
        _collect_garbage_seldom()
        yield
    finally:
        for server, service, thread in zip(servers, services, threads, strict=True):
            service.app.state.is_stopping = True  # for answers that would never end
            server.should_exit = True
            thread.join()


def _collect_garbage_seldom() -> None:
    """Leave alone what the start has made: modules are no garbage, and most of what there is."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_EVERY, *gc.get_threshold()[1:])


def _server(service: Service) -> uvicorn.Server:
    config = uvicorn.Config(
        service.app,
        log_config=None,  # the command's own
        log_level="warning",
        access_log=False,  # paths and queries hold what people ask about
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_LIMIT_S,
        server_header=False,
        http=PatientProtocol,
        limit_concurrency=MAX_CONNECTIONS,
        **(service.tls.options() if service.tls else {}),
    )
    return uvicorn.Server(config)


def _serve(server: uvicorn.Server, service: Service) -> None:
    with contextlib.suppress(SystemExit):  # uvicorn's way to say that the start failed
        asyncio.run(server.serve(sockets=[service.listener]))


def _wait_until_started(server: uvicorn.Server, service: Service, thread: threading.Thread) -> None:
    waited = threading.Event()
    for _ in range(_START_LIMIT_S * 100):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(0.01)
    raise RuntimeError(f"{service.name} did not start; its message is above.")
