"""Where spans would go, and whether anybody takes them there.

Called by `doctor`; reads the variables of OpenTelemetry's exporters as these do.
"""

import urllib.parse
from collections.abc import Iterator, Mapping

from goldseam.cli.defaults import HOST, OTLP_GRPC_PORT, OTLP_HTTP_PORT
from goldseam.cli.probing import Finding, ask, is_listened_at


def look(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is to say about where spans would go."""
    yield from _silent_protocol(environ)
    yield _collector(environ)


def _collector(environ: Mapping[str, str]) -> Finding:
    """Send nothing, in the form in which spans would be sent, to where they would go."""
    traces = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    named = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if traces else "OTEL_EXPORTER_OTLP_ENDPOINT"
    protocol = _of_traces(environ, "PROTOCOL") or "http/protobuf"
    url = traces or base or f"http://{HOST}:{OTLP_HTTP_PORT}"
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return Finding("fault", f"{named}={url} is no address", f"write http://{HOST}:4318")
    match protocol:
        case "grpc":
            return _grpc(parts)
        case "http/protobuf":
            headers = _headers(_of_traces(environ, "HEADERS"))
            return _http(url, named, headers)
        case _:
            remedy = "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or grpc"
            return Finding("fault", f"Python's exporters know no protocol {protocol}", remedy)


def _http(url: str, named: str, headers: Mapping[str, str]) -> Finding:
    parts = urllib.parse.urlsplit(url)
    is_whole = named.endswith("TRACES_ENDPOINT")
    if parts.port == OTLP_GRPC_PORT:
        remedy = f"use port {OTLP_HTTP_PORT}, or OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
        return Finding("fault", f"{url} is the gRPC port, and spans go by HTTP", remedy)
    if not is_whole and parts.path.rstrip("/").endswith("/v1/traces"):
        remedy = "leave the path out; exporters add it"
        return Finding("fault", f"{named} ends in /v1/traces", remedy)
    return _otlp(url if is_whole else f"{url.rstrip('/')}/v1/traces", named, headers)


def _of_traces(environ: Mapping[str, str], what: str) -> str:
    """Return an exporter's variable; that of traces alone wins."""
    names = (f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def _headers(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, values in URL encoding, as exporters do."""
    pairs = [pair.partition("=") for pair in text.split(",") if "=" in pair]
    return {name.strip(): urllib.parse.unquote(value).strip() for name, _, value in pairs}


def _otlp(url: str, named: str, headers: Mapping[str, str]) -> Finding:
    status, _ = ask(url, {**headers, "Content-Type": "application/x-protobuf"}, data=b"")
    match status:
        case None:
            return _nobody(url, named)
        case 200:
            return Finding("ok", f"Spans are taken at {url}")
        case 401 | 403 if any(name.lower() == "authorization" for name in headers):
            remedy = "make one with `goldseam keys create --scope ingest:write`"
            return Finding("fault", f"{url} does not take this key ({status})", remedy)
        case 401 | 403:
            remedy = (
                "OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20gs_…' with scope ingest:write"
            )
            return Finding("fault", f"{url} asks for a key ({status})", remedy)
        case 503:
            return Finding("hint", f"{url} is busy (503); senders try again", "look at its log")
        case _:
            remedy = f"the collector of `goldseam up` listens on port {OTLP_HTTP_PORT}"
            return Finding("fault", f"{url} answers {status}, so it takes no spans", remedy)


def _nobody(url: str, named: str) -> Finding:
    if is_listened_at(url):
        remedy = f"stop it, or name where `goldseam up` runs in {named}"
        return Finding("fault", f"Another program has the port of {url}", remedy)
    remedy = f"start `goldseam up`, or name where it runs in {named}"
    return Finding("fault", f"Nobody takes spans at {url}", remedy)


def _grpc(parts: urllib.parse.SplitResult) -> Finding:
    where = str(parts.hostname), parts.port or OTLP_GRPC_PORT
    address = f"{where[0]}:{where[1]}"
    if where[1] == OTLP_HTTP_PORT:
        remedy = f"use port {OTLP_GRPC_PORT}, or OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        return Finding("fault", f"{address} is the HTTP port, and spans go by gRPC", remedy)
    if not is_listened_at(f"//{address}"):
        return Finding("fault", f"Nobody listens at {address} (gRPC)", "start `goldseam up`")
    return Finding("ok", f"Somebody listens at {address} (gRPC)")


def _silent_protocol(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of the default that `opentelemetry-instrument` has and `goldseam run` has not."""
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if endpoint.endswith(f":{OTLP_HTTP_PORT}") and not _of_traces(environ, "PROTOCOL"):
        remedy = "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf; `goldseam run` does"
        says = f"`opentelemetry-instrument` would speak gRPC to {endpoint}"
        yield Finding("hint", says, remedy)
