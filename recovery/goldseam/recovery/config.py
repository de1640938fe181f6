"""Read how recovery is set up: mode, policy and providers, once at start.

`load_config` reads `GOLDSEAM_RECOVERY` (`off`, `observe`, `on`) and the TOML file that
`GOLDSEAM_CONFIG` names:

```toml
[recovery]
mode = "on"
fallback = ["ollama"]
deadline_s = 20

[[recovery.rules]]
tenant = "acme"
same_model_only = true

[providers.ollama]
models = { "gpt-4o" = "llama3.1", "*" = "llama3.2" }

[cache]
backend = "memory"

[playbook]
url = "https://goldseam.example/api/v1/ai/recovery/playbook"
```

An option that nobody knows is an error that names the nearest one that is known.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, get_args

from goldseam.recovery.checks import (
    CACHE_CHECKS,
    PLAYBOOK_CHECKS,
    POLICY_CHECKS,
    PROVIDER_CHECKS,
    RecoveryConfigError,
    as_mode,
    as_table,
    as_text,
    as_url,
    nearest,
    reject_unknown,
)
from goldseam.recovery.extras import CacheConfig, PlaybookConfig
from goldseam.recovery.providers import PRESETS, Preset, Provider, preset_providers
from goldseam.recovery.rules import MODES, Mode, Rule
from goldseam.recovery.simplify import STRATEGIES
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import Policy

_PRESET_NAMES: Final[tuple[Preset, ...]] = get_args(Preset)
_POLICY: Final = tuple(option.name for option in fields(Policy))
_PROVIDER: Final = tuple(option.name for option in fields(Provider) if option.name != "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryConfig:
    """How recovery is set up.

    Attributes:
        mode: `off` does nothing; `observe` records what would be done; `on` does it.
        policy: How far recovery goes.
        providers: The providers that calls may go to, by name.
        rules: What differs for tenants and modules; of several that apply, the later stands above.
        strategies: Who may propose a step, in the order in which they are asked.
        cache: Whether and how answers are kept; None keeps none.
        playbook: Where corrections come from; None takes none.
    """

    mode: Mode = "off"
    policy: Policy = field(default_factory=Policy)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    strategies: tuple[ErrorRecoveryStrategy, ...] = STRATEGIES
    cache: CacheConfig | None = None
    playbook: PlaybookConfig | None = None

    @property
    def fallback_providers(self) -> tuple[Provider, ...]:
        """The providers of the policy's fallback, in order."""
        return tuple(
            self.providers[name] for name in self.policy.fallback if name in self.providers
        )

    @property
    def is_ever_on(self) -> bool:
        """Whether there are calls that are mended or observed."""
        return self.mode != "off" or any(rule.mode not in (None, "off") for rule in self.rules)

    def of(self, tenant: str | None, module: str | None) -> "RecoveryConfig":
        """Return what applies to the calls of a module for a tenant."""
        policy, mode = self.policy, self.mode
        for rule in self.rules:
            if rule.applies_to(tenant, module):
                policy = replace(policy, **rule.policy)
                mode = rule.mode or mode
        return replace(self, policy=policy, mode=mode, rules=())

    def in_mode(self, mode: Mode) -> "RecoveryConfig":
        """Return the same settings in another mode; no rule goes further than it."""
        rules = (
            replace(rule, mode=rule.mode and min(rule.mode, mode, key=MODES.index))
            for rule in self.rules
        )
        return replace(self, mode=mode, rules=tuple(rules))

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
    return config.in_mode(as_mode(mode, "GOLDSEAM_RECOVERY")) if mode else config


