"""Mends failed provider calls: decides purely, then waits, sends and tells.

`goldseam.instrumentation` calls `recover` or `arecover` after a call's first attempt failed.
Importing this opens no file, thread or connection.
"""

from goldseam.recovery.checks import RecoveryConfigError
from goldseam.recovery.config import RecoveryConfig, load_config, preset_config
from goldseam.recovery.drivers import arecover, recover
from goldseam.recovery.hooks import NullWatch, StepWatch, Watch
from goldseam.recovery.outlook import first_step, is_spared, original_timeout_s
from goldseam.recovery.plan import next_step
from goldseam.recovery.providers import Preset, Provider, preset_providers
from goldseam.recovery.rules import Rule
from goldseam.recovery.session import NothingAskedError
from goldseam.recovery.simplify import STRATEGIES, SimplifyStrategy
from goldseam.recovery.situation import Situation
from goldseam.recovery.strategies import (
    ErrorRecoveryStrategy,
    FallbackStrategy,
    RetryStrategy,
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
from goldseam.recovery.vitals import Vitals

__all__ = [
    "STRATEGIES",
    "Body",
    "ErrorRecoveryStrategy",
    "Failure",
    "FallbackStrategy",
    "GiveUp",
    "Health",
    "NothingAskedError",
    "NothingFoundError",
    "NullWatch",
    "Policy",
    "Preset",
    "Provider",
    "RecoveryConfig",
    "RecoveryConfigError",
    "Request",
    "RetryStrategy",
    "Rule",
    "SimplifyStrategy",
    "Situation",
    "Skip",
    "Source",
    "Step",
    "StepWatch",
    "Taken",
    "Target",
    "Vitals",
    "Watch",
    "arecover",
    "first_step",
    "is_spared",
    "load_config",
    "next_step",
    "original_timeout_s",
    "preset_config",
    "preset_providers",
    "recover",
]
