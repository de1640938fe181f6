"""What a user can set, read once by `instrument`.

Arguments win over the environment. A wrong argument raises where it was given; a wrong environment
is logged and leaves recovery off, because zero-code start-up must not take the application's other
instrumentations down with it.
"""

import dataclasses
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from goldseam.recovery.config import Mode, RecoveryConfig, RecoveryConfigError, load_config

_log = logging.getLogger("goldseam.instrumentation")

_MODES: Final[tuple[Mode, ...]] = get_args(Mode)


class SettingsError(ValueError):
    """A setting has a value that Goldseam cannot work with; the message names the right ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one `instrument()`.

    Attributes:
        recovery: Mode, policy and providers of recovery.
    """

    recovery: RecoveryConfig


def read(
    *, recovery: str | RecoveryConfig | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings from the arguments and the environment.

    Args:
        recovery: A mode, or a whole configuration that replaces the environment's.
        environ: Where `GOLDSEAM_RECOVERY` and `GOLDSEAM_CONFIG` are looked up.

    Raises:
        SettingsError: The mode does not exist.
    """
    if isinstance(recovery, RecoveryConfig):
        return Settings(recovery=recovery)
    config = _from_environment(environ)
    if recovery is None:
        return Settings(recovery=config)
    mode = next((mode for mode in _MODES if mode == recovery), None)
    if mode is None:
        raise SettingsError(
            f"recovery={recovery!r} is no recovery mode; use one of {', '.join(_MODES)}, "
            "or a goldseam.recovery.RecoveryConfig"
        )
    return Settings(recovery=dataclasses.replace(config, mode=mode))


def _from_environment(environ: Mapping[str, str]) -> RecoveryConfig:
    try:
        return load_config(environ)
    except RecoveryConfigError as error:
        _log.error("Goldseam: recovery stays off: %s", error)
        return RecoveryConfig(mode="off")
