"""Spread the tables over the machines of a Citus cluster, each tenant's rows on one of them.

`goldseam db distribute` calls it once, on the coordinator, after `goldseam db upgrade`. Every table
is distributed by `tenant_id` and colocated, so that a question of one tenant is answered by one
machine. What Citus asks of the schema is in docs/citus.md, and a test holds keys and statements to
it.
"""

from typing import Final

import psycopg
from psycopg import sql

from goldseam.storage.errors import DistributeError
from goldseam.storage.schema import TABLES

DISTRIBUTION_COLUMN: Final = "tenant_id"
FIRST: Final = "ai_request_logs"
"""The table that the others are colocated with."""


def distribute(conn: psycopg.Connection) -> tuple[str, ...]:
    """Distribute every table that is not distributed yet; all of them or none.

    Args:
        conn: Connection in role `goldseam_owner` to the coordinator, outside a transaction.

    Returns:
        Names of the tables that it distributed.

    Raises:
        DistributeError: The database lacks the extension `citus` or the right to use it.
    """
    try:
        with conn.transaction():
            _check(conn)
            done = {row[0] for row in conn.execute(_DISTRIBUTED)}
            missing = [table.name for table in TABLES if table.name not in done]
            for name in sorted(missing, key=lambda name: name != FIRST):
                conn.execute(_statement(name))
    except psycopg.errors.UndefinedFunction as error:
        raise DistributeError(
            f"This Citus is too old or half installed: {error}. Version 12 or later is needed."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DistributeError(f"The login may not distribute tables: {error}") from error
    return tuple(sorted(missing))


def _check(conn: psycopg.Connection) -> None:
    row = conn.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone()
    if row is None:
        raise DistributeError(
            "This database has no extension citus. Run `CREATE EXTENSION citus` as a superuser on "
            "the coordinator and on every worker, add the workers, then run it again."
        )


_DISTRIBUTED: Final = "SELECT logicalrelid::regclass::text FROM pg_dist_partition"


def _statement(table: str) -> sql.Composed:
    beside = "default" if table == FIRST else FIRST
    template = "SELECT create_distributed_table({table}, {column}, colocate_with => {beside})"
    return sql.SQL(template).format(
        table=sql.Literal(table),
        column=sql.Literal(DISTRIBUTION_COLUMN),
        beside=sql.Literal(beside),
    )
