"""Write OTLP's answers in the encoding that the sender used.

Called by the receivers. Bodies are `Export…ServiceResponse` for 200 and `google.rpc.Status` for
everything else; a sender that speaks neither encoding gets JSON.
"""

from collections import Counter
from typing import Any, Final

from google.protobuf.json_format import (  # type: ignore[import-untyped] # ships no types
    MessageToJson,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # ships no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response

from goldseam.collector.keeper import Accepted
from goldseam.collector.refusals import RETRY_AFTER_S, Refusal, TooSlow, Unauthenticated

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"


def stored(accepted: Accepted, media_type: str) -> Response:
    """Answer a trace request whose body is safe, in the encoding that it came in."""
    return _answer(export_response(accepted), media_type)


def export_response(accepted: Accepted) -> ExportTraceServiceResponse:
    """Return what a sender is told, the spans that were rejected included."""
    rejected, refused = accepted.mapped.rejected, accepted.refused
    response = ExportTraceServiceResponse()
    if rejected or refused:
        reasons = [f"{count} x {reason}" for reason, count in Counter(rejected).items()]
        reasons += [f"refused by the database: {message}" for message in dict.fromkeys(refused)]
        response.partial_success.rejected_spans = len(rejected) + len(refused)
        response.partial_success.error_message = "; ".join(reasons)
    return response


def ignored(signal: str, media_type: str) -> Response:
    """Answer a request of a signal that no table holds."""
    logs = signal == "logs"
    message = ExportLogsServiceResponse() if logs else ExportMetricsServiceResponse()
    return _answer(message, media_type)


def refused(refusal: Refusal, media_type: str) -> Response:
    """Answer a request that is not stored, and say whether to repeat it."""
    response = _answer(status(refusal), media_type, status_code=refusal.http_status)
    if refusal.retry:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(refusal, Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="goldseam"'
    if isinstance(refusal, TooSlow):
        response.headers["Connection"] = "close"
    return response


def status(refusal: Refusal) -> Status:
    """Return a refusal as the status that both transports carry."""
    return Status(code=refusal.rpc_code, message=str(refusal))


def _answer(message: Any, media_type: str, *, status_code: int = 200) -> Response:
    if media_type == PROTOBUF:
        return Response(message.SerializeToString(), status_code, media_type=PROTOBUF)
    return Response(MessageToJson(message, indent=None), status_code, media_type=JSON)
