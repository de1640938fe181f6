"""The tables that hold no telemetry: API keys, the audit, and where the past ends.

`schema` creates them; the API reads and writes them inside `engine.tenant_transaction`. A key
belongs to one tenant, or to all with `*`; only its hash is stored.
"""

from typing import Final

from sqlalchemy import Column, DateTime, Index, PrimaryKeyConstraint, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from goldseam.storage.models import Base


def _text(name: str, comment: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable, comment=comment)


def _time(name: str, comment: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, comment=comment)


KEYS: Final = Table(
    "goldseam_keys",
    Base.metadata,
    _text("tenant_id", "Tenant that the key speaks for; * for all"),
    _text("key_id", "The id inside gs_<env>_<id>_<secret>; not secret"),
    _text("environment", "The env inside the key"),
    _text("secret_sha256", "Hex SHA-256 of the secret, which is random and never stored"),
    Column(
        "scopes",
        ARRAY(Text),
        nullable=False,
        comment="logs:read stats:read errors:read errors:write logs:delete playbook:read "
        "ingest:write admin",
    ),
    _text("label", "What the key is for, in its owner's words", nullable=True),
    _time("created_at", "When the key was made", nullable=False),
    _text("created_by", "Key id, or command line, that made it"),
    _time("expires_at", "From then on it is refused; NULL: never"),
    _time("last_used_at", "Last use, to the hour"),
    _time("revoked_at", "From then on it is refused; NULL: it is not revoked"),
    PrimaryKeyConstraint("tenant_id", "key_id"),
    Index("ix_goldseam_keys_key_id", "key_id"),
    comment="API and ingest keys; hashes only",
)

AUDIT: Final = Table(
    "goldseam_audit",
    Base.metadata,
    _text("tenant_id", "Tenant whose data was touched; * for all"),
    _time("created_at", "When it was done", nullable=False),
    Column("id", Uuid, nullable=False, comment="Random"),
    _text("actor", "Key id, or command line, that did it"),
    _text("action", "What was done, as in logs.delete or errors.correction.enable"),
    _text("target", "What it was done to, as in an error pattern's id", nullable=True),
    Column(
        "details",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="Counts and values before and after; no content",
    ),
    PrimaryKeyConstraint("tenant_id", "created_at", "id"),
    comment="What people and keys changed; rows are never updated",
)

HORIZON: Final = Table(
    "goldseam_horizon",
    Base.metadata,
    _text("tenant_id", "Tenant whose rows were deleted; * for all"),
    _time("before", "Rows that started before it are gone, and refused", nullable=False),
    PrimaryKeyConstraint("tenant_id"),
    comment="Where the past ends: what comes again from before is not stored again",
)

SERVER_TABLES: Final = (KEYS, AUDIT, HORIZON)
