"""The instruments of the application side, each created once per `instrument()`.

Names, units and buckets come from `goldseam.semconv.metrics`; which attributes an instrument
carries is written beside it. Tenant, user and request id are never metric attributes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from goldseam.instrumentation import _names
from goldseam.semconv import metrics


@dataclass(frozen=True, slots=True)
class Instruments:
    """Every instrument that the application side records."""

    duration: Histogram
    """Seconds per request: operation, provider, models, server, `error.type`."""
    token_usage: Histogram
    """Tokens per request: as `duration`, with `gen_ai.token.type`."""
    first_chunk: Histogram
    """Seconds to the first chunk of a stream: as `duration`."""
    attempts: Counter
    """Requests sent to a provider: provider, model, `error.type`, HTTP status."""
    requests: Counter
    """Requests that failed at first: outcome, error code, provider, model."""
    steps: Counter
    """Recovery steps: strategy, success, error code, provider."""
    step_duration: Histogram
    """Seconds per recovery step, waiting included: strategy, success."""
    unclassified: Counter
    """Errors that no rule knew: provider."""


def create(meter: Meter) -> Instruments:
    """Return the instruments of `meter`."""
    return Instruments(
        duration=meter.create_histogram(
            metrics.OPERATION_DURATION,
            unit="s",
            description="Duration of a call to an AI provider, recovery included.",
            explicit_bucket_boundaries_advisory=list(metrics.DURATION_BUCKETS_S),
        ),
        token_usage=meter.create_histogram(
            metrics.TOKEN_USAGE,
            unit="{token}",
            description="Input and output tokens that the provider reported.",
            explicit_bucket_boundaries_advisory=list(metrics.TOKEN_BUCKETS),
        ),
        first_chunk=meter.create_histogram(
            metrics.TIME_TO_FIRST_CHUNK,
            unit="s",
            description="Time from the request to the first chunk of a streamed answer.",
            explicit_bucket_boundaries_advisory=list(metrics.DURATION_BUCKETS_S),
        ),
        attempts=meter.create_counter(
            metrics.CLIENT_ATTEMPTS,
            unit="{attempt}",
            description="Requests sent to AI providers.",
        ),
        requests=meter.create_counter(
            metrics.RECOVERY_REQUESTS,
            unit="{request}",
            description="Calls that failed at first, by what recovery made of them.",
        ),
        steps=meter.create_counter(
            metrics.RECOVERY_STEPS,
            unit="{step}",
            description="Recovery steps that ran.",
        ),
        step_duration=meter.create_histogram(
            metrics.RECOVERY_STEP_DURATION,
            unit="s",
            description="Duration of a recovery step, its wait included.",
            explicit_bucket_boundaries_advisory=list(metrics.RECOVERY_STEP_BUCKETS_S),
        ),
        unclassified=meter.create_counter(
            metrics.ERROR_UNCLASSIFIED,
            unit="{error}",
            description="Errors that no classification rule knew.",
        ),
    )


def watch_budgets(meter: Meter, budgets: Callable[[], Mapping[str, float]]) -> None:
    """Show the retry budgets in a gauge.

    Args:
        meter: Where the gauge goes.
        budgets: Gives the extra attempts left, by provider, whenever somebody looks.
    """

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(left, {_names.PROVIDER_NAME: name}) for name, left in budgets().items()]

    meter.create_observable_gauge(
        metrics.RECOVERY_BUDGET,
        callbacks=[observe],
        unit="{attempt}",
        description="Extra attempts that a provider's retry budget still allows.",
    )
