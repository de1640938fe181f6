"""Catch what other instrumentations really send, and keep it as fixtures.

    python tests/collector/captures/capture.py NAME… [--environments FOLDER]

For each library: an environment of its own (`python -m venv` and pip, or npm), `programs.py` or
`programs.mjs` run in it against the scripted provider, the OTLP bodies caught on loopback, what
names this machine taken out, the rest kept as `NAME.binpb` beside the exact versions in
`NAME.txt`. Only package registries are asked for anything.
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from goldseam.recovery.testing import ScriptedProvider
from goldseam.recovery.testing import replies as scripted
from goldseam.recovery.testing.gemini import gemini_error
from goldseam.recovery.testing.messages import message_error
from goldseam.recovery.testing.server import USUAL

HERE: Final = Path(__file__).parent
PROGRAM_TIMEOUT_S: Final = 180

EXPORTER: Final = "opentelemetry-exporter-otlp-proto-http==1.45.2"
NODE_SDK: Final = (
    "@opentelemetry/sdk-node",
    "@opentelemetry/exporter-trace-otlp-proto",
    "@opentelemetry/api",
)

PYTHON: Final = {
    "anthropic": (EXPORTER, "anthropic==2.12.0"),
    "genai_anthropic": (
        EXPORTER, "anthropic==2.12.0", "opentelemetry-instrumentation-genai-anthropic==1.3b0",
    ),
    "genai_langchain": (
        EXPORTER, "langchain", "langchain-openai==1.7.3", "httpx==0.28.1",
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
    ),
    "genai_openai": (
        EXPORTER, "openai==3.54.0", "opentelemetry-instrumentation-genai-openai==1.3b0",
    ),
    "google_adk": ("opentelemetry-exporter-otlp-proto-http==1.44.0", "google-adk==2.13.0"),
    "google_genai": (
        EXPORTER, "google-genai<3", "opentelemetry-instrumentation-google-genai==1.3b0",
    ),
    "langchain": (
        EXPORTER, "langchain-openai==1.7.3",
        "openinference-instrumentation-langchain==0.1.80",
        "openinference-instrumentation-openai==0.1.66",
    ),
    "langfuse": (EXPORTER, "openai==3.54.0", "langfuse==5.0.4"),
    "langsmith": (EXPORTER, "openai==3.54.0", "langsmith[otel]==0.15.0"),
    "litellm": (EXPORTER, "litellm==1.106.2"),
    "logfire": ("openai==3.54.0", "logfire==5.2.0"),
    "openai_v2": (
        EXPORTER, "openai==3.54.0", "httpx==0.28.1", "opentelemetry-util-genai==0.4b0",
        "opentelemetry-instrumentation-openai-v2==2.4b0",
    ),
    "openai_v2_latest": (
        EXPORTER, "openai==3.54.0", "httpx==0.28.1", "opentelemetry-util-genai==0.4b0",
        "opentelemetry-instrumentation-openai-v2==2.4b0",
    ),
    "openinference": (
        EXPORTER, "openai==3.54.0", "anthropic==2.12.0",
        "openinference-instrumentation-openai==0.1.66",
        "openinference-instrumentation-anthropic==3.1.0",
    ),
    "openlit": ("openai==2.54.0", "openlit==1.45.0"),
    "openllmetry": (
        EXPORTER, "openai==3.54.0", "anthropic==2.12.0",
        "opentelemetry-instrumentation-openai==0.62.4",
        "opentelemetry-instrumentation-anthropic==0.62.4",
    ),
    "pydantic_ai": (EXPORTER, "pydantic-ai-slim[openai]==2.68.0"),
}  # fmt: skip
"""Requirements of each Python library, whose program has its name in `programs.py`."""

NODE: Final = {
    "openinference_js": ("openai", "@arizeai/openinference-instrumentation-openai", *NODE_SDK),
    "openllmetry_js": ("openai", "@traceloop/instrumentation-openai", *NODE_SDK),
    "vercel": ("ai@6.0.326", "@ai-sdk/openai@3", *NODE_SDK),
    "vercel_otel": ("ai@7", "@ai-sdk/openai@4", "@ai-sdk/otel@1.0.173", *NODE_SDK),
}
"""Packages of each Node library, whose program has its name in `programs.mjs`."""

SETTINGS: Final = {
    "openai_v2_latest": {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    },
    "langsmith": {
        "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true",
        "LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "none",
    },
}  # fmt: skip

COMMON: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_NODE_RESOURCE_DETECTORS": "env",
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_BSP_SCHEDULE_DELAY": "60000",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    "LANGFUSE_TRACING_ENVIRONMENT": "default",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
}

_REFUSED: Final = ("gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash-lite")
_MACHINE: Final = ("host.", "process.", "os.", "container.", "code.file", "code.filepath")


def capture(name: str, environments: Path) -> None:
    """Make the fixture of one library anew.

    Raises:
        subprocess.CalledProcessError: The environment could not be made, or the program failed.
        RuntimeError: The library sent nothing.
    """
    command, versions = _environment(name, environments / name)
    bodies: list[bytes] = []
    server = _receiver(bodies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with ScriptedProvider(respond=_respond) as provider, tempfile.TemporaryDirectory() as folder:
        prices = Path(folder) / "prices.json"
        prices.write_text('{"chat": {}, "embeddings": {}}')
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        environment = {
            "PATH": os.environ["PATH"], "HOME": folder, "PROVIDER": provider.origin,
            "PRICES": str(prices), "OTEL_EXPORTER_OTLP_ENDPOINT": origin,
            "GOOGLE_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": provider.origin,
            "OPENAI_API_KEY": "none", **COMMON, **SETTINGS.get(name, {}),
        }  # fmt: skip
        subprocess.run(
            command, env=environment, cwd=environments / name, check=True, timeout=PROGRAM_TIMEOUT_S
        )
    server.shutdown()
    whole = ExportTraceServiceRequest()
    for body in bodies:
        whole.MergeFromString(body)
    if not whole.resource_spans:
        raise RuntimeError(f"{name} sent no spans: run its program by hand to see why")
    _forget_machine(whole, environments / name)
    (HERE / f"{name}.binpb").write_bytes(whole.SerializeToString(deterministic=True))
    (HERE / f"{name}.txt").write_text(versions)


def _environment(name: str, folder: Path) -> tuple[list[str], str]:
    """Install a library if it is not there; return how to run its program, and its versions."""
    folder.mkdir(parents=True, exist_ok=True)
    if name in NODE:
        if not (folder / "package.json").exists():
            (folder / "package.json").write_text("{}")
            install = ["npm", "install", "--no-audit", "--no-fund", "--save-exact", *NODE[name]]
            subprocess.run(install, cwd=folder, check=True)
        listed = subprocess.run(
            ["npm", "ls", "--depth=0", "--parseable", "--long"],
            cwd=folder, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        versions = sorted(line.split(":")[1] for line in listed.splitlines()[1:])
        return ["node", str(HERE / "programs.mjs"), name], "\n".join(versions) + "\n"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PYTHON[name]], check=True)
    script = (
        "import importlib.metadata as m;"
        "print(*sorted({f'{d.name}=={d.version}' for d in m.distributions()}), sep='\\n')"
    )
    listed = subprocess.run(
        [python, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    return [str(python), str(HERE / "programs.py"), name], listed


def _respond(request: scripted.Request) -> scripted.Reply:
    asked = request.model + request.path
    if any(model in asked for model in _REFUSED):
        if "/messages" in request.path:
            return message_error(429)
        if "generateContent" in request.path.split("?")[0].lower() or "Content" in request.path:
            return gemini_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for requests.")
        return scripted.error(429)
    path = request.path.partition("?")[0]
    return next(reply() for end, reply in USUAL.items() if path.endswith(end))


def _receiver(bodies: list[bytes]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path.endswith("/v1/traces"):
                bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def _forget_machine(request: ExportTraceServiceRequest, folder: Path) -> None:
    """Take out what tells of the machine that the capture was made on."""
    for group in request.resource_spans:
        _clean(group.resource.attributes, folder)
        for scope in group.scope_spans:
            for span in scope.spans:
                span.status.message = _placeless(span.status.message, folder)
                _clean(span.attributes, folder)
                for event in span.events:
                    _clean(event.attributes, folder)


def _clean(attributes: Any, folder: Path) -> None:
    kept = [pair for pair in attributes if not pair.key.startswith(_MACHINE)]
    for pair in kept:
        if pair.value.HasField("string_value"):
            pair.value.string_value = _placeless(pair.value.string_value, folder)
    del attributes[:]
    attributes.extend(kept)


def _placeless(text: str, folder: Path) -> str:
    return text.replace(str(folder), "/app").replace(sys.base_prefix, "/python")


def main() -> None:
    """Capture the libraries that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*PYTHON, *NODE])
    parser.add_argument(
        "--environments", type=Path, default=Path(tempfile.gettempdir()) / "captures"
    )
    arguments = parser.parse_args()
    for name in arguments.names:
        capture(name, arguments.environments.resolve())


if __name__ == "__main__":
    main()
