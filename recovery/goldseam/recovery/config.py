"""Read how recovery is set up: mode, policy and providers, once at start.

`load_config` reads `GOLDSEAM_RECOVERY` (`off`, `observe`, `on`) and the TOML file that
`GOLDSEAM_CONFIG` names:

```toml
[recovery]
mode = "on"
fallback = ["ollama"]
deadline_s = 20

[providers.ollama]
models = { "gpt-4o" = "llama3.1", "*" = "llama3.2" }

[cache]
backend = "memory"

[playbook]
url = "https://goldseam.example/api/v1/ai/recovery/playbook"
```

An option that nobody knows is an error that names the nearest one that is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from goldseam.recovery.extras import Backend, CacheConfig, PlaybookConfig
from goldseam.recovery.providers import PRESETS, Api, Preset, Provider, preset_providers
from goldseam.recovery.simplify import STRATEGIES
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import Policy

Mode = Literal["off", "observe", "on"]

_MODES: Final[tuple[str, ...]] = get_args(Mode)
_APIS: Final[tuple[Api, ...]] = get_args(Api)
_BACKENDS: Final[tuple[Backend, ...]] = get_args(Backend)
_PRESET_NAMES: Final[tuple[Preset, ...]] = get_args(Preset)
_POLICY: Final = tuple(option.name for option in fields(Policy))
_PROVIDER: Final = tuple(option.name for option in fields(Provider) if option.name != "name")


class RecoveryConfigError(ValueError):
    """Recovery's settings are wrong; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryConfig:
    """How recovery is set up.

    Attributes:
        mode: `off` does nothing; `observe` records what would be done; `on` does it.
        policy: How far recovery goes.
        providers: The providers that calls may go to, by name.
        strategies: Who may propose a step, in the order in which they are asked.
        cache: Whether and how answers are kept; None keeps none.
        playbook: Where corrections come from; None takes none.
    """

    mode: Mode = "off"
    policy: Policy = field(default_factory=Policy)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    strategies: tuple[ErrorRecoveryStrategy, ...] = STRATEGIES
    cache: CacheConfig | None = None
    playbook: PlaybookConfig | None = None

    @property
    def fallback_providers(self) -> tuple[Provider, ...]:
        """The providers of the policy's fallback, in order."""
        return tuple(
            self.providers[name] for name in self.policy.fallback if name in self.providers
        )

    def speaking(self, api: str) -> "RecoveryConfig":
        """Return the same settings with only those providers in the fallback that speak `api`."""
        names = tuple(provider.name for provider in self.fallback_providers if provider.api == api)
        return replace(self, policy=replace(self.policy, fallback=names))


def preset_config(preset: Preset, *, mode: Mode = "on") -> RecoveryConfig:
    """Return the settings of a preset: its providers, and a fallback along their order."""
    chain = {provider.name: provider for provider in preset_providers(preset)}
    return RecoveryConfig(
        mode=mode, policy=Policy(fallback=tuple(chain)), providers={**PRESETS, **chain}
    )


def load_config(environ: Mapping[str, str]) -> RecoveryConfig:
    """Return the settings that the environment names.

    Raises:
        RecoveryConfigError: A setting is unknown or has an impossible value, or the file cannot
            be read.
    """
    path = environ.get("GOLDSEAM_CONFIG", "").strip()
    config = parse_config(_read(path), source=path) if path else RecoveryConfig()
    config = replace(config, playbook=_playbook_of(environ, config.playbook))
    mode = environ.get("GOLDSEAM_RECOVERY", "").strip().lower()
    return replace(config, mode=_mode(mode, "GOLDSEAM_RECOVERY")) if mode else config


