"""OpenTelemetry's `openai-v2`, in its default mode and with the latest conventions."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

OFFICIAL_V2: Final = Dialect(
    id="O2",
    name="opentelemetry-instrumentation-openai-v2",
    scopes=("opentelemetry.instrumentation.openai_v2",),
)
OFFICIAL_V2_LATEST: Final = Dialect(
    id="O2L",
    name="the same, latest conventions",
    scopes=("opentelemetry.util.genai.handler",),
)
