"""What `stack` serves once its PostgreSQL runs: collector and API, in one process.

A module of its own because importing it takes as long as PostgreSQL takes to start; `stack` does
both at once.
"""

import socket

from goldseam.api.settings import ApiSettings
from goldseam.cli import serve
from goldseam.cli.web import create_site
from goldseam.collector.app import create_app as create_collector
from goldseam.collector.settings import CollectorSettings


def services(
    settings: CollectorSettings, *, otlp: socket.socket, grpc: socket.socket, api: socket.socket
) -> tuple[serve.Service, serve.Service]:
    """Return collector and API, both on the collector's database, each on its bound socket."""
    collector = create_collector(settings, grpc_address=serve.address_of(grpc))
    site = create_site(ApiSettings(database_url=settings.database_url))
    return serve.Service("collector", collector, otlp), serve.Service("api", site, api)
