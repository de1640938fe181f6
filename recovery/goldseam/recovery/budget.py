"""A retry budget: how many requests beyond the first ones a provider is sent.

`vitals` keeps one per provider, over the whole process: when everything fails, repeats must not
multiply the load. The bucket starts full, every request adds a little, and time adds the rest. Not
safe for threads by itself; the clock's reading is passed in.
"""

from typing import Final

CAPACITY: Final = 120.0
"""Extra attempts that a bad minute may cost before the rate below binds."""

PER_REQUEST: Final = 0.1
"""What each request adds: extra attempts are a tenth of the requests in the long run …"""

PER_SECOND: Final = 1.0
"""… and one per second, so that an application with few calls is not left without."""


class Budget:
    """The bucket of one provider."""

    __slots__ = ("_at_s", "_left")

    def __init__(self, now_s: float) -> None:
        """Start full."""
        self._left = CAPACITY
        self._at_s = now_s

    def earn(self) -> None:
        """Take note of a call's first request."""
        self._left = min(CAPACITY, self._left + PER_REQUEST)

    def left(self, now_s: float) -> float:
        """Return how many extra attempts may be made now."""
        self._left = min(CAPACITY, self._left + max(0.0, now_s - self._at_s) * PER_SECOND)
        self._at_s = max(now_s, self._at_s)
        return self._left

    def draw(self, now_s: float) -> bool:
        """Take one extra attempt out; False where none is left."""
        if self.left(now_s) < 1:
            return False
        self._left -= 1
        return True
