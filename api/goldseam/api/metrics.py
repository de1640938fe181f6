"""What the API publishes about itself on `/metrics`, and the middleware that counts it.

No label holds a tenant, a key or an id: a route stands for all of its requests.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""From a roll-up's answer to the limit of a statement."""

_NO_ROUTE: Final = "none"
"""One label for every path that nobody serves, or a scanner would fill the registry."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The API's instruments; `registry` is what `/metrics` prints."""

    registry: CollectorRegistry
    requests: Counter
    start: Histogram
    in_progress: Gauge
    streams: Gauge
    connections: Gauge

    def printed(self, accept: str) -> tuple[bytes, str]:
        """Return all of it and its content type, in the format that an `Accept` header prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


def create_metrics() -> Metrics:
    """Return fresh instruments in a registry of their own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Metrics(
        registry=registry,
        requests=Counter(
            "goldseam_api_requests",
            "Requests by route, method and status of their answer.",
            ["route", "method", "status"],
            registry=registry,
        ),
        start=Histogram(
            "goldseam_api_response_start_seconds",
            "Seconds until an answer began, by route.",
            ["route"],
            buckets=BUCKETS_S,
            registry=registry,
        ),
        in_progress=Gauge(
            "goldseam_api_requests_in_progress",
            "Requests whose answer is not complete.",
            registry=registry,
        ),
        streams=Gauge(
            "goldseam_api_streams", "Exports and live streams that are open.", registry=registry
        ),
        connections=Gauge(
            "goldseam_api_connections", "Database connections in use.", registry=registry
        ),
    )


class Counted:
    """ASGI middleware that counts requests and times the start of their answers."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", _NO_ROUTE)
                self._metrics.start.labels(route).observe(perf_counter() - began_s)
                self._metrics.requests.labels(route, scope["method"], message["status"]).inc()
            await send(message)

        with self._metrics.in_progress.track_inprogress():
            await self._app(scope, receive, watched)
