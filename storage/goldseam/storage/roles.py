"""The four database roles, and the statements that create them.

`migrate` runs `setup_statements` before every upgrade; `engine` starts each session in one of the
roles. Roles belong to the whole cluster, so they are created only where they are absent, and
several Goldseam databases in one cluster share them.
"""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Who a session acts as; row level security decides by it."""

    OWNER = "goldseam_owner"
    """Owns tables: migrates, creates and drops partitions."""

    WRITER = "goldseam_writer"
    """The collector: reads, inserts and updates all rows, deletes none."""

    API = "goldseam_api"
    """Reads the rows of `goldseam.tenant`; of all tenants if that is `*`; none if it is unset."""

    GRAFANA = "grafana_ro"
    """Reads all rows, meant for the views of schema `reporting`; the only one that may log in."""


ALL_TENANTS: Final = "*"
"""The value of `goldseam.tenant` that shows every tenant's rows."""

_CREATE_OPTIONS: Final = {
    Role.OWNER: "NOLOGIN",
    Role.WRITER: "NOLOGIN",
    Role.API: "NOLOGIN",
    # No password: nobody logs in until an administrator gives it one.
    Role.GRAFANA: "LOGIN NOINHERIT CONNECTION LIMIT 10",
}

_GRAFANA_SETTINGS: Final = (
    "statement_timeout = '15s'",
    "default_transaction_read_only = on",  # a default only: the grants are the guard
    "search_path = reporting",
    "jit = off",
    "timezone = 'UTC'",
)

# Another database's migration may create the role between the question and the answer: roles are
# unique in the cluster, and advisory locks reach no further than one database.
_CREATE_ROLE = """
DO $goldseam$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE {role} {options};
    {settings}
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$goldseam$"""

# From version 16 on, creating a role gives the right to grant it, not the right to become it.
_GRANT_MEMBERSHIP = """
DO $goldseam$
DECLARE
  modern boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
  IF NOT pg_has_role(current_user, '{role}', CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT {role} TO %I', current_user)
      || CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$goldseam$"""

_GRANT_PLACE = """
DO $goldseam$
BEGIN
  IF NOT has_database_privilege('goldseam_owner', current_database(), 'CREATE') THEN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO goldseam_owner', current_database());
  END IF;
  IF NOT has_schema_privilege('goldseam_owner', 'public', 'CREATE') THEN
    GRANT USAGE, CREATE ON SCHEMA public TO goldseam_owner;
  END IF;
  IF NOT has_database_privilege('goldseam_writer', current_database(), 'TEMPORARY') THEN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO goldseam_writer', current_database());
  END IF;
  IF NOT has_database_privilege('grafana_ro', current_database(), 'CONNECT') THEN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO grafana_ro', current_database());
  END IF;
END
$goldseam$"""


def setup_statements() -> list[str]:
    """Return the SQL that creates the roles, lets the login become them, and gives them a place.

    Running it again changes nothing. The login needs `CREATEROLE` and must own the database,
    unless an administrator has done all of it beforehand.
    """
    creations = [_create(role) for role in Role]
    memberships = [_GRANT_MEMBERSHIP.format(role=role) for role in Role]
    return [*creations, *memberships, _GRANT_PLACE]


def _create(role: Role) -> str:
    settings = _GRAFANA_SETTINGS if role is Role.GRAFANA else ()
    return _CREATE_ROLE.format(
        role=role,
        options=_CREATE_OPTIONS[role],
        settings="\n    ".join(f"ALTER ROLE {role} SET {setting};" for setting in settings),
    )