def parse_config(document: Mapping[str, Any], *, source: str = "config") -> RecoveryConfig:
    """Return the settings of a decoded TOML document. Tables of other components are left alone.

    Raises:
        RecoveryConfigError: As for `load_config`; the message names `source`.
    """
    recovery = _table(document.get("recovery", {}), f"{source}: [recovery]")
    base = _base(recovery, f"{source}: [recovery] preset")
    policy, mode = _policy(recovery, f"{source}: [recovery]", base.policy)
    tables = _table(document.get("providers", {}), f"{source}: [providers]")
    providers = {
        **base.providers,
        **{
            name: _provider(name, table, source, base.providers.get(name))
            for name, table in tables.items()
        },
    }
    for name in policy.fallback:
        if name not in providers:
            raise RecoveryConfigError(
                f"{source}: [recovery] fallback names {name!r}, which is no provider here"
                f"{_nearest(name, tuple(providers))}. Add a table [providers.{name}]."
            )
    cache = _options(document, "cache", _CACHE_CHECKS, source)
    playbook = _options(document, "playbook", _PLAYBOOK_CHECKS, source)
    if playbook is not None and "url" not in playbook:
        raise RecoveryConfigError(f"{source}: [playbook] needs url.")
    return RecoveryConfig(
        mode=mode,
        policy=policy,
        providers=providers,
        cache=None if cache is None else CacheConfig(**cache),
        playbook=None if playbook is None else PlaybookConfig(**playbook),
    )


def _playbook_of(environ: Mapping[str, str], given: PlaybookConfig | None) -> PlaybookConfig | None:
    """Return the playbook's settings; the environment stands above the file."""
    url = environ.get("GOLDSEAM_PLAYBOOK_URL", "").strip()
    file = environ.get("GOLDSEAM_PLAYBOOK_FILE", "").strip()
    if url:
        checked = _url(url, "GOLDSEAM_PLAYBOOK_URL")
        given = replace(given, url=checked) if given else PlaybookConfig(url=checked)
    return replace(given, file=file) if given and file else given


def _options(
    document: Mapping[str, Any],
    name: str,
    checks: Mapping[str, Callable[[object, str], Any]],
    source: str,
) -> dict[str, Any] | None:
    """Return the checked options of a table, None where there is no such table."""
    if name not in document:
        return None
    where = f"{source}: [{name}]"
    table = _table(document[name], where)
    _reject_unknown(table, tuple(checks), where)
    return {option: checks[option](given, f"{where} {option}") for option, given in table.items()}


