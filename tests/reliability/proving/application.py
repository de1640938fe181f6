"""The program that is killed: ordinary calls through the openai SDK, from four threads.

    python tests/reliability/proving/application.py ROUND CALLS OTLP_URL

Each thread makes some calls that are answered, then one that the providers keep from ending. Prints
the request id of each span whose export was acknowledged. Started by `applications` with the
variables that name providers, keys and recovery.
"""

import sys
import threading
from collections.abc import Sequence

import openai
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from goldseam.instrumentation import context, instrument

THREADS = 4
EXPORT_DELAY_MS = 100


class TellingExporter(OTLPSpanExporter):
    """The stock exporter; tells what the collector has acknowledged."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export, then tell."""
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            names = {(span.attributes or {}).get("goldseam.request.id") for span in spans}
            sys.stdout.writelines(f"{name}\n" for name in names if name)
            sys.stdout.flush()
        return result


def call(client: openai.OpenAI, name: str) -> None:
    """Make one call whose request id and prompt are `name`."""
    with context(request_id=name):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": name}]
        )


def main() -> None:
    """Make all calls; end only by being killed."""
    number, calls, url = sys.argv[1:]
    provider = TracerProvider()
    exporter = TellingExporter(endpoint=f"{url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_DELAY_MS))
    trace.set_tracer_provider(provider)
    instrument(pending_endpoint=url)
    client = openai.OpenAI(timeout=60)

    def work(thread: int) -> None:
        for each in range(int(calls)):
            call(client, f"{number}/{thread}/answered-{each}")
        call(client, f"{number}/{thread}/stuck")

    threads = [threading.Thread(target=work, args=(each,)) for each in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
