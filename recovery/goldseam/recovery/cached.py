"""The cache as a strategy: an answer that the same request had before, when all else has failed.

`CacheStrategy` is added to the configuration's strategies by whoever opens a cache; the sender
reads the step's `CacheSource`. Only kinds of failure that say nothing about the request itself or
about the right to ask are mended so: not a refused key, and not a filtered prompt.
"""

import json
from typing import Any, ClassVar

from goldseam.errors import ErrorCode
from goldseam.recovery.cache import AnswerCache, CachedAnswer
from goldseam.recovery.situation import RETRYABLE, Situation
from goldseam.recovery.strategies import ErrorRecoveryStrategy
from goldseam.recovery.values import Body, Request, Skip, Step


class CacheSource:
    """Reads one answer of the cache; `found` tells afterwards what it was."""

    def __init__(self, cache: AnswerCache) -> None:
        self.found: CachedAnswer | None = None
        self._cache = cache

    @property
    def is_stale(self) -> bool:
        """Whether an old answer was found."""
        return self.found is not None and self.found.is_stale

    def read(self, request: Request) -> Body | None:
        """Return the answer that this request had before, None where there is none."""
        if request.cache_key is not None:
            self.found = self._cache.find(request.cache_key)
        return None if self.found is None else _object(self.found.body)

    async def aread(self, request: Request) -> Body | None:
        """Return the same from a task."""
        if request.cache_key is not None:
            self.found = await self._cache.afind(request.cache_key)
        return None if self.found is None else _object(self.found.body)


class CacheStrategy(ErrorRecoveryStrategy):
    """Answers with what the same request was answered before, marked where it is stale."""

    name: ClassVar[str] = "cache"
    mends: ClassVar[frozenset[ErrorCode]] = RETRYABLE | {
        ErrorCode.QUOTA_EXCEEDED,
        ErrorCode.NOT_FOUND,
        ErrorCode.RESPONSE_INVALID,
    }
    asks_provider: ClassVar[bool] = False

    def __init__(self, cache: AnswerCache) -> None:
        self._cache = cache

    def propose(self, situation: Situation) -> Step | Skip:
        """Return a look into the cache, unless this request is of a kind that is not kept."""
        if situation.request.cache_key is None:
            return Skip(self.name, "answers to such requests are not kept")
        return situation.step(
            self.name, situation.asked, 0.0, "read the cache", source=CacheSource(self._cache)
        )


def _object(body: bytes) -> dict[str, Any] | None:
    found = json.loads(body)
    return found if isinstance(found, dict) else None
