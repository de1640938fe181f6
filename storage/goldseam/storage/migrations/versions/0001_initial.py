"""Create the tables, their default partitions, row level security and the reporting views.

Runs as `goldseam_owner`. Until the first release this is the only migration, and it makes what
`goldseam.storage.schema` says; a database made by an unreleased version is dropped, not migrated.

Revision ID: 0001
"""

from alembic import op

from goldseam.storage import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    for statement in schema.create_statements():
        op.get_bind().exec_driver_sql(statement)
    op.execute("GRANT SELECT ON alembic_version TO goldseam_writer, goldseam_api")


def downgrade() -> None:
    """Drop everything but the roles, which other databases of the cluster may use."""
    for statement in schema.drop_statements():
        op.get_bind().exec_driver_sql(statement)
    op.execute("REVOKE SELECT ON alembic_version FROM goldseam_writer, goldseam_api")
