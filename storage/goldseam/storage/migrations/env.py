"""Run migrations on the connection that `goldseam.storage.migrate` opened.

Alembic executes this file; there is no ini file and no other way in.
"""

from alembic import context

from goldseam.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
