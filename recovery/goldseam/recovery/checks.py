"""Check what stands in recovery's settings, option by option; errors say what to write instead.

`config` calls it with decoded TOML. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

from goldseam.recovery.extras import Backend
from goldseam.recovery.providers import Api
from goldseam.recovery.rules import MODES, Mode

_APIS: Final[tuple[Api, ...]] = get_args(Api)
_BACKENDS: Final[tuple[Backend, ...]] = get_args(Backend)


class RecoveryConfigError(ValueError):
    """Recovery's settings are wrong; the message says what to change."""


def reject_unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse options that nobody knows; the message names the nearest known one."""
    for name in table:
        if name not in known:
            raise RecoveryConfigError(
                f"{where} has no option {name!r}{nearest(name, known)}. "
                f"Known options: {', '.join(sorted(known))}."
            )


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return the question whether a known name was meant, empty without a similar one."""
    import difflib  # noqa: PLC0415 - for a mistake only: keeps the import light

    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def as_mode(value: object, where: str) -> Mode:
    """Return a mode."""
    for mode in MODES:
        if value == mode:
            return mode
    raise RecoveryConfigError(f"{where} is {value!r}; it must be one of {', '.join(MODES)}.")


def as_table(value: object, where: str) -> Mapping[str, Any]:
    """Return a table."""
    if not isinstance(value, dict):
        raise RecoveryConfigError(f"{where} must be a table, not {value!r}.")
    return value


def as_seconds(value: object, where: str) -> float:
    """Return seconds above 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise RecoveryConfigError(f"{where} is {value!r}; it must be seconds above 0.")
    return float(value)


def as_wait(value: object, where: str) -> float:
    """Return seconds from 0."""
    return 0.0 if value == 0 and not isinstance(value, bool) else as_seconds(value, where)


def as_waits(value: object, where: str) -> tuple[float, ...]:
    """Return a list of waits."""
    if not isinstance(value, list) or not value:
        raise RecoveryConfigError(f"{where} is {value!r}; it must be a list such as [0.5, 1, 2].")
    return tuple(as_wait(item, where) for item in value)


def as_share(value: object, where: str) -> float:
    """Return a share from 0 to below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise RecoveryConfigError(f"{where} is {value!r}; it must be from 0 to below 1.")
    return float(value)


def as_count(value: object, where: str) -> int:
    """Return a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RecoveryConfigError(f"{where} is {value!r}; it must be a whole number from 1.")
    return value


def as_switch(value: object, where: str) -> bool:
    """Return a switch."""
    if not isinstance(value, bool):
        raise RecoveryConfigError(f"{where} is {value!r}; it must be true or false.")
    return value


def as_text(value: object, where: str) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise RecoveryConfigError(f"{where} is {value!r}; it must be a text that is not empty.")
    return value


def as_url(value: object, where: str) -> str:
    """Return an HTTP address."""
    url = as_text(value, where)
    if not url.startswith(("http://", "https://")):
        raise RecoveryConfigError(f"{where} is {url!r}; it must start with http:// or https://.")
    return url


def as_api(value: object, where: str) -> Api:
    """Return the name of an API."""
    for api in _APIS:
        if value == api:
            return api
    raise RecoveryConfigError(f"{where} is {value!r}; it must be one of {', '.join(_APIS)}.")


def as_backend(value: object, where: str) -> Backend:
    """Return where answers are kept."""
    for backend in _BACKENDS:
        if value == backend:
            return backend
    raise RecoveryConfigError(f"{where} is {value!r}; it must be one of {', '.join(_BACKENDS)}.")


def as_names(value: object, where: str) -> tuple[str, ...]:
    """Return a list of names."""
    if not isinstance(value, list):
        raise RecoveryConfigError(f'{where} is {value!r}; it must be a list such as ["ollama"].')
    return tuple(as_text(item, where) for item in value)


def as_models(value: object, where: str) -> dict[str, str]:
    """Return models by the model that was asked for."""
    return {asked: as_text(here, where) for asked, here in as_table(value, where).items()}


def as_windows(value: object, where: str) -> dict[str, int]:
    """Return tokens by model."""
    return {model: as_count(tokens, where) for model, tokens in as_table(value, where).items()}


POLICY_CHECKS: Final = {
    "max_attempts": as_count,
    "max_attempts_per_provider": as_count,
    "backoff_caps_s": as_waits,
    "deadline_s": as_seconds,
    "reserve_share": as_share,
    "reserve_max_s": as_wait,
    "fallback": as_names,
    "prefer_same_model": as_switch,
    "same_model_only": as_switch,
    "trim": as_switch,
    "trim_over_chars": as_count,
    "trim_floor_chars": as_count,
    "max_prompt_tokens": as_count,
}
PROVIDER_CHECKS: Final = {
    "base_url": as_url,
    "api_key_env": as_text,
    "models": as_models,
    "timeout_s": as_seconds,
    "unloads_after_s": as_seconds,
    "windows": as_windows,
    "limit_window_s": as_seconds,
    "api": as_api,
}
CACHE_CHECKS: Final = {
    "backend": as_backend,
    "ttl_s": as_wait,
    "stale_if_error_s": as_wait,
    "answer_first": as_switch,
    "max_bytes": as_count,
    "max_entry_bytes": as_count,
    "url_env": as_text,
}
PLAYBOOK_CHECKS: Final = {
    "url": as_url,
    "api_key_env": as_text,
    "file": as_text,
    "interval_s": as_seconds,
}
