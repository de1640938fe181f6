"""How recovery is set up: what the argument of `instrument` and the environment say.

`_settings` asks only where somebody speaks of recovery, so that nothing of it is loaded otherwise.
"""

import logging
from collections.abc import Mapping

from goldseam.recovery.checks import RecoveryConfigError
from goldseam.recovery.config import RecoveryConfig, load_config
from goldseam.recovery.rules import MODES

__all__ = ["RecoveryConfigError", "read"]

_log = logging.getLogger("goldseam.instrumentation")


def read(given: str | RecoveryConfig | None, environ: Mapping[str, str]) -> RecoveryConfig:
    """Return the configuration; a mode that is given wins over the environment's.

    Raises:
        RecoveryConfigError: The mode that is given is none.
    """
    if isinstance(given, RecoveryConfig):
        return given
    config = _from_environment(environ)
    if given is None:
        return config
    mode = next((mode for mode in MODES if mode == given), None)
    if mode is None:
        raise RecoveryConfigError(
            f"recovery={given!r} is no recovery mode; use one of {', '.join(MODES)}, "
            "or a goldseam.recovery.RecoveryConfig"
        )
    return config.in_mode(mode)


def _from_environment(environ: Mapping[str, str]) -> RecoveryConfig:
    try:
        return load_config(environ)
    except RecoveryConfigError as error:
        _log.error("Goldseam: recovery stays off: %s", error)
        return RecoveryConfig(mode="off")
