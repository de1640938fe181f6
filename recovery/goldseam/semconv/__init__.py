"""The names that Goldseam's two sides share: attributes, metrics, spans, and the row id.

The application side writes spans with these names, the server side reads them. Names that the
OpenTelemetry semantic conventions define come from `opentelemetry.semconv`; only what they lack
stands here. Pure constants and pure functions: importing this opens nothing.
"""

from goldseam.semconv import attributes, metrics
from goldseam.semconv.ids import log_id, log_id_of, log_id_text

__all__ = ["attributes", "log_id", "log_id_of", "log_id_text", "metrics"]
