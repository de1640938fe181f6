"""The instruments of the application side, each created once per meter provider.

Names, units and buckets come from `goldseam.semconv.metrics`; which attributes an instrument
carries is written beside it. Tenant, user and request id are never metric attributes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

from opentelemetry.metrics import (
    CallbackOptions,
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)

from goldseam.instrumentation import _counts, _names
from goldseam.instrumentation._counts import Counts
from goldseam.semconv import attributes as names
from goldseam.semconv import metrics

MAX_MODULES: Final = 100
"""A module is a metric attribute, so its values must be few; all further ones are `other`."""

OTHER: Final = "other"


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


class Budgets:
    """The retry budgets of whoever keeps them now, shown in a gauge."""

    def __init__(self) -> None:
        self.read: Callable[[], Mapping[str, float]] = dict
        """Gives the extra attempts left, by provider."""

    @classmethod
    def told_by(cls, meter: Meter) -> Self:
        """Return budgets that a gauge of `meter` shows whenever somebody looks."""
        budgets = cls()
        meter.create_observable_gauge(
            metrics.RECOVERY_BUDGET,
            callbacks=[budgets.observe],
            unit="{attempt}",
            description="Extra attempts that a provider's retry budget still allows.",
        )
        return budgets

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Return what is left; called by the SDK when it collects."""
        left = self.read().items()
        return [Observation(count, {_names.PROVIDER_NAME: name}) for name, count in left]


@dataclass(frozen=True, slots=True)
class Instruments:
    """Every instrument that the application side records."""

    duration: Histogram
    """Seconds per request: operation, provider, models, server, module, `error.type`."""
    token_usage: Histogram
    """Tokens per request: as `duration` less the server, with `gen_ai.token.type`."""
    first_chunk: Histogram
    """Seconds to the first chunk of a stream: as `duration`."""
    per_chunk: Histogram
    """Seconds from chunk to chunk, one mean per stream: as `duration`."""
    attempts: Counts
    """Requests sent to a provider: provider, model, `error.type`, HTTP status."""
    requests: Counts
    """Requests that failed at first: outcome, error code, provider, model."""
    steps: Counter
    """Recovery steps: strategy, success, error code, provider."""
    step_duration: Histogram
    """Seconds per recovery step, waiting included: strategy, success."""
    unclassified: Counts
    """Errors that no rule knew: provider."""
    corrections_off: Counter
    """Corrections of the playbook that did not help and were switched off: correction id."""
    active: Counts
    """Calls in flight: provider, operation."""
    budgets: Budgets
    """Extra attempts that are left: provider."""
    modules: Modules
    """Bounds the module on all of the above that carry it."""


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
        per_chunk=meter.create_histogram(
            metrics.TIME_PER_OUTPUT_CHUNK,
            unit="s",
            description="Time from one chunk of a streamed answer to the next, mean per stream.",
            explicit_bucket_boundaries_advisory=list(metrics.DURATION_BUCKETS_S),
        ),
        attempts=_counts.create(
            meter.create_observable_counter,
            metrics.CLIENT_ATTEMPTS,
            unit="{attempt}",
            description="Requests sent to AI providers.",
            attributes=(
                _names.PROVIDER_NAME,
                _names.REQUEST_MODEL,
                _names.ERROR_TYPE,
                _names.HTTP_RESPONSE_STATUS_CODE,
            ),
        ),
        requests=_counts.create(
            meter.create_observable_counter,
            metrics.RECOVERY_REQUESTS,
            unit="{request}",
            description="Calls that failed at first, by what recovery made of them.",
            attributes=(
                names.RECOVERY_OUTCOME,
                names.ERROR_CODE,
                _names.PROVIDER_NAME,
                _names.REQUEST_MODEL,
            ),
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
        unclassified=_counts.create(
            meter.create_observable_counter,
            metrics.ERROR_UNCLASSIFIED,
            unit="{error}",
            description="Errors that no classification rule knew.",
            attributes=(_names.PROVIDER_NAME,),
        ),
        corrections_off=meter.create_counter(
            metrics.CORRECTIONS_SWITCHED_OFF,
            unit="{correction}",
            description="Corrections that did not keep what they promise and were switched off.",
        ),
        active=_counts.create(
            meter.create_observable_up_down_counter,
            metrics.CLIENT_ACTIVE_REQUESTS,
            unit="{request}",
            description="Calls to AI providers that have not ended.",
            attributes=(_names.PROVIDER_NAME, _names.OPERATION_NAME),
        ),
        budgets=Budgets.told_by(meter),
        modules=Modules(),
    )


class _GlobalProvider:
    """Stands for the global meter provider, which may be set after `instrument()`."""


_made: Final[WeakKeyDictionary[Any, Instruments]] = WeakKeyDictionary()


def of(provider: MeterProvider | None, meter: Meter) -> Instruments:
    """Return the instruments of a meter provider, the same ones for as long as it lives.

    An SDK forgets no callback and takes none from a second instrument of the same name. So a
    program that instruments itself again goes on with the counts that it had.

    Args:
        provider: The meter provider; None is the global one.
        meter: Makes the instruments where there are none yet.
    """
    is_global = provider is None or provider is get_meter_provider()
    key = _GlobalProvider if is_global else provider
    if key not in _made:
        _made[key] = create(meter)
    return _made[key]
