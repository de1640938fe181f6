"""OTLP in, committed rows out: the server that applications send their telemetry to."""

from goldseam.collector.app import UnsafeBindingError, create_app, serve
from goldseam.collector.settings import CollectorSettings

__all__ = ["CollectorSettings", "UnsafeBindingError", "create_app", "serve"]
