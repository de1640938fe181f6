"""What mending a call took.

Filled in by `_recovery`; `_invocation` and `_measuring` tell it when the call ends.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.util.types import AttributeValue

from goldseam.errors import ErrorCode
from goldseam.semconv import attributes as names
from goldseam.semconv.attributes import RecoveryOutcome

if TYPE_CHECKING:
    from goldseam.instrumentation._formats import Answer


@dataclass(slots=True)
class Repair:
    """What recovery did to a call.

    Attributes:
        outcome: How the call ended, seen from recovery.
        first_code: Code of the first failure; None for a call that never failed.
        extra_attempts: Provider calls beyond the first; None where the SDK did not tell.
        attempts_counted: Whether the attempts are in the metrics already.
        steps: Steps that ran.
        wait_s: Seconds waited in all.
        duration_s: Seconds from the first failure to the outcome.
        strategy: The strategy that worked.
        provider: The provider that answered.
        model: The model that was asked there.
        degraded: Whether that was less than asked for: another model, a shortened prompt, an old
            answer.
        spent: Tokens of attempts whose answer was not the call's, by the attempt's number.
        cache_hit: Whether the answer came from the cache; None where the cache was not asked.
        correction_id: The correction of the playbook that was applied.
    """

    outcome: RecoveryOutcome = RecoveryOutcome.NOT_NEEDED
    first_code: ErrorCode | None = None
    extra_attempts: int | None = None
    attempts_counted: bool = False
    steps: int = 0
    wait_s: float = 0.0
    duration_s: float | None = None
    strategy: str | None = None
    provider: str | None = None
    model: str | None = None
    degraded: bool = False
    spent: "dict[int, Answer]" = field(default_factory=dict)
    cache_hit: bool | None = None
    correction_id: str | None = None

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the request span's recovery attributes."""
        attributes: dict[str, AttributeValue] = {names.RECOVERY_OUTCOME: self.outcome.value}
        if self.extra_attempts:  # none is what the absence of the attribute means
            attributes[names.RETRY_COUNT] = self.extra_attempts
        if self.cache_hit is not None:
            attributes[names.CACHE_HIT] = self.cache_hit
        if self.duration_s is None:
            return attributes
        attributes[names.RECOVERY_STEPS] = self.steps
        attributes[names.RECOVERY_WAIT] = self.wait_s
        attributes[names.RECOVERY_DURATION] = self.duration_s
        if self.correction_id is not None:
            attributes[names.CORRECTION_ID] = self.correction_id
        if self.strategy is not None:
            attributes[names.RECOVERY_STRATEGY] = self.strategy
            attributes[names.RECOVERY_DEGRADED] = self.degraded
        if self.provider is not None:
            attributes[names.RECOVERY_PROVIDER_NAME] = self.provider
        if self.model is not None:
            attributes[names.RECOVERY_MODEL] = self.model
        return attributes
