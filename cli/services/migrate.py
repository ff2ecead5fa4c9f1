"""The migrations as a command sees them."""

from collections.abc import Sequence

import migrations
from cli.errors import CommandError
from runtime.postgresql.server import PostgreSQL


async def migrate(server: PostgreSQL | str) -> str:
    """Bring the database to this version's schema and return the revision; CommandError if that cannot be."""
    try:
        return await migrations.migrate(server)
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error


async def allow(server: PostgreSQL, role: str) -> Sequence[str]:
    """Give a role its grants and return the statements; CommandError if that cannot be."""
    try:
        return await migrations.allow(server, role)
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error
