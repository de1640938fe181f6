"""What the steps that ran say about a strategy, and whether that is enough to act on.

Called by the routes about errors and recovery. Pure. A rate is conditional on when the strategy was
reached, so each piece of evidence says so; a bound of the Wilson interval counts, never the rate.
"""

from collections.abc import Iterable
from typing import Any, Final

from goldseam.api.schemas.errors import CorrectionEffect, Evidence, Verdict
from goldseam.errors import ErrorCode
from goldseam.recovery.corrections import EXPECTED_SUCCESS, PlaybookError, read_correction
from goldseam.storage.breakdowns import wilson
from goldseam.storage.patterns import Outcomes, Pattern
from goldseam.storage.queries import StrategyFigures

ENOUGH: Final = 20
"""Attempts below which nothing is concluded."""

ELIGIBLE_ATTEMPTS: Final = 30
ELIGIBLE_LOW: Final = 0.6
"""What a correction needs to be switched on without an override."""

_HELPS_NOT: Final = 0.3

BAD_OUTCOMES: Final = 20
"""Of the latest 50 applications of an overridden correction: then it is off."""

NEVER: Final = frozenset({ErrorCode.CANCELLED, ErrorCode.CONTENT_FILTER})
"""The caller's own wish, and a refusal that is not to be evaded."""

_HOPELESS_AGAIN: Final = frozenset(
    {ErrorCode.AUTH, ErrorCode.PERMISSION, ErrorCode.QUOTA_EXCEEDED, ErrorCode.REQUEST_TOO_LARGE}
)
"""The same provider will refuse the same request again."""


def weigh(found: StrategyFigures) -> Evidence:
    """Return a strategy's figures with a verdict."""
    after = " and ".join(found.after)
    return Evidence(
        strategy=found.strategy,
        provider=found.provider,
        after=list(found.after),
        condition=f"after {after} had failed" if after else "as the first step",
        attempts=found.attempts,
        successes=found.successes,
        success_rate=found.successes / found.attempts,
        low=found.low,
        high=found.high,
        avg_time_ms=float(found.avg_time_ms),
        verdict=verdict(found.attempts, found.low, found.high),
    )


def verdict(attempts: int, low: float, high: float) -> Verdict:
    """Return what bounds over so many attempts allow to say."""
    if attempts < ENOUGH:
        return "insufficient_evidence"
    if low >= ELIGIBLE_LOW:
        return "helps"
    return "does_not_help" if high < _HELPS_NOT else "mixed"


def config_fault(config: dict[str, Any]) -> str | None:
    """Return why applications would not take a correction, None if they would."""
    if not config:
        return "none is stored for this pattern, so send one that names a strategy"
    entry = {"id": "this", "error_pattern": "this", "normaliser_version": 1, "config": config}
    try:
        read_correction(entry)
    except PlaybookError as fault:
        return str(fault).removeprefix("correction this ")
    return None


def cannot_work(code: str, strategy: str) -> str | None:
    """Return why a strategy is of no use against a code, None where it may be."""
    if code in NEVER:
        return f"{code} is not corrected automatically"
    if strategy == "retry" and code in _HOPELESS_AGAIN:
        return f"the same provider refuses again after {code}"
    return None


def not_eligible(config: dict[str, Any], evidence: Iterable[Evidence]) -> str | None:
    """Return why the evidence does not speak for a correction, None if it does."""
    attempts, successes = pooled(config, evidence)
    low, high = wilson(successes, attempts)
    if attempts < ELIGIBLE_ATTEMPTS:
        return f"{attempts} attempts are fewer than {ELIGIBLE_ATTEMPTS}"
    if low < ELIGIBLE_LOW:
        return (
            f"{successes} of {attempts} attempts helped, so the rate may be as low as {low:.2f} "
            f"(and as high as {high:.2f}); it should be at least {ELIGIBLE_LOW}"
        )
    return None


def effect_of(pattern: Pattern, outcomes: dict[str, Outcomes]) -> CorrectionEffect | None:
    """Return what a correction did, None where it was never applied."""
    name = pattern.correction_id
    if name is None or (found := outcomes.get(name)) is None:
        return None
    low, high = wilson(found.successes, found.applied)
    return CorrectionEffect(
        correction_id=name, applied=found.applied, successes=found.successes, low=low, high=high
    )


def has_failed(config: dict[str, Any], found: Outcomes) -> bool:
    """Tell whether a correction has shown that it does not do what it promises."""
    if config.get("override"):
        return found.failures >= BAD_OUTCOMES
    _, high = wilson(found.successes, found.applied)
    return found.applied >= ENOUGH and high < config.get("expected_success", EXPECTED_SUCCESS)


def pooled(config: dict[str, Any], evidence: Iterable[Evidence]) -> tuple[int, int]:
    """Return attempts and successes of a correction's strategy, at its provider if it names one."""
    wanted = config.get("provider")
    matching = [
        each
        for each in evidence
        if each.strategy == config.get("strategy") and wanted in {None, each.provider}
    ]
    return sum(each.attempts for each in matching), sum(each.successes for each in matching)
