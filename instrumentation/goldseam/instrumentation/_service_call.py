"""One call of `AIService` to the providers of the settings, watched where it should be.

`service` asks here. A call that is to be stored, or that is made while the process is instrumented,
goes through a choke point of its own, whose spans are kept for `service` and also reach the
application's processors if the process is instrumented. Any other call goes to the SDK as it is.
"""

import asyncio
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, get_args
from weakref import WeakKeyDictionary

from opentelemetry.metrics import NoOpMeterProvider

from goldseam.instrumentation import _instruments, _settings, _switch
from goldseam.instrumentation._aids import Aids, open_aids
from goldseam.instrumentation._clients import new_client
from goldseam.instrumentation._patch import unwatched
from goldseam.instrumentation._sdk import ChokePoint
from goldseam.instrumentation._sdks import OPENAI
from goldseam.instrumentation._settings import Settings, SettingsError
from goldseam.instrumentation._telemetry import Telemetry
from goldseam.recovery import Provider, RecoveryConfig, Vitals, load_config
from goldseam.recovery.config import preset_config
from goldseam.recovery.providers import Preset

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from goldseam.recovery.rules import Mode

DEFAULT_ENVIRONMENT: Final[Preset] = "development"
"""Where nothing else is said, a model on one's own machine is asked first: it costs nothing."""

_ENVIRONMENT: Final = "GOLDSEAM_ENVIRONMENT"
_NO_METER: Final = NoOpMeterProvider().get_meter("")

_finished: ContextVar["list[ReadableSpan] | None"] = ContextVar("goldseam_service_spans")


def providers_of(config: RecoveryConfig, environ: Mapping[str, str] = os.environ) -> RecoveryConfig:
    """Return `config` with the providers that the service asks as its fallback, first one first.

    Without a fallback in it they are those of `GOLDSEAM_ENVIRONMENT`: Ollama, then OpenAI in
    `development`; OVHcloud, then OpenAI in `production`. What `config` says of one of them stays.

    Raises:
        SettingsError: The environment is none of the two.
    """
    if config.policy.fallback:
        return config
    named = environ.get(_ENVIRONMENT, "").strip().lower() or DEFAULT_ENVIRONMENT
    environment = next((each for each in get_args(Preset) if each == named), None)
    if environment is None:
        raise SettingsError(
            f"{_ENVIRONMENT} is {named!r}; it must be one of {', '.join(get_args(Preset))}."
        )
    usual = preset_config(environment)
    chain = {
        each.name: replace(own, models=own.models or each.models)
        for each in usual.fallback_providers
        for own in (config.providers.get(each.name, each),)
    }
    return replace(
        config,
        policy=replace(config.policy, fallback=tuple(chain)),
        providers={**usual.providers, **config.providers, **chain},
    )


def first_provider(config: RecoveryConfig) -> tuple[Provider, str]:
    """Return the first provider that is ready, and the model to ask there.

    Raises:
        SettingsError: None is ready, or it has no model.
    """
    chain = config.speaking("openai").fallback_providers
    provider = next((each for each in chain if each.is_ready), None)
    if provider is None:
        keys = ", ".join(each.api_key_env for each in chain if each.api_key_env) or "none"
        raise SettingsError(
            f"No provider of AIService has its key. Keys are read from: {keys}. Set one, or name "
            "other providers in GOLDSEAM_CONFIG."
        )
    model = provider.target_for(None).model
    if model is None:
        raise SettingsError(
            f"AIService has no model to ask at {provider.name}. Add to GOLDSEAM_CONFIG: "
            f'[providers.{provider.name}] models = {{ "*" = "…" }}'
        )
    return provider, model


@dataclass(frozen=True, slots=True)
class Watching:
    """How calls are watched.

    Attributes:
        telemetry: Where spans and metrics go; None watches nothing.
        config: Providers and recovery.
        aids: Kept answers and the playbook.
    """

    telemetry: Telemetry | None
    config: RecoveryConfig
    aids: Aids


def watching(*, is_stored: bool, enable_recovery: bool) -> Watching:
    """Return how a call is watched now.

    A stored call is mended unless recovery is switched off for it; any other as the process is set
    up.

    Raises:
        RecoveryConfigError: `GOLDSEAM_CONFIG` names a file that cannot be used.
        SettingsError: `GOLDSEAM_ENVIRONMENT` is wrong.
    """
    process = _switch.current()
    set_up = _set_up(process)
    config = providers_of(set_up)
    mode: Mode = "off"
    if enable_recovery and is_stored:
        mode = "on"
    elif enable_recovery and process is not None:
        mode = config.mode
    telemetry = _tracers.telemetry(process) if is_stored or process is not None else None
    config = replace(config, mode=mode)
    if process is not None and set_up.mode == mode:
        return Watching(telemetry, config, process.aids)
    return Watching(telemetry, config, _aids.of(config))


def _set_up(process: "_switch.Instrumented | None") -> RecoveryConfig:
    """Return how recovery is set up for the process; what is stored may go further."""
    if process is None:
        return load_config(os.environ)
    known = process.settings.recovery
    return load_config({**os.environ, "GOLDSEAM_RECOVERY": "off"}) if known is None else known


