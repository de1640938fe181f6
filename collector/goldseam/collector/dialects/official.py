"""OpenTelemetry's own instrumentations of the `genai` family: plain conventions."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

OFFICIAL: Final = Dialect(
    id="OF",
    name="opentelemetry-instrumentation-genai-*",
    scopes=("opentelemetry.instrumentation.genai.", "opentelemetry.instrumentation.google_genai"),
)
