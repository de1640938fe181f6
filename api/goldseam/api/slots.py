"""Places for answers that take long to give: exports and live streams.

`deps` takes one for as long as the answer lasts. So the number of pages in memory is bounded, and
one key cannot keep all others from streaming.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from goldseam.api.problems import Problem

_RETRY_AFTER_S: Final = "5"

_SHARE: Final = 4
"""One caller may hold a quarter of all places."""


class NoSlot(Problem):
    """All places are taken, or all of this caller's."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(status, detail, headers={"Retry-After": _RETRY_AFTER_S})


class Slots:
    """A fixed number of places, of which each caller may hold a share."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._each = max(1, total // _SHARE)
        self._held: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many places are held now."""
        return self._held.total()

    @contextlib.contextmanager
    def held(self, caller: str) -> Iterator[None]:
        """Hold a place for as long as the block lasts.

        Raises:
            NoSlot: 429 where the caller has its share, 503 where all places are taken.
        """
        if self._held[caller] >= self._each:
            raise NoSlot(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"This key has {self._each} exports or streams open already; close one of them.",
            )
        if self.taken >= self._total:
            raise NoSlot(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._total} exports or streams are open, and no more at a time; try again.",
            )
        self._held[caller] += 1
        try:
            yield
        finally:
            self._held[caller] -= 1
            self._held += Counter()  # forgets callers who hold nothing