def parse_config(document: Mapping[str, Any], *, source: str = "config") -> RecoveryConfig:
    """Return the settings of a decoded TOML document. Tables of other components are left alone.

    Raises:
        RecoveryConfigError: As for `load_config`; the message names `source`.
    """
    recovery = as_table(document.get("recovery", {}), f"{source}: [recovery]")
    base = _base(recovery, f"{source}: [recovery] preset")
    policy, mode = _policy(recovery, f"{source}: [recovery]", base.policy)
    tables = as_table(document.get("providers", {}), f"{source}: [providers]")
    providers = {
        **base.providers,
        **{
            name: _provider(name, table, source, base.providers.get(name))
            for name, table in tables.items()
        },
    }
    rules = _rules(recovery.get("rules", []), f"{source}: [[recovery.rules]]")
    for fallback in (policy.fallback, *(rule.policy.get("fallback", ()) for rule in rules)):
        _check_fallback(fallback, providers, source)
    cache = _options(document, "cache", CACHE_CHECKS, source)
    playbook = _options(document, "playbook", PLAYBOOK_CHECKS, source)
    if playbook is not None and "url" not in playbook:
        raise RecoveryConfigError(f"{source}: [playbook] needs url.")
    return RecoveryConfig(
        mode=mode,
        policy=policy,
        providers=providers,
        rules=rules,
        cache=None if cache is None else CacheConfig(**cache),
        playbook=None if playbook is None else PlaybookConfig(**playbook),
    )


def _playbook_of(environ: Mapping[str, str], given: PlaybookConfig | None) -> PlaybookConfig | None:
    """Return the playbook's settings; the environment stands above the file."""
    url = environ.get("GOLDSEAM_PLAYBOOK_URL", "").strip()
    file = environ.get("GOLDSEAM_PLAYBOOK_FILE", "").strip()
    if url:
        checked = as_url(url, "GOLDSEAM_PLAYBOOK_URL")
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
    table = as_table(document[name], where)
    reject_unknown(table, tuple(checks), where)
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
    reject_unknown(table, ("mode", "preset", "rules", *_POLICY), where)
    policy = replace(base, **_policy_options(table, where))
    return policy, as_mode(table.get("mode", "off"), f"{where} mode")


def _policy_options(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {
        name: POLICY_CHECKS[name](value, f"{where} {name}")
        for name, value in table.items()
        if name in _POLICY
    }


def _rules(given: object, where: str) -> tuple[Rule, ...]:
    if not isinstance(given, list):
        raise RecoveryConfigError(f"{where} must be tables, each headed [[recovery.rules]].")
    return tuple(_rule(table, f"{where} {number}") for number, table in enumerate(given, 1))


def _rule(given: object, where: str) -> Rule:
    table = as_table(given, where)
    reject_unknown(table, ("tenant", "module", "mode", *_POLICY), where)
    if "tenant" not in table and "module" not in table:
        raise RecoveryConfigError(
            f"{where} needs tenant or module; what applies to all stands in [recovery]."
        )
    caller = {n: as_text(table[n], f"{where} {n}") for n in ("tenant", "module") if n in table}
    mode = as_mode(table["mode"], f"{where} mode") if "mode" in table else None
    return Rule(**caller, mode=mode, policy=_policy_options(table, where))


def _check_fallback(
    fallback: Iterable[str], providers: Mapping[str, Provider], source: str
) -> None:
    for name in fallback:
        if name not in providers:
            raise RecoveryConfigError(
                f"{source}: [recovery] fallback names {name!r}, which is no provider here"
                f"{nearest(name, tuple(providers))}. Add a table [providers.{name}]."
            )


def _provider(name: str, value: object, source: str, preset: Provider | None) -> Provider:
    where = f"{source}: [providers.{name}]"
    table = as_table(value, where)
    reject_unknown(table, _PROVIDER, where)
    options: dict[str, Any] = {
        option: PROVIDER_CHECKS[option](given, f"{where} {option}")
        for option, given in table.items()
    }
    if preset is not None:
        return replace(preset, **options)
    if "base_url" not in options:
        raise RecoveryConfigError(f'{where} needs base_url, for example "https://host/v1".')
    return Provider(name=name, **options)
