"""Switching Goldseam on and off in a process.

`instrument` and `uninstrument` are part of the door; `_instrumentor` does the same for
`opentelemetry-instrument`. SDKs may be imported before or after, or not at all.
"""

import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer, get_tracer_provider

from goldseam.instrumentation import _instruments, _sdk, _settings
from goldseam.instrumentation._aids import Aids, open_aids
from goldseam.instrumentation._context import BaggageSpanProcessor, baggage_onto_spans
from goldseam.instrumentation._patch import patch, patch_http
from goldseam.instrumentation._sdks import SDKS
from goldseam.instrumentation._telemetry import Telemetry
from goldseam.instrumentation._wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from goldseam.instrumentation._content._capture import Content
    from goldseam.instrumentation._content._redact import Redact
    from goldseam.instrumentation._content._settings import ContentSettings
    from goldseam.instrumentation._pending import Pending
    from goldseam.recovery import RecoveryConfig

HTTP_MODULES: Final = ("httpx", "httpx2")
"""The libraries that SDKs and hand-written clients send their requests with."""

SCOPE: Final = "goldseam.instrumentation"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.37.0"

_READ: Final = frozenset({
    "recovery", "pending_endpoint", "capture_content", "redact", "max_content_bytes", "prompt_hash",
})  # fmt: skip
"""Settings that `_settings` reads."""

_KNOWN: Final = _READ | {"tracer_provider", "meter_provider"}

_log = logging.getLogger("goldseam.instrumentation")


@dataclass(frozen=True, slots=True)
class Instrumented:
    """How the process is instrumented.

    Attributes:
        telemetry: Where calls are written to.
        settings: What was set.
        given_provider: The tracer provider that was given; None takes the global one.
        aids: What recovery keeps for the process: answers, and the playbook.
    """

    telemetry: Telemetry
    settings: _settings.Settings
    given_provider: TracerProvider | None
    aids: Aids

    @property
    def tracer_provider(self) -> TracerProvider:
        """Where spans go now; the global provider may be set later than `instrument()`."""
        return self.given_provider or get_tracer_provider()


class Switch:
    """Watches the AI calls of this process while it is on; there is one, `SWITCH`."""

    def __init__(self) -> None:
        self.current: Instrumented | None = None
        self.choke_point: _sdk.ChokePoint | None = None
        self.pending: Pending | None = None
        self._wire: Wire | None = None
        self._baggage: BaggageSpanProcessor | None = None
        self._undo: dict[str, Callable[[], None]] = {}

    def on(self, **settings: Any) -> None:
        """Watch from now on; the settings are those of `instrument`."""
        if self.current is not None:
            _log.warning("Goldseam: this process is instrumented already; nothing changes.")
            return
        unknown = sorted(settings.keys() - _KNOWN)
        if unknown:
            raise TypeError(
                f"instrument() has no setting {unknown[0]!r}; it knows {', '.join(sorted(_KNOWN))}"
            )
        read = _settings.read(**{name: settings[name] for name in _READ if name in settings})
        self.pending = _pending_to(read)
        telemetry = _telemetry(
            settings.get("tracer_provider"), settings.get("meter_provider"), self.pending, read
        )
        self._baggage = baggage_onto_spans(settings.get("tracer_provider") or get_tracer_provider())
        aids = open_aids(read.recovery)
        self.current = Instrumented(telemetry, read, settings.get("tracer_provider"), aids)
        self.choke_point = _sdk.ChokePoint(telemetry, read, aids=aids)
        telemetry.instruments.budgets.read = self.choke_point.budgets
        self._wire = Wire(telemetry, read)
        self._undo = {}
        for sdk in SDKS:
            wrapt.register_post_import_hook(self._imported, sdk.base_module)
        for name in HTTP_MODULES:
            wrapt.register_post_import_hook(self._imported_http, name)

    def off(self) -> None:
        """Stop watching; nothing stays where it was put."""
        for undo in self._undo.values():
            undo()
        self._undo = {}
        self.current = None
        if self.choke_point is not None:
            self.choke_point.close()
            self.choke_point = None
        if self._wire is not None:
            self._wire.is_active = False
            self._wire = None
        if self._baggage is not None:
            self._baggage.is_active = False
            self._baggage = None
        if self.pending is not None:
            self.pending.close()
            self.pending = None

    def _imported(self, module: Any) -> None:
        """Patch an SDK. Hooks cannot be taken back, so this may come when nothing is wanted."""
        if self.choke_point is not None and module.__name__ not in self._undo:
            self._undo[module.__name__] = patch(module, self.choke_point)

    def _imported_http(self, module: Any) -> None:
        """Patch an HTTP library, which may be known by two names."""
        if self._wire is not None and module.__name__ not in self._undo:
            self._undo[module.__name__] = patch_http(module, self._wire)


