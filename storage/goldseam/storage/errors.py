"""What can go wrong in storage; each message says what to do next.

Raised by every module here, caught by the collector, the API and the command line.

    StorageError
    ├── DatabaseUnavailableError   no connection: wait and try again
    ├── NotMigratedError           tables or roles are missing: migrate
    ├── MigrationError             the migrating login lacks a right
    │   └── UnreleasedSchemaError  tables of an unreleased version: begin anew
    ├── BatchError                 a batch breaks its contract
    ├── RollupError                a day's sums cannot be made anew
    ├── DistributeError            no Citus, or no right to use it
    └── EmbeddedPostgresError      the server that Goldseam brings along cannot run
"""


class StorageError(Exception):
    """Storage cannot do what was asked."""


class DatabaseUnavailableError(StorageError):
    """PostgreSQL cannot be reached; the same call may succeed later."""


class NotMigratedError(StorageError):
    """The database lacks Goldseam's tables or roles; `goldseam db upgrade` makes them."""


class MigrationError(StorageError):
    """The login may not create what the migration needs."""


class UnreleasedSchemaError(MigrationError):
    """The tables were made by an unreleased version, from which there is no migration."""


class BatchError(StorageError):
    """A batch or its connection breaks the contract of `writes.write`; nothing was stored."""


class RollupError(StorageError):
    """The sums of a day cannot be made from its rows; they stay as they are."""


class DistributeError(StorageError):
    """The tables cannot be spread over machines; nothing has changed."""


class EmbeddedPostgresError(StorageError):
    """The embedded PostgreSQL cannot be set up, started or stopped."""
