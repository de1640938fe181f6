"""PostgreSQL behind Goldseam: schema, roles, writes and queries. Knows rows, not telemetry.

Here stands what the collector and the API both speak of; each module beside it is imported by name
where it is used, so that reading a record needs no database driver.
"""

from goldseam.storage.errors import StorageError
from goldseam.storage.records import Batch, PatternRecord, RecoveryRecord, RequestRecord
from goldseam.storage.roles import Role

__all__ = [
    "Batch",
    "PatternRecord",
    "RecoveryRecord",
    "RequestRecord",
    "Role",
    "StorageError",
]
