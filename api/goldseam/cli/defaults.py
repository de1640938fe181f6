"""Where the services listen unless told otherwise."""

from typing import Final

HOST: Final = "127.0.0.1"
API_PORT: Final = 8000
OTLP_HTTP_PORT: Final = 4318
OTLP_GRPC_PORT: Final = 4317
RETENTION_DAYS: Final = 30
