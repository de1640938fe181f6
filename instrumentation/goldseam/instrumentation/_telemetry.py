"""Where the calls of an instrumented process are written to.

Made once by `_switch`, and by `AIService` for its own calls; held by every invocation.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.trace import Tracer

from goldseam.instrumentation._instruments import Instruments

if TYPE_CHECKING:
    from goldseam.instrumentation._content._capture import Content
    from goldseam.instrumentation._pending import Pending


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where invocations write to, and how much; one per `instrument()`.

    Attributes:
        tracer: Makes the spans.
        instruments: Take the metrics.
        content: Captures prompts and answers; None leaves them out.
        prompt_hash: Whether the prompt's SHA-256 is told.
    """

    tracer: Tracer
    instruments: Instruments
    pending: "Pending | None" = None
    content: "Content | None" = None
    prompt_hash: bool = True
