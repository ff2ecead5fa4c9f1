"""The schema of the database, in steps; `migrate` brings a database to this version."""

from migrations.schema import MigrationError, downgrade, head, migrate

__all__ = ["MigrationError", "downgrade", "head", "migrate"]
