"""The tracing built into Anthropic's SDK, which is on by default.

Its spans hold HTTP attributes beside the conventions' own; under or beside another
instrumentation's span they are duplicates.
"""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

ANTHROPIC_SDK: Final = Dialect(
    id="AN",
    name="Anthropic SDK, built in",
    scopes=("com.anthropic.sdk.python",),
    sources={"retry_count": ("http.request.resend_count",)},
)
