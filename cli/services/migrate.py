"""The migrations as a command sees them."""

import migrations
from cli.errors import CommandError
from runtime.postgresql.server import PostgreSQL


async def migrate(server: PostgreSQL | str) -> str:
    """Bring the database to this version's schema and return the revision; CommandError if that cannot be."""
    try:
        return await migrations.migrate(server)
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error
