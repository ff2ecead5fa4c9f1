"""Alembic's entry point. The connection comes from migrations/schema.py; nothing is read from an ini file."""

from alembic import context

from gateway.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
