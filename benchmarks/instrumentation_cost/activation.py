"""How each subject is switched on.

Runs inside a subject's own environment; every function imports what it needs when it is called,
because no environment has it all. Defaults of each library stand, but for the providers, which
are the same for all, and for whatever would reach for the network.
"""

import importlib
import json
import tempfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from instrumentation_cost.floor import Floor, SameFacts
from instrumentation_cost.scenarios import Around
from instrumentation_cost.telemetry import BATCH_SPANS, NEVER_S, Telemetry

_PRICES: Final = {
    "chat": {"gpt-4o-mini": {"promptPrice": 0.00015, "completionPrice": 0.0006}},
    "embeddings": {"text-embedding-3-small": 0.00002},
}


class UnsupportedError(RuntimeError):
    """The installed release of a subject lacks the setting that a variant needs."""


def switch_on(name: str, telemetry: Telemetry) -> Around | None:
    """Switch a subject on.

    Args:
        name: Name of the subject.
        telemetry: Where it writes.

    Returns:
        What goes around every call, where the subject does not see to that itself.

    Raises:
        UnsupportedError: This variant does not exist in the installed release.
    """
    return _SWITCHES[name](telemetry)


def _nothing(_telemetry: Telemetry) -> None:
    return None


def _goldseam(**settings: Any) -> Callable[[Telemetry], None]:
    def switch(telemetry: Telemetry) -> None:
        from goldseam.instrumentation import instrument  # noqa: PLC0415 - see the module's text

        try:
            instrument(
                tracer_provider=telemetry.tracer_provider,
                meter_provider=telemetry.meter_provider,
                **settings,
            )
        except TypeError as error:
            raise UnsupportedError(str(error)) from None

    return switch


def _instrumentor(module: str) -> Callable[[Telemetry], None]:
    def switch(telemetry: Telemetry) -> None:
        importlib.import_module(module).OpenAIInstrumentor().instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )

    return switch


def _openlit(telemetry: Telemetry) -> None:
    """Give it the global providers, which it looks for, and prices, which it would download."""
    import openlit  # noqa: PLC0415 - see the module's text
    from opentelemetry import _logs, metrics, trace  # noqa: PLC0415 - as above
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415 - as above

    trace.set_tracer_provider(telemetry.tracer_provider)
    metrics.set_meter_provider(telemetry.meter_provider)
    _logs.set_logger_provider(LoggerProvider())
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as prices:
        json.dump(_PRICES, prices)
    openlit.init(pricing_json=prices.name)


def _logfire(telemetry: Telemetry) -> None:
    import logfire  # noqa: PLC0415 - see the module's text
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415 - as above

    logfire.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=telemetry.processors,
        sampling=logfire.SamplingOptions(head=telemetry.sampler),
        metrics=logfire.MetricsOptions(additional_readers=[InMemoryMetricReader()]),
        inspect_arguments=False,
    )
    logfire.instrument_openai()


def _langfuse(telemetry: Telemetry) -> None:
    """Use its own batch processor, which is part of it, in the place of the common one."""
    from langfuse import Langfuse  # noqa: PLC0415 - see the module's text
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above

    tracer_provider = TracerProvider(sampler=telemetry.sampler)
    Langfuse(
        public_key="pk-lf-unused",
        secret_key="sk-lf-unused",  # noqa: S106 - opens nothing
        base_url="http://127.0.0.1:9",
        tracer_provider=tracer_provider,
        span_exporter=telemetry.exporter,
        flush_at=BATCH_SPANS,
        flush_interval=NEVER_S,
    )
    telemetry.processors[:] = tracer_provider._active_span_processor._span_processors  # noqa: SLF001 - the only way to it
    importlib.import_module("langfuse.openai")


_SWITCHES: Final[Mapping[str, Callable[[Telemetry], Around | None]]] = MappingProxyType(
    {
        "bare": _nothing,
        "floor": Floor,
        "floor-same": SameFacts,
        "goldseam": _goldseam(),
        "goldseam-recovery": _goldseam(recovery="on"),
        "goldseam-nohash": _goldseam(prompt_hash=False),
        "goldseam-content": _goldseam(capture_content="span"),
        "genai-openai": _instrumentor("opentelemetry.instrumentation.genai.openai"),
        "genai-openai-content": _instrumentor("opentelemetry.instrumentation.genai.openai"),
        "openai-v2": _instrumentor("opentelemetry.instrumentation.openai_v2"),
        "openllmetry": _instrumentor("opentelemetry.instrumentation.openai"),
        "openinference": _instrumentor("openinference.instrumentation.openai"),
        "openlit": _openlit,
        "logfire": _logfire,
        "langfuse": _langfuse,
    }
)
