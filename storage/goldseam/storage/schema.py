"""Every statement that makes the newest schema, from `models` and `rollup_tables`.

The first migration runs them, `create_tables` runs them, and `sql_file` prints them, so the three
ways to create the tables cannot differ. Keys hold `tenant_id` and there are no triggers, sequences
or foreign keys: a distributed database asks for that. What no day covers goes to the default
partitions, so that a strange time never fails a whole batch.
"""

from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import (
    CreateIndex,
    CreateTable,
    ExecutableDDLElement,
    SetColumnComment,
    SetTableComment,
)

from goldseam.storage.models import Base
from goldseam.storage.partitions import PARTITIONED
from goldseam.storage.roles import ALL_TENANTS, Role, setup_statements
from goldseam.storage.rollup_tables import ROLLUPS, SLOW
from goldseam.storage.server_tables import AUDIT, HORIZON, KEYS, SERVER_TABLES

TABLES: Final = tuple(Base.metadata.tables.values())
"""All of them: requests, recovery, analysis, the roll-ups, keys and audit."""

# Unset is NULL at first and empty after a transaction that set it: both show nothing.
_TENANT_RULE: Final = f"""
    tenant_id = nullif(current_setting('goldseam.tenant', true), '')
    OR current_setting('goldseam.tenant', true) = '{ALL_TENANTS}'
"""
_EVERYBODY_RULE: Final = f"current_setting('goldseam.tenant', true) = '{ALL_TENANTS}'"

_UPDATED_OFTEN: Final = "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05"
"""Each transaction updates the sums of the current hour: with room in the page, no index moves."""


_FEEDBACK: Final = "user_feedback, confidence_score, updated_at"
_RESOLUTION: Final = (
    "resolution_status, resolved_at, auto_correction_enabled, correction_config,"
    " correction_changed_at, correction_changed_by, updated_at"
)
"""Columns that people change through the API; everything else comes from spans."""

REVISION: Final = "0001"
"""What `alembic_version` says of this schema."""

STAMP: Final = (
    """CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)""",
    f"INSERT INTO alembic_version (version_num) VALUES ('{REVISION}')",  # noqa: S608 - our own
    "GRANT SELECT ON alembic_version TO goldseam_writer, goldseam_api",
)


def sql_file() -> str:
    """Return one SQL script that sets up an empty database, roles included.

    `goldseam db sql` prints it and `psql -f` runs it, with the login that `migrate.upgrade` needs.
    Afterwards the database is at the newest revision and `goldseam db upgrade` knows it.
    """
    statements = [
        *setup_statements(),
        f"SET LOCAL ROLE {Role.OWNER}",
        *create_statements(),
        *STAMP,
    ]
    script = ";\n\n".join(statement.strip() for statement in statements)
    return f"{_HEADER}BEGIN;\n\n{script};\n\nCOMMIT;\n"


_HEADER: Final = """\
-- Goldseam's tables, roles, policies and reporting views, for PostgreSQL 15 or later.
-- Written by `goldseam db sql`; run it with psql on an empty database, as an owner with CREATEROLE.

"""


def create_statements() -> list[str]:
    """Return the statements for an empty database, to be run as `goldseam_owner`."""
    return [
        *(statement for table in TABLES for statement in _create(table)),
        *(statement for table in TABLES for statement in _protect(table)),
        *(statement for table in TABLES for statement in _grant(table)),
        *_reporting(),
    ]


def drop_statements() -> list[str]:
    """Return the statements that undo `create_statements`."""
    return [
        "DROP SCHEMA reporting CASCADE",
        *(f"DROP TABLE {table.name}" for table in reversed(TABLES)),
    ]


def _create(table: Table) -> list[str]:
    columns = [SetColumnComment(column) for column in table.columns]
    indexes = [CreateIndex(i) for i in sorted(table.indexes, key=lambda index: str(index.name))]
    made: list[ExecutableDDLElement] = [
        CreateTable(table),
        *indexes,
        SetTableComment(table),
        *columns,
    ]
    statements = [_text(element) for element in made]
    if table.name in PARTITIONED:
        statements.append(f"CREATE TABLE {table.name}_default PARTITION OF {table.name} DEFAULT")
    elif table in ROLLUPS:
        statements.append(f"ALTER TABLE {table.name} SET ({_UPDATED_OFTEN})")
    return statements


def _text(element: ExecutableDDLElement) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    return str(element.compile(dialect=dialect)).replace("%%", "%").replace("\t", "    ").strip()


def _protect(table: Table) -> list[str]:
    name = table.name
    # Without a policy of its own nobody reads a partition but through its table.
    closed = [f"{name}_default"] if name in PARTITIONED else []
    rule = _EVERYBODY_RULE if name.endswith("_all") else _TENANT_RULE
    return [
        *(f"ALTER TABLE {each} ENABLE ROW LEVEL SECURITY" for each in (name, *closed)),
        *(f"ALTER TABLE {each} FORCE ROW LEVEL SECURITY" for each in (name, *closed)),
        f"CREATE POLICY owner_all ON {name} TO goldseam_owner USING (true)",
        f"CREATE POLICY writer_all ON {name} TO goldseam_writer USING (true)",
        f"CREATE POLICY grafana_read ON {name} FOR SELECT TO grafana_ro USING (true)",
        f"CREATE POLICY api_tenant ON {name} TO goldseam_api USING ({rule})",
    ]


def _grant(table: Table) -> list[str]:
    name = table.name
    if table is KEYS:
        return [
            f"GRANT SELECT, INSERT, UPDATE ON {name} TO goldseam_api",
            f"GRANT SELECT, UPDATE (last_used_at) ON {name} TO goldseam_writer",
        ]
    if table is HORIZON:
        return [f"GRANT SELECT ON {name} TO goldseam_writer"]
    if table is AUDIT:
        return [f"GRANT SELECT, INSERT ON {name} TO goldseam_api"]
    writer = "SELECT, INSERT, UPDATE" + (", DELETE" if table in SLOW.values() else "")
    changed = {"ai_request_logs": _FEEDBACK, "ai_error_analysis": _RESOLUTION}.get(name)
    return [
        f"GRANT {writer} ON {name} TO goldseam_writer",
        f"GRANT SELECT ON {name} TO goldseam_api, grafana_ro",
        *([f"GRANT UPDATE ({changed}) ON {name} TO goldseam_api"] if changed else []),
    ]


def _reporting() -> list[str]:
    """Return what dashboards read: the tables, without duplicates."""
    views = []
    for table in (table for table in TABLES if table not in SERVER_TABLES):
        condition = " WHERE duplicate_of IS NULL" if table.name == "ai_request_logs" else ""
        query = f"SELECT * FROM public.{table.name}{condition}"  # noqa: S608 - our own tables
        view = f"reporting.{table.name}"
        views += [
            f"CREATE VIEW {view} WITH (security_invoker = true) AS {query}",
            f"COMMENT ON VIEW {view} IS {_quoted(table.comment)}",
            *(
                f"COMMENT ON COLUMN {view}.{column.name} IS {_quoted(column.comment)}"
                for column in table.columns
            ),
        ]
    return [
        "CREATE SCHEMA reporting",
        "COMMENT ON SCHEMA reporting IS 'What dashboards read: the tables, no duplicates'",
        *views,
        "GRANT USAGE ON SCHEMA reporting TO goldseam_api, grafana_ro",
        "GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO goldseam_api, grafana_ro",
    ]


def _quoted(comment: str | None) -> str:
    return "'" + (comment or "").replace("'", "''") + "'"
