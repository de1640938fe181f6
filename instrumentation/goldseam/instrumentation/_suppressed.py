"""Whether somebody wants calls left alone, by the keys that all instrumentations share.

`opentelemetry.instrumentation.utils` says the same, but importing it loads some twenty modules, and
it looks for the current context twice. `_sdk` and `_wire` ask here.
"""

from typing import Final

from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
    Context,
)

_KEYS: Final = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
"""How it is written now and how it was written once."""


def is_suppressed(context: Context) -> bool:
    """Tell whether nothing in `context` is to be instrumented."""
    return bool(context) and any(map(context.get, _KEYS))


def is_http_suppressed(context: Context) -> bool:
    """Tell whether HTTP requests in `context` are not to be instrumented."""
    return is_suppressed(context) or bool(context.get(_SUPPRESS_HTTP_INSTRUMENTATION_KEY))
