"""Google's Agent Development Kit: plain conventions, a span for each model call under its agent."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

GOOGLE_ADK: Final = Dialect(id="AD", name="Google ADK", scopes=("gcp.vertex.agent",))
