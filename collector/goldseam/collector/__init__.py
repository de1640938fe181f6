"""OTLP in, committed rows out: the server that applications send their telemetry to."""

from goldseam.collector.app import create_app
from goldseam.collector.settings import CollectorSettings

__all__ = ["CollectorSettings", "create_app"]