SWITCH: Final = Switch()


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    recovery: "str | RecoveryConfig | None" = None,
    pending_endpoint: str | None = None,
    capture_content: bool | None = None,
    redact: "Redact | str | None" = None,
    max_content_bytes: int | None = None,
    prompt_hash: bool | None = None,
) -> None:
    """Watch the AI calls of this process from now on. A second call changes nothing.

    Args:
        tracer_provider: Where spans go; None takes the global one.
        meter_provider: Where metrics go; None takes the global one.
        recovery: `off`, `observe` or `on`, or a whole configuration; None takes the environment's
            (`GOLDSEAM_RECOVERY`, `GOLDSEAM_CONFIG`), which is off unless set.
        pending_endpoint: Address of Goldseam's collector, which is then told of requests in
            flight, or `off`; None takes the environment's (`GOLDSEAM_PENDING_ENDPOINT`). Needs the
            extra `otlp`.
        capture_content: Whether prompts and answers go onto request spans; None takes the
            environment's (`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`), which is no
            unless set.
        redact: Gets each text of captured content and returns what may be told of it; or its
            name as `module:function`. None takes the environment's (`GOLDSEAM_REDACT`).
        max_content_bytes: Most that one attribute of content holds, in UTF-8; None takes the
            environment's (`GOLDSEAM_MAX_CONTENT_BYTES`), else 16 KiB.
        prompt_hash: Whether spans tell the prompt's SHA-256; None takes the environment's
            (`GOLDSEAM_PROMPT_HASH`), which is yes unless set.

    Raises:
        SettingsError: A setting has a value that Goldseam cannot work with.
    """
    SWITCH.on(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        recovery=recovery,
        pending_endpoint=pending_endpoint,
        capture_content=capture_content,
        redact=redact,
        max_content_bytes=max_content_bytes,
        prompt_hash=prompt_hash,
    )


def uninstrument() -> None:
    """Stop watching; the SDKs' own methods are back in their places."""
    SWITCH.off()


def current() -> Instrumented | None:
    """Return how this process is instrumented, None if it is not."""
    return SWITCH.current


def _pending_to(settings: _settings.Settings) -> "Pending | None":
    """Return what announces requests in flight; None where nobody wants to hear of them."""
    if settings.pending_endpoint is None:
        return None
    from goldseam.instrumentation import _pending, _pending_send  # noqa: PLC0415 - few want it

    if not _pending_send.can_encode():
        _log.warning(
            "Goldseam: requests in flight are not announced, because the extra `otlp` is missing. "
            "Install it: pip install 'goldseam[otlp]', or unset GOLDSEAM_PENDING_ENDPOINT."
        )
        return None
    return _pending.Pending(
        _pending_send.sender(settings.pending_endpoint, settings.pending_headers)
    )


def _telemetry(
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    pending: "Pending | None",
    settings: _settings.Settings,
) -> Telemetry:
    own_version = _version()
    meter = get_meter(SCOPE, own_version, meter_provider, SCHEMA_URL)
    tracer = get_tracer(SCOPE, own_version, tracer_provider, SCHEMA_URL)
    return Telemetry(
        tracer,
        _instruments.of(meter_provider, meter),
        pending,
        content=_content(settings.content),
        prompt_hash=settings.prompt_hash,
    )


def _content(settings: "ContentSettings | None") -> "Content | None":
    """Return what captures content; its modules are loaded only where somebody wants it."""
    if settings is None:
        return None
    from goldseam.instrumentation._content._capture import Content  # noqa: PLC0415 - see above

    return Content(settings)


def _version() -> str:
    try:
        return version("goldseam")
    except PackageNotFoundError:
        return ""
