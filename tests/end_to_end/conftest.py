"""A collector and an API over one database, both on free ports of loopback."""

from collections.abc import Iterator

import pytest

from goldseam.cli import stack


@pytest.fixture
def running(database: str) -> Iterator[stack.Stack]:
    """Addresses of a collector and an API that share `database`."""
    options = stack.Options(database_url=database, api_port=0, otlp_http_port=0, otlp_grpc_port=0)
    with stack.running(options, lambda _: None) as started:
        yield started
