"""Corrections as strategies: what somebody enabled for an error pattern is proposed first.

Called by the instrumentation for a failure whose pattern the playbook knows. A correction is
applied once per call, as its first step; after it the usual strategies follow. The application's
own settings stay the fence: a correction reaches no provider that is not in its fallback, asks
nobody again who refused the key or the money, and comes no earlier than a provider allows.
"""

from typing import ClassVar, Final

from goldseam.errors import ErrorCode
from goldseam.recovery.cache import AnswerCache
from goldseam.recovery.cached import CacheSource
from goldseam.recovery.corrections import Correction, Treatment
from goldseam.recovery.situation import Situation
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import Body, Skip, Step, Target
from goldseam.semconv.attributes import CORRECTION_ID

_HOPELESS: Final = frozenset({ErrorCode.AUTH, ErrorCode.PERMISSION, ErrorCode.QUOTA_EXCEEDED})
"""The same provider will refuse again, whatever a correction says."""

_TOKEN_LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Names by which requests of the known APIs bound their answer."""


class CorrectionStrategy(ErrorRecoveryStrategy):
    """Applies one correction."""

    mends: ClassVar[frozenset[ErrorCode]] = frozenset(ErrorCode) - {
        ErrorCode.CANCELLED,
        ErrorCode.CONTENT_FILTER,
    }

    def __init__(self, correction: Correction, cache: AnswerCache | None = None) -> None:
        """Take what to apply.

        Args:
            correction: The correction of the playbook.
            cache: Where the application keeps answers; None where it keeps none.
        """
        self._correction = correction
        self._treatment: Treatment = correction.treatment
        self._cache = cache
        self._facts = {CORRECTION_ID: correction.id}

    def propose(self, situation: Situation) -> Step | Skip:
        """Return the corrected step, as the first one only."""
        if situation.history:
            return Skip(self.name, f"correction {self._correction.id} comes first or not at all")
        return self._corrected(situation)

    def _corrected(self, situation: Situation) -> Step | Skip:
        raise NotImplementedError


class RetryCorrection(CorrectionStrategy):
    """Sends the same request again after a wait."""

    name: ClassVar[str] = "retry"

    def _corrected(self, situation: Situation) -> Step | Skip:
        code = situation.failure.code
        if code in _HOPELESS:
            return Skip(self.name, f"no correction asks again after {code}")
        delay_s = max(self._treatment.delay_s, situation.failure.retry_after_s or 0.0)
        action = f"correction: wait {delay_s:g}s, resend"
        return situation.step(self.name, situation.asked, delay_s, action, facts=self._facts)


class FallbackCorrection(CorrectionStrategy):
    """Asks another provider of the application's fallback, or another model."""

    name: ClassVar[str] = "fallback"

    def _corrected(self, situation: Situation) -> Step | Skip:
        target = self._target(situation)
        if isinstance(target, Skip):
            return target
        if situation.request.operation == "embeddings" and target.model != situation.asked.model:
            return Skip(self.name, "another model's vectors cannot stand in")
        action = f"correction: {situation.asked} → {target}"
        return situation.step(self.name, target, 0.0, action, facts=self._facts)

    def _target(self, situation: Situation) -> Target | Skip:
        provider, model = self._treatment.provider, self._treatment.model
        if provider is None or provider == situation.asked.provider:
            if situation.failure.code in _HOPELESS or model is None:
                return Skip(self.name, "the correction names nobody else")
            return Target(situation.asked.provider, model)
        ready = (each.target for each in situation.health.ready)
        found = next((target for target in ready if target.provider == provider), None)
        if found is None:
            return Skip(self.name, f"{provider} is not ready in this application's fallback")
        return found if model is None else Target(provider, model)


class SimplifyCorrection(CorrectionStrategy):
    """Sends a smaller request to the same place."""

    name: ClassVar[str] = "simplify"

    def _corrected(self, situation: Situation) -> Step | Skip:
        if situation.failure.code in _HOPELESS:
            return Skip(self.name, "a smaller request is refused as well")
        body = lower_max_tokens(situation.request.body, self._treatment.max_tokens)
        if body is None:
            return Skip(self.name, "the request is small enough already")
        action = f"correction: at most {self._treatment.max_tokens} tokens in the answer"
        delay_s = situation.failure.retry_after_s or 0.0
        return situation.step(
            self.name, situation.asked, delay_s, action, body=body, facts=self._facts
        )


class CacheCorrection(CorrectionStrategy):
    """Answers from the cache before anybody is asked again."""

    name: ClassVar[str] = "cache"
    asks_provider: ClassVar[bool] = False

    def _corrected(self, situation: Situation) -> Step | Skip:
        if self._cache is None or situation.request.cache_key is None:
            return Skip(self.name, "this application keeps no answers to such requests")
        source = CacheSource(self._cache)
        action = "correction: read the cache"
        return situation.step(
            self.name, situation.asked, 0.0, action, source=source, facts=self._facts
        )


_KINDS: Final = {
    kind.name: kind
    for kind in (RetryCorrection, FallbackCorrection, SimplifyCorrection, CacheCorrection)
}


def strategy_of(correction: Correction, cache: AnswerCache | None = None) -> CorrectionStrategy:
    """Return the strategy that applies a correction."""
    return _KINDS[correction.treatment.strategy](correction, cache)


def lower_max_tokens(body: Body, limit: int | None) -> Body | None:
    """Return the body with its bounds on the answer lowered to `limit`; None if none is above."""
    if limit is None:
        return None
    lowered = {
        name: limit
        for name in _TOKEN_LIMITS
        if isinstance(body.get(name), int) and body[name] > limit
    }
    return {**body, **lowered} if lowered else None
