"""Another library's instrumentation: OpenInference's spans become rows as they are.

    pip install openinference-instrumentation-openai openai opentelemetry-exporter-otlp
    python examples/openinference_app.py

Goldseam is not installed here; its collector reads the dialect. Recovery needs Goldseam's own
instrumentation.
"""

from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
OpenAIInstrumentor().instrument(tracer_provider=provider)

answer = OpenAI().chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "four plus five?"}]
)
print(answer.choices[0].message.content)
provider.shutdown()
