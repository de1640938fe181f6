"""Suggestions for an error, from what strategies did and from what usually helps.

Called by the route about fixes. Pure. What was measured here stands first, also what did not help;
an action is only proposed where evidence speaks for it, so what cannot work is never proposed.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import floor
from typing import Any

from goldseam.api import evidence
from goldseam.api.schemas.errors import Evidence
from goldseam.api.schemas.fixes import AutoCorrection, FixAction
from goldseam.storage.breakdowns import wilson
from goldseam.storage.patterns import Pattern


def sentences(found: Iterable[Evidence]) -> list[str]:
    """Return what was measured, in words; the surest first."""
    told = [each for each in found if each.verdict != "insufficient_evidence"]
    return [_sentence(each) for each in sorted(told, key=lambda each: -each.low)]


def actions(found: Mapping[str, Sequence[Evidence]], those: Iterable[Pattern]) -> list[FixAction]:
    """Return what can be switched on, for each pattern by its own evidence, the surest first."""
    proposed = [
        action
        for pattern in those
        for action in _of_pattern(pattern, found[pattern.pattern_id])
        if not pattern.auto_correction_enabled
    ]
    return sorted(proposed, key=lambda action: -action.low)


def auto_correction(
    proposed: Sequence[FixAction], those: Sequence[Pattern], code: str
) -> AutoCorrection:
    """Return whether one of the actions may be switched on."""
    on = [pattern.pattern_id for pattern in those if pattern.auto_correction_enabled]
    if code in evidence.NEVER:
        reason = f"{code} is not corrected automatically."
    elif proposed:
        reason = f"{proposed[0].title}: {proposed[0].attempts} attempts speak for it."
    elif on:
        reason = "A correction is on already."
    else:
        reason = (
            f"No strategy has {evidence.ELIGIBLE_ATTEMPTS} attempts against one pattern with a "
            f"success rate that is surely {evidence.ELIGIBLE_LOW} or more."
        )
    return AutoCorrection(eligible=bool(proposed), reason=reason, enabled=on)


def _of_pattern(pattern: Pattern, found: Sequence[Evidence]) -> list[FixAction]:
    made = []
    for config in _configs(found):
        if evidence.cannot_work(pattern.error_code, config["strategy"]):
            continue
        if evidence.not_eligible(config, found):
            continue
        attempts, successes = evidence.pooled(config, found)
        low, high = wilson(successes, attempts)
        promise = {"expected_success": floor(low * 100) / 100}
        made.append(
            FixAction(
                title=_title(pattern, config),
                pattern_id=pattern.pattern_id,
                config_patch={
                    "auto_correction_enabled": True,
                    "correction_config": config | promise,
                },
                attempts=attempts,
                low=low,
                high=high,
            )
        )
    return made


def _configs(found: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Return each correction that the steps could be made into, once.

    A trimmed prompt or a lower limit depends on the request, so `simplify` is none of them.
    """
    names = {each.strategy for each in found}
    targets = sorted({each.provider for each in found if each.strategy == "fallback"})
    return [
        *({"strategy": name} for name in ("retry", "cache") if name in names),
        *({"strategy": "fallback", "provider": target} for target in targets),
    ]


def _title(pattern: Pattern, config: dict[str, Any]) -> str:
    what = {
        "retry": "Send the same request again",
        "cache": "Answer from the cache",
        "fallback": f"Ask {config.get('provider')} at once",
    }[config["strategy"]]
    return f"{what} when {pattern.provider} fails with {pattern.error_code}"


def _sentence(each: Evidence) -> str:
    share = f"{each.successes} of {each.attempts} calls {each.condition}"
    bounds = f"{100 * each.low:.0f} to {100 * each.high:.0f} %"
    match each.verdict:
        case "helps":
            verb = "has helped"
        case "does_not_help":
            verb = "has not helped"
        case _:
            verb = "has helped at times"
    return f"{each.strategy} at {each.provider} {verb}: it mended {share} ({bounds})."
