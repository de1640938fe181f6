"""How large each table is: what `goldseam db status` prints."""

from dataclasses import dataclass
from typing import Final

import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """One table with its partitions.

    Attributes:
        rows: As the planner estimates them since the last ANALYZE; 0 before the first.
        data_bytes: Rows on disk, long values included.
        index_bytes: Indexes on disk.
        partitions: Days that have a partition of their own; 0 for tables without days.
    """

    table: str
    rows: int
    data_bytes: int
    index_bytes: int
    partitions: int


def sizes(conn: psycopg.Connection) -> list[TableSize]:
    """Return Goldseam's tables, the largest first; any role may ask."""
    with conn.transaction():
        rows = conn.execute(_SIZES).fetchall()
    names = ("table", "rows", "data_bytes", "index_bytes", "partitions")
    return [TableSize(**dict(zip(names, row, strict=True))) for row in rows]


_SIZES: Final = """
    SELECT t.relname,
        coalesce(sum(greatest(p.reltuples, 0)) FILTER (WHERE p.relkind = 'r'), 0)::bigint,
        sum(pg_table_size(p.oid))::bigint, sum(pg_indexes_size(p.oid))::bigint,
        count(*) FILTER (WHERE p.relname ~ '_p[0-9]{8}$')
    FROM pg_class AS t
    LEFT JOIN LATERAL pg_partition_tree(t.oid) AS tree ON true
    JOIN pg_class AS p ON p.oid = coalesce(tree.relid, t.oid)
    WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p')
        AND NOT t.relispartition AND t.relname ~ '^(ai|goldseam)_'
    GROUP BY t.relname
    ORDER BY sum(pg_total_relation_size(p.oid)) DESC, t.relname
"""
