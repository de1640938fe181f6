"""PostgreSQL, collector and API in one process, for `goldseam up` and `goldseam demo`."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI

from goldseam.api.app import create_app as create_api
from goldseam.api.settings import ApiSettings
from goldseam.cli import serve
from goldseam.cli.defaults import (
    API_PORT,
    HOST,
    OTLP_GRPC_PORT,
    OTLP_HTTP_PORT,
    RETENTION_DAYS,
)
from goldseam.collector.app import create_app as create_collector
from goldseam.collector.settings import CollectorSettings
from goldseam.grafana import ui
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
        url = options.database_url or stack.enter_context(_embedded(options.data_dir, say))
        say("creating or updating the tables")
        migrate.upgrade(url)
        settings = CollectorSettings(
            database_url=url, data_dir=options.data_dir, retention_days=options.retention_days
        )
        grpc_address = serve.address_of(grpc)
        collector = create_collector(settings, grpc_address=grpc_address)
        services = [
            serve.Service("collector", collector, otlp),
            serve.Service("api", _api(url), api),
        ]
        stack.enter_context(serve.running(services))
        yield Stack(
            api_url=services[1].url,
            otlp_url=services[0].url,
            otlp_grpc=grpc_address,
            database_url=url,
        )


def _api(database_url: str) -> FastAPI:
    app = create_api(ApiSettings(database_url=database_url))
    ui.install(app)
    return app


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
