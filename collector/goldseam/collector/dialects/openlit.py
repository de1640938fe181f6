"""OpenLIT: estimates tokens and costs itself where the provider sends none."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

OPENLIT: Final = Dialect(
    id="OL",
    name="OpenLIT",
    scopes=("openlit.", "openlit"),
    sources={
        "user_id": ("gen_ai.request.user",),
        "tokens_used": ("gen_ai.client.token.usage",),
        "is_stream": ("gen_ai.request.is_stream",),
        "server_ttft_s": ("gen_ai.server.time_to_first_token",),
    },
)