@contextmanager
def kept_spans() -> "Iterator[list[ReadableSpan]]":
    """Give the spans that end inside the block, of watched calls of this task."""
    spans: list[ReadableSpan] = []
    token = _finished.set(spans)
    try:
        yield spans
    finally:
        _finished.reset(token)


async def ask(watching: Watching, provider: Provider, **options: Any) -> Any:
    """Return the provider's chat completion.

    Raises:
        openai.OpenAIError: The provider failed, and so did what was tried in its place.
    """
    client = _clients.of(watching, provider)
    return await client.chat.completions.create(**options)


async def aclose() -> None:
    """Close the connections of the running event loop, and let go of kept answers."""
    await _clients.aclose()
    _aids.close()


class _Tracers:
    """Tracers whose spans are kept, one for each tracer provider of the application."""

    def __init__(self) -> None:
        self._alone: Telemetry | None = None
        self._beside: WeakKeyDictionary[Any, Telemetry] = WeakKeyDictionary()

    def telemetry(self, process: "_switch.Instrumented | None") -> Telemetry:
        """Return where a watched call writes to."""
        if process is None:
            if self._alone is None:
                self._alone = Telemetry(
                    _tracer(None),
                    _instruments.create(_NO_METER),
                    prompt_hash=_settings.read(recovery="off").prompt_hash,
                )
            return self._alone
        of_process, provider = process.telemetry, process.tracer_provider
        known = self._beside.get(provider)
        if known is None or known.instruments is not of_process.instruments:
            known = replace(of_process, tracer=_tracer(provider))
            self._beside[provider] = known
        return known


def _tracer(beside: Any) -> Any:
    """Return a tracer whose spans are kept, and which the application's processors see too.

    Args:
        beside: The application's tracer provider; None where the process is not instrumented.
    """
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - at need: a light import

    from goldseam.instrumentation._service_tracing import Keeping, RecordAll  # noqa: PLC0415 - same

    app = beside if isinstance(beside, TracerProvider) else None
    provider = TracerProvider(
        sampler=RecordAll(app.sampler if app else None),
        resource=app.resource if app else None,
        id_generator=app.id_generator if app else None,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(Keeping(_finished))
    if app is not None:
        # The SDK has no public way to hand a span to somebody's processors.
        provider.add_span_processor(app._active_span_processor)  # noqa: SLF001
    return provider.get_tracer(_switch.SCOPE, schema_url=_switch.SCHEMA_URL)


class _Clients:
    """SDK clients by event loop, provider and way of watching, kept for their connections."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[Any, dict[Any, _Line]] = WeakKeyDictionary()

    def of(self, watching: Watching, provider: Provider) -> Any:
        """Return a client of `provider` whose calls are watched in that way."""
        mine = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        key = provider.base_url, provider.api_key(), id(watching.telemetry), watching.config.mode
        line = mine.get(key)
        if line is None or line.watching != watching:  # the settings have changed since
            line = mine[key] = _Line(watching, provider)
        return line.client

    async def aclose(self) -> None:
        """Close what belongs to the running event loop."""
        for line in self._by_loop.pop(asyncio.get_running_loop(), {}).values():
            await line.aclose()


class _KnownVitals:
    """How the providers do, known beyond the event loop that learnt it."""

    def __init__(self) -> None:
        self._known: tuple[Mapping[str, Provider], Vitals] | None = None

    def of(self, providers: Mapping[str, Provider]) -> Vitals:
        """Return the vitals of these providers; other settings start with healthy ones."""
        if self._known is None or self._known[0] != providers:
            self._known = providers, Vitals(providers)
        return self._known[1]


class _KnownAids:
    """Kept answers and the playbook of calls that an instrumented process has none for."""

    def __init__(self) -> None:
        self._known: tuple[tuple[object, ...], Aids] | None = None

    def of(self, config: RecoveryConfig) -> Aids:
        """Return what a configuration asks for; other settings open anew."""
        wanted = config.mode, config.cache, config.playbook
        if self._known is None or self._known[0] != wanted:
            self.close()
            self._known = wanted, open_aids(config)
        return self._known[1]

    def close(self) -> None:
        """Let go of what is open; a later call opens it again."""
        if self._known is not None:
            self._known[1].close()
        self._known = None


class _Line:
    """A client, and the choke point that its requests pass if they are watched."""

    def __init__(self, watching: Watching, provider: Provider) -> None:
        self.watching = watching
        self.client = new_client(OPENAI, "AsyncOpenAI", provider)
        self._choke_point: ChokePoint | None = None
        if watching.telemetry is not None:
            self._send = unwatched(self.client)
            self._choke_point = ChokePoint(
                watching.telemetry,
                Settings(recovery=watching.config),
                vitals=_vitals.of(watching.config.providers),
                aids=watching.aids,
            )
            self.client.request = functools.partial(self._request, self._choke_point)

    def _request(self, choke_point: ChokePoint, *args: Any, **kwargs: Any) -> Any:
        return choke_point.async_request(self._send, self.client, args, kwargs)

    async def aclose(self) -> None:
        await self.client.close()
        if self._choke_point is not None:
            await self._choke_point.aclose()


_tracers: Final = _Tracers()
_clients: Final = _Clients()
_vitals: Final = _KnownVitals()
_aids: Final = _KnownAids()
