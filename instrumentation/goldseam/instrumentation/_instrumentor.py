"""What `opentelemetry-instrument` finds by the entry point `goldseam`.

A module of its own, loaded only where it is asked for: the base class brings some forty modules
that a program which calls `instrument()` has no use for.
"""

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined] # untyped

from goldseam.instrumentation._switch import SWITCH


class GoldseamInstrumentor(BaseInstrumentor):  # type: ignore[misc] # its package is untyped
    """Watches the AI calls of this process, and mends them if recovery is on."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: any SDK may be missing, or come later."""
        return ()

    @property
    def _is_instrumented_by_opentelemetry(self) -> bool:
        """Whether Goldseam is on, by whichever door."""
        return SWITCH.current is not None

    @_is_instrumented_by_opentelemetry.setter
    def _is_instrumented_by_opentelemetry(self, _told: bool) -> None:
        """Leave it: the base class says what the switch knows."""

    def _instrument(self, **settings: Any) -> None:
        SWITCH.on(**settings)

    def _uninstrument(self, **_settings: Any) -> None:
        SWITCH.off()
