"""What recovery remembers from call to call: a breaker per target, a retry budget per provider.

Also how many tokens prompts have, per target, beside the estimate.

The instrumentation keeps one `Vitals` and tells it of answers; the drivers tell it of everything
else and ask it before every decision. Safe for threads, in memory only, and quick: an answer, which
every call has, costs one lock and a few additions.
"""

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Final

from goldseam.recovery.breaker import Breaker
from goldseam.recovery.budget import Budget
from goldseam.recovery.providers import Provider
from goldseam.recovery.tokens import TokenScales
from goldseam.recovery.values import Failure, Target

MAX_TARGETS: Final = 1000
"""An application that makes up model names must not fill the memory: beyond, all is forgotten."""


class Vitals:
    """The health of every provider that this process asked."""

    def __init__(self, providers: Mapping[str, Provider] | None = None) -> None:
        """Start with everybody well.

        Args:
            providers: The configured ones; those that unload idle models are known from here.
        """
        self._providers = providers or {}
        self._lock = Lock()
        self._breakers: dict[Target, Breaker] = {}
        self._budgets: dict[str, Budget] = {}
        self._scales = TokenScales()

    def answered(self, target: Target, now_s: float, *, is_first: bool) -> None:
        """Take note of an answer.

        Args:
            target: Who gave it.
            now_s: When, on the clock of all calls.
            is_first: Whether it was the call's first request.
        """
        with self._lock:
            self._breaker(target).answered(now_s)
            if is_first:
                self._budget(target.provider, now_s).earn()

    def failed(self, failure: Failure, *, is_first: bool) -> None:
        """Take note of a failed request; `is_first` as for `answered`."""
        with self._lock:
            self._breaker(failure.target).failed(
                failure.code, failure.at_s, retry_after_s=failure.retry_after_s
            )
            if is_first:
                self._budget(failure.target.provider, failure.at_s).earn()

    def learn_tokens(self, target: Target, *, estimated: float, counted: int) -> None:
        """Take note of how many tokens a prompt had that was estimated."""
        with self._lock:
            if len(self._scales) >= MAX_TARGETS:
                self._scales.clear()
            self._scales.learn(target, estimated=estimated, counted=counted)

    def token_scale(self, target: Target) -> float:
        """Return by how much an estimate for `target` must be multiplied."""
        return self._scales.of(target)

    def admits(self, target: Target, now_s: float) -> bool:
        """Tell whether a request may go there first; half open, it is the one that finds out."""
        breaker = self._breakers.get(target)
        if breaker is None:
            return True
        with self._lock:
            return breaker.admits(now_s)

    def open_among(self, targets: Iterable[Target], now_s: float) -> frozenset[Target]:
        """Return those targets behind which others should be asked."""
        with self._lock:
            return frozenset(
                target
                for target in targets
                if (breaker := self._breakers.get(target)) and breaker.is_open(now_s)
            )

    def unasked(self, target: Target, now_s: float) -> Failure:
        """Return why a target is not asked first: what it failed with last."""
        breaker = self._breakers[target]
        return Failure(
            target=target,
            code=breaker.last_code,
            rule="breaker",
            retry_after_s=breaker.rest_s(now_s),
            at_s=now_s,
            was_sent=False,
        )

    def draw(self, provider: str, now_s: float) -> bool:
        """Take an extra attempt out of a provider's budget; False where none is left."""
        with self._lock:
            return self._budget(provider, now_s).draw(now_s)

    def budgets(self, now_s: float) -> dict[str, float]:
        """Return the extra attempts left, by provider."""
        with self._lock:
            return {name: budget.left(now_s) for name, budget in self._budgets.items()}

    def _breaker(self, target: Target) -> Breaker:
        breaker = self._breakers.get(target)
        if breaker is None:
            if len(self._breakers) >= MAX_TARGETS:
                self._breakers.clear()
            provider = self._providers.get(target.provider)
            cold_after_s = provider.unloads_after_s if provider else None
            breaker = self._breakers[target] = Breaker(cold_after_s=cold_after_s)
        return breaker

    def _budget(self, provider: str, now_s: float) -> Budget:
        budget = self._budgets.get(provider)
        if budget is None:
            budget = self._budgets[provider] = Budget(now_s)
        return budget
