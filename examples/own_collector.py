"""An application that is its own collector: spans go straight into PostgreSQL.

    goldseam db upgrade --database-url postgresql://…
    python examples/own_collector.py postgresql://…

Good where one process makes few calls. A database that is away costs rows, never an answer; with a
collector in between, nothing is lost.
"""

import sys

from openai import OpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from goldseam.collector.exporter import PostgresSpanExporter
from goldseam.instrumentation import context, instrument

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(PostgresSpanExporter(sys.argv[1])))
instrument(tracer_provider=provider, recovery="on")

with context(tenant_id="acme", module="examples"):
    answer = OpenAI().chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "four plus five?"}]
    )
print(answer.choices[0].message.content)
provider.shutdown()
