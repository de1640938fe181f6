"""OTLP over gRPC: messages in, an answer once they are safe.

`app` starts and stops it. The way of a message is that of an HTTP body, `inflate` → `ingest`, in
the thread of its call. gRPC itself inflates without a limit, so it is told to leave that to us.

A message is taken off its connection only when one of `THREADS` is free to read it, and HTTP/2
holds its sender back until then; so a crowd of senders waits outside, not in memory.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc  # type: ignore[import-untyped] # ships no types
from google.protobuf.duration_pb2 import (  # type: ignore[import-untyped] # ships no types
    Duration,
)
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # ships no types

from goldseam.collector import answers
from goldseam.collector.answers import PROTOBUF
from goldseam.collector.budget import Budget
from goldseam.collector.inflate import body_reader
from goldseam.collector.ingest import Ingest, read
from goldseam.collector.metrics import Metrics
from goldseam.collector.refusals import RETRY_AFTER_S, Refusal, Unavailable
from goldseam.collector.settings import CollectorSettings
from goldseam.collector.spool import Raw

THREADS: Final = 16
"""Calls that are read, decoded, or waiting for their commit; two cores are busy with fewer."""

_STREAMS: Final = 64
"""Calls that one connection may have open; its client waits with more."""

_SERVICE: Final = "opentelemetry.proto.collector.{0}.v1.{1}Service"
_ENCODINGS: Final = {b"\x1f\x8b": "gzip", b"\x78\x01": "deflate", b"\x78\x9c": "deflate"}
"""How a compressed message begins; a trace request begins with the tag of its first field."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

_log = logging.getLogger(__name__)


class OtlpGrpc:
    """The three OTLP services on one address; takes calls as soon as it is made.

    Args:
        address: Host and port to listen on, as 127.0.0.1:4317.
        limit_bytes: Largest message, after inflation too.
        credentials: For TLS; None for none.
        admit: Gives the tenant of a sender from the `authorization` that it presents.
        ingest: Where messages go.
        budget: What all messages together may occupy.
        metrics: Where calls are counted.

    Raises:
        RuntimeError: The address cannot be bound.
    """

    def __init__(
        self,
        address: str,
        *,
        limit_bytes: int,
        credentials: grpc.ServerCredentials | None,
        admit: Callable[[str | None], str],
        ingest: Ingest,
        budget: Budget,
        metrics: Metrics,
    ) -> None:
        self._admit = admit
        self._limit_bytes = limit_bytes
        self._ingest = ingest
        self._budget = budget
        self._metrics = metrics
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="goldseam-grpc"),
            handlers=[
                _service("trace", "Trace", self._traces),
                _service("metrics", "Metrics", self._ignore("metrics")),
                _service("logs", "Logs", self._ignore("logs")),
            ],
            options=[
                ("grpc.max_receive_message_length", limit_bytes),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.per_message_decompression", 0),
            ],
        )
        if credentials is None:
            self._server.add_insecure_port(address)
        else:
            self._server.add_secure_port(address, credentials)
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Take no further calls, and answer those that are open, for at most `grace_s`."""
        self._server.stop(grace_s).wait()

    def _traces(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            answer, code = self._export(message, context), grpc.StatusCode.OK
        except Refusal as refusal:
            answer, code = _refused(context, refusal)
        except Exception:  # noqa: BLE001 - a sender drops what gets an unknown error
            _log.exception("an OTLP call failed inside the collector; please report this")
            fault = Unavailable("internal fault, see the collector's log")
            answer, code = _refused(context, fault)
        self._metrics.requests.labels("grpc", code.name).inc()
        return answer

    def _export(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Store the spans of a message.

        Raises:
            Refusal: Nothing of it is known to be stored.
        """
        tenant = self._admit(_authorization(context))
        body = body_reader(_ENCODINGS.get(message[:2], ""), limit_bytes=self._limit_bytes)
        with self._budget.lease() as lease:
            lease.grow_to(body.feed(message))
            raw = Raw(body.finish(), PROTOBUF, tenant)
            accepted = self._ingest.submit(raw, read(raw)).result()
        answer: bytes = answers.export_response(accepted).SerializeToString()
        return answer

    def _ignore(self, signal: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        """Return a method that accepts a signal which no table holds."""

        def export(_: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                self._admit(_authorization(context))
            except Refusal as refusal:
                return _refused(context, refusal)[0]
            self._metrics.ignored_signals.labels(signal).inc()
            return b""  # an empty response of either signal

        return export


def server_credentials(settings: CollectorSettings) -> grpc.ServerCredentials | None:
    """Return what gRPC needs for TLS, None without it.

    Raises:
        OSError: A file cannot be read.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    authorities = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )


def _authorization(context: grpc.ServicerContext) -> str | None:
    found = dict(context.invocation_metadata()).get("authorization")
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def _service(
    package: str, name: str, method: Callable[[bytes, grpc.ServicerContext], bytes]
) -> grpc.GenericRpcHandler:
    """Return a service with the one method `Export`, which takes and gives bytes."""
    handler = grpc.unary_unary_rpc_method_handler(method)
    return grpc.method_handlers_generic_handler(_SERVICE.format(package, name), {"Export": handler})


def _refused(context: grpc.ServicerContext, refusal: Refusal) -> tuple[bytes, grpc.StatusCode]:
    """Refuse a call, with the time after which it may be repeated if it may be."""
    status = answers.status(refusal)
    if refusal.retry:
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
    code = _CODES[refusal.rpc_code]
    context.set_code(code)
    context.set_details(str(refusal))
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    return b"", code
