"""How many requests a caller may make a minute: one bucket each, in this process.

`deps` takes from it and `guards` tells in `RateLimit` headers what is left (the fields of the IETF
draft on rate-limit headers).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from goldseam.api.problems import Problem

WINDOW_S: Final = 60

_CALLERS_MAX: Final = 10_000


class TooManyRequests(Problem):
    """The caller's bucket is empty."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many requests with this key; ask again in {wait_s} s.",
            headers={"Retry-After": str(wait_s)},
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a bucket.

    Attributes:
        limit: Requests a minute.
        remaining: Requests that may be made now.
        full_in_s: Seconds until nothing is missing.
    """

    limit: int
    remaining: int
    full_in_s: int

    def headers(self) -> dict[str, str]:
        """Return the header fields that tell it."""
        return {
            "ratelimit-policy": f'"minute";q={self.limit};w={WINDOW_S}',
            "ratelimit": f'"minute";r={self.remaining};t={self.full_in_s}',
        }


class Limiter:
    """One token bucket a caller, filled evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> Allowance | None:
        """Take one request; None where there is no limit.

        Raises:
            TooManyRequests: There is none left.
        """
        if not self._limit:
            return None
        now_s = self._clock()
        tokens, filled_s = self._buckets.get(caller, (float(self._limit), now_s))
        per_s = self._limit / WINDOW_S
        tokens = min(self._limit, tokens + (now_s - filled_s) * per_s)
        if tokens < 1:
            raise TooManyRequests(math.ceil((1 - tokens) / per_s))
        if len(self._buckets) >= _CALLERS_MAX:
            self._buckets.clear()
        self._buckets[caller] = (tokens - 1, now_s)
        missing = self._limit - (tokens - 1)
        return Allowance(self._limit, int(tokens - 1), math.ceil(missing / per_s))
