"""The migrations as a command sees them."""

import migrations
from cli.errors import CommandError


async def migrate(url: str) -> str:
    """Bring the database to this version's schema and return the revision; CommandError if that cannot be."""
    try:
        return await migrations.migrate(url)
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error
