"""Run migrations on the connection that `goldseam.storage.migrate` opened.

Alembic executes this file; there is no ini file and no other way in.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