def _read(path: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most applications have no file: keeps the import light

    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        raise RecoveryConfigError(
            f"GOLDSEAM_CONFIG: cannot read {path}: {fault}. Correct the path or unset it."
        ) from fault
    except tomllib.TOMLDecodeError as fault:
        raise RecoveryConfigError(f"{path} is no TOML: {fault}. Correct that line.") from fault


def _base(table: Mapping[str, Any], where: str) -> RecoveryConfig:
    """Return what the document's other options change."""
    if "preset" not in table:
        return RecoveryConfig(providers=PRESETS)
    for preset in _PRESET_NAMES:
        if table["preset"] == preset:
            return preset_config(preset)
    raise RecoveryConfigError(
        f"{where} is {table['preset']!r}; it must be one of {', '.join(_PRESET_NAMES)}."
    )


def _policy(table: Mapping[str, Any], where: str, base: Policy) -> tuple[Policy, Mode]:
    _reject_unknown(table, ("mode", "preset", *_POLICY), where)
    options: dict[str, Any] = {
        name: _POLICY_CHECKS[name](value, f"{where} {name}")
        for name, value in table.items()
        if name in _POLICY
    }
    return replace(base, **options), _mode(table.get("mode", "off"), f"{where} mode")


def _provider(name: str, value: object, source: str, preset: Provider | None) -> Provider:
    where = f"{source}: [providers.{name}]"
    table = _table(value, where)
    _reject_unknown(table, _PROVIDER, where)
    options: dict[str, Any] = {
        option: _PROVIDER_CHECKS[option](given, f"{where} {option}")
        for option, given in table.items()
    }
    if preset is not None:
        return replace(preset, **options)
    if "base_url" not in options:
        raise RecoveryConfigError(f'{where} needs base_url, for example "https://host/v1".')
    return Provider(name=name, **options)


def _reject_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in known:
            raise RecoveryConfigError(
                f"{where} has no option {name!r}{_nearest(name, known)}. "
                f"Known options: {', '.join(sorted(known))}."
            )


def _nearest(name: str, known: tuple[str, ...]) -> str:
    import difflib  # noqa: PLC0415 - for a mistake only: keeps the import light

    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _mode(value: object, where: str) -> Mode:
    for mode in get_args(Mode):
        if value == mode:
            known: Mode = mode
            return known
    raise RecoveryConfigError(f"{where} is {value!r}; it must be one of {', '.join(_MODES)}.")


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RecoveryConfigError(f"{where} must be a table, not {value!r}.")
    return value


def _seconds(value: object, where: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise RecoveryConfigError(f"{where} is {value!r}; it must be seconds above 0.")
    return float(value)


def _wait(value: object, where: str) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else _seconds(value, where)


def _waits(value: object, where: str) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise RecoveryConfigError(f"{where} is {value!r}; it must be a list such as [0.5, 1, 2].")
    return tuple(_wait(item, where) for item in value)


def _share(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise RecoveryConfigError(f"{where} is {value!r}; it must be from 0 to below 1.")
    return float(value)


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RecoveryConfigError(f"{where} is {value!r}; it must be a whole number from 1.")
    return value


def _switch(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise RecoveryConfigError(f"{where} is {value!r}; it must be true or false.")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RecoveryConfigError(f"{where} is {value!r}; it must be a text that is not empty.")
    return value


def _url(value: object, where: str) -> str:
    url = _text(value, where)
    if not url.startswith(("http://", "https://")):
        raise RecoveryConfigError(f"{where} is {url!r}; it must start with http:// or https://.")
    return url


def _api(value: object, where: str) -> Api:
    for api in _APIS:
        if value == api:
            return api
    raise RecoveryConfigError(f"{where} is {value!r}; it must be one of {', '.join(_APIS)}.")


def _backend(value: object, where: str) -> Backend:
    for backend in _BACKENDS:
        if value == backend:
            return backend
    raise RecoveryConfigError(f"{where} is {value!r}; it must be one of {', '.join(_BACKENDS)}.")


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RecoveryConfigError(f'{where} is {value!r}; it must be a list such as ["ollama"].')
    return tuple(_text(item, where) for item in value)


def _models(value: object, where: str) -> dict[str, str]:
    return {asked: _text(here, where) for asked, here in _table(value, where).items()}


def _windows(value: object, where: str) -> dict[str, int]:
    return {model: _count(tokens, where) for model, tokens in _table(value, where).items()}


_POLICY_CHECKS: Final = {
    "max_attempts": _count,
    "max_attempts_per_provider": _count,
    "backoff_caps_s": _waits,
    "deadline_s": _seconds,
    "reserve_share": _share,
    "reserve_max_s": _wait,
    "fallback": _names,
    "prefer_same_model": _switch,
    "same_model_only": _switch,
}
_PROVIDER_CHECKS: Final = {
    "base_url": _url,
    "api_key_env": _text,
    "models": _models,
    "timeout_s": _seconds,
    "unloads_after_s": _seconds,
    "windows": _windows,
    "limit_window_s": _seconds,
    "api": _api,
}
_CACHE_CHECKS: Final = {
    "backend": _backend,
    "ttl_s": _wait,
    "stale_if_error_s": _wait,
    "answer_first": _switch,
    "max_bytes": _count,
    "max_entry_bytes": _count,
    "url_env": _text,
}
_PLAYBOOK_CHECKS: Final = {
    "url": _url,
    "api_key_env": _text,
    "file": _text,
    "interval_s": _seconds,
}
