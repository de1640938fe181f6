"""Who may send, and for whom: keys, certificates, and senders that hold a connection."""

import asyncio
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped] # ships no types
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from goldseam.cli import connections, serve
from goldseam.collector import CollectorSettings, create_app
from goldseam.collector.admission import KEPT_S, REMEMBERED_S, Admission
from goldseam.collector.refusals import Unauthenticated, Unavailable
from goldseam.storage import keys
from goldseam.storage.embedded import EmbeddedPostgres
from goldseam.storage.engine import async_engine, tenant_transaction
from goldseam.storage.errors import DatabaseUnavailableError
from goldseam.storage.keys import Key, Scope
from goldseam.storage.roles import ALL_TENANTS, Role


def make_key(url: str, *, tenant: str = "acme", scope: Scope = Scope.INGEST_WRITE) -> str:
    """Store a new key and give its text."""

    async def make() -> str:
        engine = async_engine(url, Role.API, pool_size=1)
        try:
            async with tenant_transaction(engine, ALL_TENANTS) as connection:
                return await keys.create(
                    connection,
                    tenant=tenant,
                    scopes=[scope],
                    created_by="test",
                    now=datetime.now(UTC),
                )
        finally:
            await engine.dispose()

    return asyncio.run(make())


def post(url: str, body: bytes, key: str | None = None) -> tuple[int, dict[str, str]]:
    """Send a body as a sender with a key would; give status and headers."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    headers = {"Content-Type": "application/x-protobuf"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    connection.request("POST", "/v1/traces", body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.headers.items()}


def export(address: str, body: bytes, key: str | None = None) -> grpc.StatusCode:
    """Send a body over gRPC; give the code of the answer."""
    metadata = [("authorization", f"Bearer {key}")] if key else []
    with grpc.insecure_channel(address) as channel:
        try:
            TraceServiceStub(channel).Export(  # type: ignore[no-untyped-call] # generated
                ExportTraceServiceRequest.FromString(body), timeout=20, metadata=metadata
            )
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_where_keys_are_asked_for_a_sender_without_one_stays_outside(
    database: str, recorder: Any, start_collector: Any, count_rows: Callable[..., int]
) -> None:
    """No key and an unknown one are 401 and UNAUTHENTICATED; the answer says what to present."""
    server = start_collector(CollectorSettings(database_url=database, ingest_keys=True))
    recorder.chats(1)
    body = recorder.body()

    status, headers = post(server.url, body)

    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="goldseam"')
    assert post(server.url, body, "gs_live_" + "0" * 12 + "_" + "0" * 48)[0] == 401
    assert export(server.grpc_address, body) is grpc.StatusCode.UNAUTHENTICATED
    assert count_rows() == 0


def test_the_tenant_of_a_key_is_the_tenant_of_all_it_sends(
    database: str, recorder: Any, start_collector: Any, count_rows: Callable[..., int]
) -> None:
    """What the spans claim does not count, over either transport."""
    server = start_collector(CollectorSettings(database_url=database, ingest_keys=True))
    key = make_key(database)

    for send in (lambda b: post(server.url, b, key), lambda b: export(server.grpc_address, b, key)):
        recorder.chats(1, **{"goldseam.tenant.id": "somebody-else"})
        send(recorder.body())

    assert count_rows("tenant_id = 'acme'") == count_rows() == 2


def test_a_key_for_something_else_does_not_let_spans_in(
    database: str, recorder: Any, start_collector: Any
) -> None:
    """A key that may read is no key for sending."""
    server = start_collector(CollectorSettings(database_url=database))
    key = make_key(database, scope=Scope.LOGS_READ)
    recorder.chats(1)
    body = recorder.body()

    assert post(server.url, body, key)[0] == 403
    assert export(server.grpc_address, body, key) is grpc.StatusCode.PERMISSION_DENIED


def test_a_key_seen_before_opens_while_the_database_is_away(
    own_postgres: EmbeddedPostgres, tmp_path: Path, recorder: Any, start_collector: Any
) -> None:
    """Also for a collector that has started since; a key never seen is told to come again."""
    key, unseen = make_key(own_postgres.url), make_key(own_postgres.url)
    settings = CollectorSettings(database_url=own_postgres.url, data_dir=tmp_path, ingest_keys=True)
    recorder.chats(1)
    body = recorder.body()
    assert post(start_collector(settings).url, body, key)[0] == 200
    own_postgres.stop()
    server = start_collector(settings)

    assert post(server.url, body, key)[0] == 200
    assert post(server.url, body, unseen)[0] == 503


@pytest.mark.anyio
async def test_a_revoked_key_is_refused_within_seconds() -> None:
    """What was verified is asked again after `REMEMBERED_S`, and then forgotten."""
    text, now_s, stored = f"gs_live_{'a' * 12}_{'b' * 48}", [1_000.0], []

    async def look_up(key_id: str) -> Key:
        stored.append(key_id)
        return key_with(revoked_at=datetime.now(UTC) if len(stored) > 1 else None)

    admission = Admission(look_up, is_required=True, path=None, clock=lambda: now_s[0])
    for _ in range(3):
        assert await admission.tenant(f"Bearer {text}") == "acme"
    now_s[0] += REMEMBERED_S

    with pytest.raises(Unauthenticated):
        await admission.tenant(f"Bearer {text}")
    assert len(stored) == 2


@pytest.mark.anyio
async def test_a_key_is_not_trusted_for_ever_without_a_database(tmp_path: Path) -> None:
    """A day after it was last verified it must wait for the database, like any other."""
    text, now_s = f"gs_live_{'a' * 12}_{'b' * 48}", [1_000.0]
    is_away: list[bool] = []

    async def look_up(_: str) -> Key:
        if is_away:
            raise DatabaseUnavailableError("nobody answers")
        return key_with()

    def collector() -> Admission:
        path = tmp_path / "keys.json"
        return Admission(look_up, is_required=True, path=path, clock=lambda: now_s[0])

    await collector().tenant(f"Bearer {text}")
    is_away.append(True)
    now_s[0] += KEPT_S
    assert await collector().tenant(f"Bearer {text}") == "acme"
    now_s[0] += 1

    with pytest.raises(Unavailable):
        await collector().tenant(f"Bearer {text}")


def key_with(*, revoked_at: datetime | None = None) -> Key:
    """Make the stored half of the key `gs_live_aaaaaaaaaaaa_bbb…`."""
    return Key(
        tenant_id="acme",
        key_id="a" * 12,
        environment="live",
        secret_sha256=keys._digest("b" * 48),
        scopes=(Scope.INGEST_WRITE,),
        label=None,
        created_at=datetime.now(UTC) - timedelta(days=1),
        created_by="test",
        expires_at=None,
        last_used_at=None,
        revoked_at=revoked_at,
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1 that is its own authority, for server and client."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def test_with_a_client_authority_both_receivers_ask_for_certificates(
    database: str, recorder: Any, certificates: Path, count_rows: Callable[..., int]
) -> None:
    """With a certificate both transports store; without one neither opens."""
    cert, key = certificates / "cert.pem", certificates / "key.pem"
    settings = CollectorSettings(
        database_url=database, tls_cert=cert, tls_key=key, tls_client_ca=cert, ingest_keys=True
    )
    recorder.chats(1)
    body = recorder.body()
    trusting = ssl.create_default_context(cafile=str(cert))
    known = ssl.create_default_context(cafile=str(cert))
    known.load_cert_chain(cert, key)
    root, own = cert.read_bytes(), key.read_bytes()
    listener = serve.listen("127.0.0.1", 0, port_flag="--otlp-http-port")
    with serve.reserve("127.0.0.1", 0, port_flag="--otlp-grpc-port") as held:
        app = create_app(settings, grpc_address=serve.address_of(held))
        service = serve.Service("collector", app, listener, serve.Tls(cert, key, cert))
        with serve.running([service]):
            assert service.url.startswith("https://")
            assert send_tls(service.url, body, known) == 200
            with pytest.raises((ssl.SSLError, OSError)):
                send_tls(service.url, body, trusting)
            address = serve.address_of(held)
            mutual = grpc.ssl_channel_credentials(root, own, root)
            assert export_tls(address, body, mutual) is grpc.StatusCode.OK
            one_sided = grpc.ssl_channel_credentials(root)
            assert export_tls(address, body, one_sided) is grpc.StatusCode.UNAVAILABLE

    assert count_rows() == 1


def send_tls(url: str, body: bytes, context: ssl.SSLContext) -> int:
    """Send a body over HTTPS; give the status."""
    connection = http.client.HTTPSConnection(
        url.removeprefix("https://"), timeout=20, context=context
    )
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status
    finally:
        connection.close()


def export_tls(address: str, body: bytes, credentials: grpc.ChannelCredentials) -> grpc.StatusCode:
    """Send a body over gRPC with TLS; give the code."""
    with grpc.secure_channel(address, credentials) as channel:
        try:
            TraceServiceStub(channel).Export(  # type: ignore[no-untyped-call] # generated
                ExportTraceServiceRequest.FromString(body), timeout=5
            )
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_half_of_tls_is_refused_at_start(database: str, certificates: Path) -> None:
    """A certificate without its key is a mistake, not a choice."""
    with pytest.raises(ValueError, match="GOLDSEAM_TLS_KEY"):
        CollectorSettings(database_url=database, tls_cert=certificates / "cert.pem")


def test_a_body_that_never_ends_is_answered(database: str, start_collector: Any) -> None:
    """A sender that trickles gets 503 after the limit, and its connection is closed."""
    server = start_collector(CollectorSettings(database_url=database, receive_timeout_s=0.2))
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            b"Content-Type: application/x-protobuf\r\n\r\nabc"
        )
        answer = b"".join(iter(lambda: connection.recv(4_096), b""))

    assert answer.startswith(b"HTTP/1.1 503")


def test_headers_that_never_end_close_the_connection(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither silence nor half a header holds a connection beyond the limit."""
    monkeypatch.setattr(connections, "HEADERS_WITHIN_S", 0.2)
    app = create_app(CollectorSettings(database_url=database))
    listener = serve.listen("127.0.0.1", 0, port_flag="--otlp-http-port")
    with serve.running([serve.Service("collector", app, listener)]):
        for said in (b"", b"POST /v1/traces HT"):
            with socket.create_connection(listener.getsockname(), timeout=20) as connection:
                connection.sendall(said)

                assert connection.recv(4_096) == b""


def test_logs_can_be_lines_of_json(collector_process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of the log is an object with time, level, logger and message."""
    monkeypatch.setenv("GOLDSEAM_LOG_FORMAT", "json")
    with collector_process("postgresql://goldseam@127.0.0.1:1/goldseam") as (process, _):
        process.terminate()
        lines = process.stderr.read().splitlines()

    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in logged)
    assert "goldseam.collector.writer" in {line["logger"] for line in logged}
