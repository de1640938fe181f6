"""The advisory locks of Goldseam: who takes turns with whom.

One number each, in one place, so that no two parts share one by accident: waiting for each other's
lock under two names is a deadlock. Used by the modules of this package only.
"""

from enum import IntEnum


class AdvisoryLock(IntEnum):
    """Keys for `pg_advisory_xact_lock`; any numbers will do that no other program locks."""

    MIGRATION = 0x601D5EA0
    """Two processes that migrate at once."""
    PARTITIONS = 0x601D5EA1
    """Whoever makes, fills or drops partitions."""
    ROLLUPS = 0x601D5EA2
    """Whoever adds to the sums."""
    HORIZON = 0x601D5EA3
    """Writers, shared, and whoever moves the horizon of what may be stored."""
