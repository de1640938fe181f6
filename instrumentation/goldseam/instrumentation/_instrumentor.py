"""Switching Goldseam on and off in a process.

`GoldseamInstrumentor` is what `opentelemetry-instrument` finds by its entry point; `instrument`
and `uninstrument` are the same by hand. SDKs may be imported before or after, or not at all.
"""

from collections.abc import Callable, Collection
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined] # untyped
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from goldseam.instrumentation import _instruments, _sdk, _settings
from goldseam.instrumentation._invocation import Telemetry
from goldseam.instrumentation._patch import patch, patch_http
from goldseam.instrumentation._sdks import SDKS
from goldseam.instrumentation._wire import Wire
from goldseam.recovery import RecoveryConfig

HTTP_MODULES: Final = ("httpx", "httpx2")
"""The libraries that SDKs and hand-written clients send their requests with."""

SCOPE: Final = "goldseam.instrumentation"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.37.0"

_KNOWN: Final = frozenset({"tracer_provider", "meter_provider", "recovery"})


class GoldseamInstrumentor(BaseInstrumentor):  # type: ignore[misc] # its package is untyped
    """Watches the AI calls of this process, and mends them if recovery is on."""

    _choke_point: _sdk.ChokePoint | None = None
    _wire: Wire | None = None
    _undo: dict[str, Callable[[], None]]

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: any SDK may be missing, or come later."""
        return ()

    def _instrument(self, **settings: Any) -> None:
        unknown = sorted(settings.keys() - _KNOWN)
        if unknown:
            raise TypeError(
                f"instrument() has no setting {unknown[0]!r}; it knows {', '.join(sorted(_KNOWN))}"
            )
        telemetry = _telemetry(settings.get("tracer_provider"), settings.get("meter_provider"))
        read = _settings.read(recovery=settings.get("recovery"))
        self._choke_point = _sdk.ChokePoint(telemetry, read)
        self._wire = Wire(telemetry, read)
        self._undo = {}
        for sdk in SDKS:
            wrapt.register_post_import_hook(self._imported, sdk.base_module)
        for name in HTTP_MODULES:
            wrapt.register_post_import_hook(self._imported_http, name)

    def _uninstrument(self, **_settings: Any) -> None:
        for undo in self._undo.values():
            undo()
        self._undo = {}
        if self._choke_point is not None:
            self._choke_point.close()
            self._choke_point = None
        if self._wire is not None:
            self._wire.is_active = False
            self._wire = None

    def _imported(self, module: Any) -> None:
        """Patch an SDK. Hooks cannot be taken back, so this may come when nothing is wanted."""
        if self._choke_point is not None and module.__name__ not in self._undo:
            self._undo[module.__name__] = patch(module, self._choke_point)

    def _imported_http(self, module: Any) -> None:
        """Patch an HTTP library, which may be known by two names."""
        if self._wire is not None and module.__name__ not in self._undo:
            self._undo[module.__name__] = patch_http(module, self._wire)


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    recovery: str | RecoveryConfig | None = None,
) -> None:
    """Watch the AI calls of this process from now on. A second call changes nothing.

    Args:
        tracer_provider: Where spans go; None takes the global one.
        meter_provider: Where metrics go; None takes the global one.
        recovery: `off`, `observe` or `on`, or a whole configuration; None takes the environment's
            (`GOLDSEAM_RECOVERY`, `GOLDSEAM_CONFIG`), which is off unless set.

    Raises:
        SettingsError: The recovery mode does not exist.
    """
    GoldseamInstrumentor().instrument(
        tracer_provider=tracer_provider, meter_provider=meter_provider, recovery=recovery
    )


def uninstrument() -> None:
    """Stop watching; the SDKs' own methods are back in their places."""
    GoldseamInstrumentor().uninstrument()


def _telemetry(
    tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
) -> Telemetry:
    try:
        own_version = version("goldseam")
    except PackageNotFoundError:
        own_version = ""
    meter = get_meter(SCOPE, own_version, meter_provider, SCHEMA_URL)
    tracer = get_tracer(SCOPE, own_version, tracer_provider, SCHEMA_URL)
    return Telemetry(tracer, _instruments.create(meter))
