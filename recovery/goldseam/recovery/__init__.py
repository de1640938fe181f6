"""Mends failed provider calls: decides purely, then waits, sends and tells.

`goldseam.instrumentation` calls `recover` or `arecover` after a call's first attempt failed.
Importing this opens no file, thread or connection.
"""

from goldseam.recovery.config import RecoveryConfig, RecoveryConfigError, load_config, preset_config
from goldseam.recovery.drivers import arecover, first_step, original_timeout_s, recover
from goldseam.recovery.hooks import NullWatch, StepWatch, Watch
from goldseam.recovery.plan import next_step
from goldseam.recovery.providers import Preset, Provider, preset_providers
from goldseam.recovery.strategies import (
    STRATEGIES,
    ErrorRecoveryStrategy,
    FallbackStrategy,
    RetryStrategy,
    Situation,
)
from goldseam.recovery.values import (
    Body,
    Failure,
    GiveUp,
    Health,
    NothingFoundError,
    Policy,
    Request,
    Skip,
    Source,
    Step,
    Taken,
    Target,
)

__all__ = [
    "STRATEGIES",
    "Body",
    "ErrorRecoveryStrategy",
    "Failure",
    "FallbackStrategy",
    "GiveUp",
    "Health",
    "NothingFoundError",
    "NullWatch",
    "Policy",
    "Preset",
    "Provider",
    "RecoveryConfig",
    "RecoveryConfigError",
    "Request",
    "RetryStrategy",
    "Situation",
    "Skip",
    "Source",
    "Step",
    "StepWatch",
    "Taken",
    "Target",
    "Watch",
    "arecover",
    "first_step",
    "load_config",
    "next_step",
    "original_timeout_s",
    "preset_config",
    "preset_providers",
    "recover",
]
