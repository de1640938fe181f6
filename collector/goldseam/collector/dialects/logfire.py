"""Logfire: usage as JSON text; the usage of a stream comes later, in a zero-length trailer."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect, inside

USAGE: Final = "gen_ai.usage.raw"

LOGFIRE: Final = Dialect(
    id="LF",
    name="Logfire",
    scopes=("logfire.", "logfire"),
    marks=("logfire.msg_template", "logfire.span_type"),
    sources={
        "cache_read_tokens": (inside(USAGE, "prompt_tokens_details", "cached_tokens"),),
        "reasoning_tokens": (inside(USAGE, "completion_tokens_details", "reasoning_tokens"),),
        "pending_parent_id": ("logfire.pending_parent_id",),
        "trailer_duration_s": ("duration",),
    },
)
