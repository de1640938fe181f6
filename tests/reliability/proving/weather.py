"""Bad network before and behind the collector, while four stock exporters export.

One proxy stands between exporters and collector, another between collector and PostgreSQL. The
exporter is OpenTelemetry's own with its own repetitions; a batch that it gives up is handed to it
again, with the same spans.
"""

import itertools
import logging
import time
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanKind
from proving.judging import judge
from proving.proxy import Proxy, Weather, to_port, to_socket
from proving.sending import SPANS_PER_BODY, Attempt, Writers, attributes_of
from proving.servers import collector, is_drained, postgres, wait_until
from proving.trial import Outcome, Task

EXPORT_TIMEOUT_S: Final = 5
ACK_TIMEOUT_S: Final = 1.0
"""Shorter than a stall may last, so that stalls of the database reach the spool."""

BAD_S: Final = (0.3, 3.0)
CLEAR_S: Final = 0.3
_KINDS: Final = (Weather.RESET, Weather.STALL, Weather.TRICKLE)


def run(task: Task) -> Outcome:
    """Change the weather at random on both sides; afterwards all is clear and all is stored."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # exporters tell of each failure
    with postgres(task.folder / "pg") as server:
        unix = f"{server.data_dir}/postgres/.s.PGSQL.5432"
        with Proxy(to_socket(unix), task.chance).running() as behind:
            url = f"postgresql://goldseam@127.0.0.1:{behind.port}/goldseam"
            data = task.folder / "data"
            with (
                collector(url, data, ack_timeout_s=ACK_TIMEOUT_S) as running,
                Proxy(to_port(running.port), task.chance).running() as before,
            ):
                writers = Writers(_Exporting(before.port))
                with writers.running():
                    periods = _blow(task, before, behind)
                    writers.finish()
                wait_until(lambda: is_drained(running.port), "an empty spool")
                spooled = int(running.metric("goldseam_collector_spooled_total"))
        resets = before.resets, behind.resets
        figures = (
            f"{resets[0]:,} connections of exporters and {resets[1]:,} of the collector reset; "
            f"{spooled:,} bodies went through the spool"
        )
        tried = f"{task.scale.weather_s:.0f} s, {periods} changes on two sides; 4 exporters"
        return judge(server.url, writers, tried=tried, figures=figures)


def _blow(task: Task, before: Proxy, behind: Proxy) -> int:
    """Let it be bad on one side or both, again and again; return how often."""
    ends_s = time.monotonic() + task.scale.weather_s
    for number in itertools.count(1):
        for proxy in task.chance.choice(((before,), (behind,), (before, behind))):
            proxy.weather = task.chance.choice(_KINDS)
        time.sleep(task.chance.uniform(*BAD_S))
        before.weather = behind.weather = Weather.CLEAR
        if time.monotonic() > ends_s:
            return number
        time.sleep(CLEAR_S)
    raise AssertionError("never reached")


class _Exporting:
    """Makes batches of real spans and exports each through an exporter of its own."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/traces"
        self._tracer = TracerProvider().get_tracer("goldseam.instrumentation")

    def __call__(self, name: str) -> Attempt:
        batch = [self._span(f"{name}/{each}") for each in range(SPANS_PER_BODY)]
        exporter = OTLPSpanExporter(endpoint=self._url, timeout=EXPORT_TIMEOUT_S)
        return lambda: exporter.export(batch) is SpanExportResult.SUCCESS

    def _span(self, name: str) -> ReadableSpan:
        span = self._tracer.start_span(
            "chat gpt-4o", kind=SpanKind.CLIENT, attributes=attributes_of(name)
        )
        span.end()
        if not isinstance(span, ReadableSpan):
            raise TypeError("the SDK is switched off")
        return span
