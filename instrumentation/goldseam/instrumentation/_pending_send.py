"""Sends pending spans to Goldseam's collector: OTLP over HTTP, in protobuf.

`_switch` makes a sender where an endpoint is set; `_pending` calls it in its own thread. The
encoder is the official one, of the extra `otlp`, and is loaded by the first sending. The sending
itself is the standard library's, because the official exporter repeats and logs each failure.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from goldseam.instrumentation._pending import Send

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

TIMEOUT_S: Final = 5.0
"""The collector answers within this time, with 503 if it must."""

TRACES_PATH: Final = "/v1/traces"

_ENCODER: Final = "opentelemetry.exporter.otlp.proto.common"


def can_encode() -> bool:
    """Tell whether the extra `otlp` is installed."""
    try:
        return importlib.util.find_spec(_ENCODER) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def sender(endpoint: str, headers: Mapping[str, str]) -> Send:
    """Return what delivers spans to a collector.

    Args:
        endpoint: Address of the collector, with or without `/v1/traces`.
        headers: Sent along, for example a key.
    """
    base = endpoint.rstrip("/")
    url = base if base.endswith(TRACES_PATH) else base + TRACES_PATH
    sent_headers = {**headers, "Content-Type": "application/x-protobuf"}

    def send(spans: "Sequence[ReadableSpan]") -> None:
        import urllib.request  # noqa: PLC0415 - with the first sending

        from opentelemetry.exporter.otlp.proto.common.trace_encoder import (  # noqa: PLC0415 - an extra
            encode_spans,
        )

        body = encode_spans(spans).SerializeToString()
        request = urllib.request.Request(url, body, sent_headers)  # noqa: S310 - scheme checked
        with (
            suppress_instrumentation(),
            urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer,  # noqa: S310 - as above
        ):
            answer.read()

    return send
