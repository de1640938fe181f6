"""PostgreSQL, collector and API in one process, for `goldseam up` and `goldseam demo`."""

import contextlib
import importlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from goldseam.cli import serve
from goldseam.cli.defaults import (
    API_PORT,
    HOST,
    OTLP_GRPC_PORT,
    OTLP_HTTP_PORT,
    RETENTION_DAYS,
)
from goldseam.storage import migrate
from goldseam.storage.embedded import EmbeddedPostgres, default_data_dir

Say = Callable[[str], None]
"""Told what is being done, one short sentence at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to start and where.

    Attributes:
        data_dir: Folder of the embedded PostgreSQL and of the collector's spool.
        database_url: An existing PostgreSQL instead of the embedded one.
        api_port: 0 takes a free one.
        otlp_http_port: 0 takes a free one.
        otlp_grpc_port: 0 takes a free one.
        any_port: Take a free port where the wanted one is in use.
        retention_days: Days that are kept besides today; 0 keeps everything.
    """

    data_dir: Path = field(default_factory=default_data_dir)
    database_url: str | None = None
    api_port: int = API_PORT
    otlp_http_port: int = OTLP_HTTP_PORT
    otlp_grpc_port: int = OTLP_GRPC_PORT
    any_port: bool = False
    retention_days: int = RETENTION_DAYS


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of what runs."""

    api_url: str
    otlp_url: str
    otlp_grpc: str
    database_url: str


@contextlib.contextmanager
def running(options: Options, say: Say) -> Iterator[Stack]:
    """Start everything, yield its addresses, and stop it in reverse at the end.

    Raises:
        PortInUseError: A port is taken.
        EmbeddedPostgresError: The embedded PostgreSQL did not start.
    """
    with contextlib.ExitStack() as stack:
        otlp, grpc, api = _bind(options, stack)
        loading = _load()
        url = options.database_url or stack.enter_context(_embedded(options.data_dir, say))
        say("creating or updating the tables")
        migrate.upgrade(url)
        loading.join()
        from goldseam.cli.stack_services import services
        from goldseam.collector.settings import CollectorSettings

        settings = CollectorSettings(
            database_url=url, data_dir=options.data_dir, retention_days=options.retention_days
        )
        collector, asked = services(settings, otlp=otlp, grpc=grpc, api=api)
        stack.enter_context(serve.running((collector, asked)))
        yield Stack(
            api_url=asked.url,
            otlp_url=collector.url,
            otlp_grpc=serve.address_of(grpc),
            database_url=url,
        )


def _load() -> threading.Thread:
    """Begin to import what serves; it takes as long as PostgreSQL takes to start."""
    loading = threading.Thread(
        target=importlib.import_module, args=("goldseam.cli.stack_services",), daemon=True
    )
    loading.start()
    return loading


def _bind(options: Options, stack: contextlib.ExitStack) -> list[socket.socket]:
    """Take the ports for OTLP/HTTP, OTLP/gRPC and the API, until `stack` closes."""
    wanted = [
        (serve.listen, options.otlp_http_port, "--otlp-http-port"),
        (serve.reserve, options.otlp_grpc_port, "--otlp-grpc-port"),
        (serve.listen, options.api_port, "--api-port"),
    ]
    return [
        stack.enter_context(take(HOST, port, port_flag=flag, or_any=options.any_port))
        for take, port, flag in wanted
    ]


@contextlib.contextmanager
def _embedded(data_dir: Path, say: Say) -> Iterator[str]:
    say(f"starting PostgreSQL in {data_dir}")
    with EmbeddedPostgres(data_dir) as server:
        yield server.url
