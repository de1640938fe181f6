"""How much memory bodies may take that are being received or wait for their answer.

The receivers lease bytes as a body grows and give them back with its answer, so the sum over all
connections is bounded, however many senders there are and however well their bodies compress.
"""

from threading import Lock
from typing import Self

from goldseam.collector.refusals import Overloaded


class Budget:
    """Bytes that all leases together may hold."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._leased_bytes = 0
        self._lock = Lock()

    @property
    def leased_bytes(self) -> int:
        """Bytes that are leased now."""
        return self._leased_bytes

    def lease(self) -> "Lease":
        """Return an empty lease, to be used as a context manager."""
        return Lease(self)

    def move(self, held_bytes: int, wanted_bytes: int) -> None:
        """Change one lease from `held_bytes` to `wanted_bytes`.

        A single body larger than the budget passes alone.

        Raises:
            Overloaded: The others leave no room for it; the lease stays as it was.
        """
        with self._lock:
            others_bytes = self._leased_bytes - held_bytes
            if wanted_bytes > held_bytes and 0 < others_bytes > self._max_bytes - wanted_bytes:
                raise Overloaded(
                    f"bodies of {self._leased_bytes} bytes are being received: send again, or "
                    "raise GOLDSEAM_RECEIVE_BYTES"
                )
            self._leased_bytes = others_bytes + wanted_bytes


class Lease:
    """The bytes of one body; given back when the block ends."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held_bytes = 0

    def grow_to(self, size_bytes: int) -> None:
        """Hold `size_bytes` from now on.

        Raises:
            Overloaded: There is no room for it.
        """
        self._budget.move(self._held_bytes, size_bytes)
        self._held_bytes = size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.move(self._held_bytes, 0)
        self._held_bytes = 0
