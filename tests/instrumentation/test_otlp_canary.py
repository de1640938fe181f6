"""Nothing of what an application says or hears is in the bytes that leave the process."""

import asyncio
import http.server
import importlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.instrumentation.conftest import KEY, mending
from tests.instrumentation.scenarios import HTTP
from tests.instrumentation.styles import create, entered, make_client, read, settle

from goldseam.instrumentation import GoldseamInstrumentor
from goldseam.instrumentation._switch import SWITCH
from goldseam.recovery.testing import (
    ScriptedProvider,
    chat,
    embedding,
    error,
    raw,
    response,
    stream,
)

CANARY: Final = "the heron of Ravenna owes 4711 coins to Bob"
MARK: Final = "CANARY-7f3a"
SAID: Final = f"{CANARY} {MARK}"
SECRETS: Final = (CANARY, MARK, KEY, "heron", "Ravenna")

ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": f"System {SAID}"},
        {"role": "user", "content": [{"type": "text", "text": SAID}]},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": SAID,
                "parameters": {"type": "object", "properties": {"x": {"description": SAID}}},
            },
        }
    ],
    "stop": [MARK],
    "user": MARK,
    "metadata": {"note": SAID},
}
HEADERS: Final = {"X-Mine": SAID, "Authorization-Extra": f"Bearer {KEY}"}


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps the bodies that an exporter posts."""

    def do_POST(self) -> None:
        """Accept everything."""
        received: list[bytes] = self.server.received  # type: ignore[attr-defined] # set below
        received.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Print nothing."""


@contextmanager
def _receiving() -> Iterator[tuple[str, list[bytes]]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    received: list[bytes] = []
    server.received = received  # type: ignore[attr-defined] # as above
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def _use_sdk(provider: ScriptedProvider, *, is_async: bool) -> None:
    async with entered(make_client("openai", provider, is_async=is_async)) as client:
        asked = {**ASKED, "extra_headers": HEADERS}
        for resource, given in (
            ("chat.completions", asked),
            ("chat.completions", {**asked, "stream": True}),
            ("responses", {"model": "m", "input": SAID, "instructions": SAID}),
            ("embeddings", {"model": "m", "input": [SAID]}),
            *[("chat.completions", asked)] * 4,
            ("chat.completions", {**asked, "stream": True}),
        ):
            try:
                answer = await create(client, resource, given)
                if given.get("stream"):
                    await read(answer)
            except Exception:  # noqa: BLE001, S112 - refusals are part of it
                continue


async def _use_wire(provider: ScriptedProvider, *, is_async: bool) -> None:
    library: Any = importlib.import_module(HTTP)
    headers = {"authorization": f"Bearer {KEY}", **HEADERS}
    async with entered(library.AsyncClient() if is_async else library.Client()) as client:
        for _ in range(3):
            url = f"{provider.base_url}/chat/completions?key={MARK}"
            with suppress(library.HTTPError):  # what is left of the script may be cut
                await settle(client.post(url, json=ASKED, headers=headers))


def _script(provider: ScriptedProvider) -> None:
    """Answer and refuse, each time with the request's own words."""
    echo = f"Failed on {SAID} with key {KEY}; header {SAID}"
    provider.script(
        chat(SAID), stream((CANARY, MARK)), response(SAID), embedding(),
        error(400, message=echo), error(500, message=echo), error(503, body={"error": echo}),
        raw(500, body=f"<html>{echo}</html>"), error(429, body={"detail": [{"msg": CANARY}]}),
        error(401, message=echo), stream((SAID,), cut_after=1),
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["off", "observe", "on"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_exported_bytes_hold_no_secret(
    mode: str, is_async: bool, provider: ScriptedProvider, backup: ScriptedProvider,  # noqa: FBT001 - a parameter
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Prompts, answers, tools, headers and keys are in no OTLP byte and in no log line."""
    with _receiving() as (url, received), caplog.at_level(logging.DEBUG, logger="goldseam"):
        monkeypatch.setenv("GOLDSEAM_PENDING_ENDPOINT", url)
        tracer_provider = TracerProvider(shutdown_on_exit=False)
        tracer_provider.add_span_processor(
            SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces"))
        )
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{url}/v1/metrics"))
        meter_provider = MeterProvider([reader], shutdown_on_exit=False)
        GoldseamInstrumentor().instrument(
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            recovery=mending(provider, backup, mode=mode),
        )
        _script(provider)
        backup.script(error(500, message=f"Failed on {SAID}"), chat(SAID))

        async def main() -> None:
            choke_point: Any = SWITCH.choke_point
            await _use_sdk(provider, is_async=is_async)
            await _use_wire(provider, is_async=is_async)
            await choke_point.aclose()

        try:
            asyncio.run(main())
        finally:
            GoldseamInstrumentor().uninstrument()
        tracer_provider.shutdown()
        meter_provider.shutdown()

    exported = b"\n".join(received)
    logged = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("goldseam")
    )
    assert exported.count(b"goldseam.prompt.sha256") > 5
    assert b"gen_ai.client.operation.duration" in exported
    for secret in SECRETS:
        assert secret.encode() not in exported, secret
        assert secret not in logged, secret
