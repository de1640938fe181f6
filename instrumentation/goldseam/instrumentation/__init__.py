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

from goldseam.instrumentation._context import (
    BaggageSpanProcessor,
    CallContext,
    annotate,
    context,
)
from goldseam.instrumentation._instrumentor import (
    GoldseamInstrumentor,
    instrument,
    uninstrument,
)
from goldseam.instrumentation._settings import SettingsError

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
