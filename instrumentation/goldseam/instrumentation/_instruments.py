"""The instruments of the application side, each created once per `instrument()`.

Names, units and buckets come from `goldseam.semconv.metrics`; which attributes an instrument
carries is written beside it. Tenant, user and request id are never metric attributes.
"""

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from goldseam.instrumentation import _names
from goldseam.semconv import metrics

MAX_MODULES: Final = 100
"""A module is a metric attribute, so its values must be few; all further ones are `other`."""

OTHER: Final = "other"


class ActiveRequests:
    """Counts the calls in flight, by provider and operation.

    The counts are read when metrics are collected, so that a call pays for two additions and not
    for two measurements.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._lock = Lock()

    def change(self, provider: str, operation: str, by: int) -> None:
        """Add to a count."""
        key = (provider, operation)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + by

    def observations(self) -> Iterable[Observation]:
        """Return every count, zeros included."""
        with self._lock:
            counts = list(self._counts.items())
        return [
            Observation(count, {_names.PROVIDER_NAME: provider, _names.OPERATION_NAME: operation})
            for (provider, operation), count in counts
        ]


class Modules:
    """The modules that metrics tell apart."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def bounded(self, module: str) -> str:
        """Return the module, or `other` after the first hundred."""
        if module not in self._known:
            if len(self._known) >= MAX_MODULES:
                return OTHER
            self._known.add(module)
        return module


@dataclass(frozen=True, slots=True)
class Instruments:
    """Every instrument that the application side records."""

    duration: Histogram
    """Seconds per request: operation, provider, models, server, module, `error.type`."""
    token_usage: Histogram
    """Tokens per request: as `duration`, with `gen_ai.token.type`."""
    first_chunk: Histogram
    """Seconds to the first chunk of a stream: as `duration`."""
    per_chunk: Histogram
    """Seconds from chunk to chunk, one mean per stream: as `duration`."""
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
    corrections_off: Counter
    """Corrections of the playbook that did not help and were switched off: correction id."""
    active: ActiveRequests
    """Calls in flight: provider, operation."""
    modules: Modules
    """Bounds the module on all of the above that carry it."""


def create(meter: Meter) -> Instruments:
    """Return the instruments of `meter`."""
    active = ActiveRequests()
    _observe(meter, active)
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
        per_chunk=meter.create_histogram(
            metrics.TIME_PER_OUTPUT_CHUNK,
            unit="s",
            description="Time from one chunk of a streamed answer to the next, mean per stream.",
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
        corrections_off=meter.create_counter(
            metrics.CORRECTIONS_SWITCHED_OFF,
            unit="{correction}",
            description="Corrections that did not keep what they promise and were switched off.",
        ),
        active=active,
        modules=Modules(),
    )


def _observe(meter: Meter, active: ActiveRequests) -> None:
    """Let a meter read the counts for as long as somebody changes them; it never forgets us."""
    reference = weakref.ref(active)

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        counts = reference()
        return counts.observations() if counts is not None else ()

    meter.create_observable_up_down_counter(
        metrics.CLIENT_ACTIVE_REQUESTS,
        callbacks=[observe],
        unit="{request}",
        description="Calls to AI providers that have not ended.",
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
