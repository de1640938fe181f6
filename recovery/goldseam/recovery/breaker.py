"""A breaker: tells whether a provider's model fails so often that others should be asked first.

`vitals` keeps one per target and tells it how every request ended. It opens on a *rate* of
failures, not on failures in a row: among many calls in flight a fifth that hang at the same moment
looks like a row. Not safe for threads by itself; the clock's reading is passed in.
"""

from typing import Final

from goldseam.errors import ErrorCode
from goldseam.recovery.situation import ELSEWHERE, ONCE_MORE, RETRYABLE

MIN_OUTCOMES: Final = 10
"""Fewer outcomes inside the window say nothing about a rate."""

MAX_FAILURE_SHARE: Final = 0.5
"""From this share of failures on, the breaker opens."""

SLOTS: Final = 6
SLOT_S: Final = 5.0
"""The window of 30 s moves on in slots of 5 s."""

OPEN_S: Final = (5.0, 60.0)
"""How long it stays open at first, and at most after doubling with every failed probe."""

OPEN_ACCOUNT_S: Final = (60.0, 600.0)
"""The same where credit or key is missing: people must act, and they need minutes."""

COLD_START_S: Final = 300.0
"""How long a local server may load a model that was idle; while it does, time-outs are no sign."""

MAX_REST_S: Final = 60.0
"""A wait that a provider asked for is kept in mind this long at most."""

_FAILURES: Final = RETRYABLE | ELSEWHERE | ONCE_MORE
_ACCOUNT: Final = frozenset({ErrorCode.QUOTA_EXCEEDED, ErrorCode.AUTH})


class Breaker:
    """Closed, open for some time, or half open: one request at a time finds out."""

    __slots__ = (
        "_answered",
        "_cold_s",
        "_failed",
        "_loading_until_s",
        "_open_s",
        "_open_until_s",
        "_probe_until_s",
        "_rest_until_s",
        "_seen_s",
        "_slot",
        "last_code",
    )

    def __init__(self, *, cold_after_s: float | None = None) -> None:
        """Start closed.

        Args:
            cold_after_s: Idle seconds after which the server unloads the model, so that the next
                answer takes long; None for servers that don't.
        """
        self._answered = [0] * SLOTS
        self._failed = [0] * SLOTS
        self._slot = 0
        self._open_s = 0.0
        self._open_until_s: float | None = None
        self._probe_until_s = float("-inf")
        self._rest_until_s = float("-inf")
        self._cold_s = cold_after_s
        self._seen_s = float("-inf")
        self._loading_until_s = float("-inf")
        self.last_code = ErrorCode.UNKNOWN

    def answered(self, now_s: float) -> None:
        """Take note of an answer."""
        self._answered[self._at(now_s)] += 1
        self._seen_s = now_s
        self._loading_until_s = float("-inf")
        if self._open_until_s is not None and now_s >= self._open_until_s:
            self._close()

    def failed(self, code: ErrorCode, now_s: float, *, retry_after_s: float | None = None) -> None:
        """Take note of a failure.

        Args:
            code: What went wrong; a refusal of the request itself is an answer, not a failure.
            now_s: When, monotonic seconds.
            retry_after_s: How long the provider does not want to be asked.
        """
        if code not in _FAILURES:
            if self._open_until_s is not None and code is not ErrorCode.CANCELLED:
                self.answered(now_s)
            return
        if retry_after_s is not None:
            self._rest_until_s = now_s + min(retry_after_s, MAX_REST_S)
        if code is ErrorCode.TIMEOUT and self._is_loading(now_s):
            return
        self._seen_s = now_s
        self._failed[self._at(now_s)] += 1
        self.last_code = code
        if self._open_until_s is None:
            if self._fails_too_often():
                self._open(code, now_s)
        elif now_s >= self._open_until_s:
            self._open(code, now_s)

    def is_open(self, now_s: float) -> bool:
        """Tell whether others should be asked first: open, or resting as the provider asked."""
        if now_s < self._rest_until_s:
            return True
        if self._open_until_s is None:
            return False
        return now_s < max(self._open_until_s, self._probe_until_s)

    def admits(self, now_s: float) -> bool:
        """Tell whether a request may go there now; half open, it is the one that finds out."""
        if self.is_open(now_s):
            return False
        if self._open_until_s is not None:
            self._probe_until_s = now_s + self._open_s
        return True

    def rest_s(self, now_s: float) -> float | None:
        """Return how long the provider still wants to be left alone, None if it does not."""
        return self._rest_until_s - now_s if now_s < self._rest_until_s else None

    def _is_loading(self, now_s: float) -> bool:
        if self._cold_s is None:
            return False
        if now_s - self._seen_s >= self._cold_s and now_s >= self._loading_until_s + self._cold_s:
            self._loading_until_s = now_s + COLD_START_S
        return now_s < self._loading_until_s

    def _fails_too_often(self) -> bool:
        failed = sum(self._failed)
        outcomes = failed + sum(self._answered)
        return outcomes >= MIN_OUTCOMES and failed >= outcomes * MAX_FAILURE_SHARE

    def _open(self, code: ErrorCode, now_s: float) -> None:
        first_s, longest_s = OPEN_ACCOUNT_S if code in _ACCOUNT else OPEN_S
        self._open_s = min(max(first_s, self._open_s * 2), longest_s)
        self._open_until_s = now_s + self._open_s
        self._probe_until_s = float("-inf")

    def _close(self) -> None:
        self._open_until_s = None
        self._open_s = 0.0
        self._answered = [0] * SLOTS
        self._failed = [0] * SLOTS

    def _at(self, now_s: float) -> int:
        """Return the index of the present slot, emptied of what is older than the window."""
        slot = int(now_s // SLOT_S)
        for passed in range(max(self._slot + 1, slot - SLOTS + 1), slot + 1):
            self._answered[passed % SLOTS] = self._failed[passed % SLOTS] = 0
        self._slot = max(slot, self._slot)
        return slot % SLOTS
