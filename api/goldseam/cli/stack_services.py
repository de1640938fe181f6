"""What `stack` serves once its PostgreSQL runs: collector and API, in one process.

A module of its own because importing it takes as long as PostgreSQL takes to start; `stack` does
both at once.
"""

import socket

from goldseam.api.app import create_app as create_api
from goldseam.api.settings import ApiSettings
from goldseam.cli import serve
from goldseam.collector.app import create_app as create_collector
from goldseam.collector.settings import CollectorSettings
from goldseam.grafana import ui


def services(
    settings: CollectorSettings, *, otlp: socket.socket, grpc: socket.socket, api: socket.socket
) -> tuple[serve.Service, serve.Service]:
    """Return collector and API, both on the collector's database, each on its bound socket."""
    collector = create_collector(settings, grpc_address=serve.address_of(grpc))
    asked = create_api(ApiSettings(database_url=settings.database_url))
    ui.install(asked)
    return serve.Service("collector", collector, otlp), serve.Service("api", asked, api)
