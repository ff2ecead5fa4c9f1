"""The migrations as a command sees them."""

import logging
from collections.abc import Callable, Sequence

import migrations
from cli.errors import CommandError
from runtime.postgresql.server import PostgreSQL

_log = logging.getLogger(__name__)


async def migrate(server: PostgreSQL | str, tell: Callable[[str], None] = _log.info) -> str:
    """Bring the database to this version's schema and return the revision; CommandError if that cannot be."""
    try:
        return await migrations.migrate(server, tell=tell)
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error


async def allow(server: PostgreSQL, role: str) -> Sequence[str]:
    """Give a role its grants and return the statements; CommandError if that cannot be."""
    try:
        return await migrations.allow(server, role)
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error
