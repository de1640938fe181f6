"""What every route asks of its parameters: text that PostgreSQL takes, times that exist."""

from datetime import UTC, datetime
from typing import Final

NO_NUL: Final = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but this one."""

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Far enough for every row, near enough for arithmetic with time ranges."""


def moment(value: datetime) -> datetime:
    """Return a time with its offset; one without is read as UTC.

    Raises:
        ValueError: The time is outside of [2000, 2200).
    """
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    if not _EARLIEST <= aware < _LATEST:
        raise ValueError("must be from 2000 to 2199")
    return aware
