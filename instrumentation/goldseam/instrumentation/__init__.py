"""Makes the AI calls of a Python application visible, and mends those that fail.

The door of Goldseam on the application side. `opentelemetry-instrument python app.py` needs no
import at all; a program that sets up OpenTelemetry itself calls `instrument()` once:

```python
from goldseam.instrumentation import context, instrument

instrument(recovery="on")
with context(tenant_id="acme", module="invoices"):
    client.chat.completions.create(...)
```
"""

from typing import TYPE_CHECKING

from goldseam.instrumentation._context import (
    BaggageSpanProcessor,
    CallContext,
    annotate,
    context,
)
from goldseam.instrumentation._settings import SettingsError
from goldseam.instrumentation._switch import instrument, uninstrument

if TYPE_CHECKING:
    from goldseam.instrumentation._instrumentor import GoldseamInstrumentor

__all__ = [
    "BaggageSpanProcessor",
    "CallContext",
    "GoldseamInstrumentor",
    "SettingsError",
    "annotate",
    "context",
    "instrument",
    "uninstrument",
]


def __getattr__(name: str) -> object:
    """Load `GoldseamInstrumentor` when somebody asks for it; it is heavier than all the rest."""
    if name != "GoldseamInstrumentor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from goldseam.instrumentation._instrumentor import GoldseamInstrumentor  # noqa: PLC0415 - see above

    return GoldseamInstrumentor
