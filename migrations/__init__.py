"""The schema of the database, in steps; `migrate` brings a database to this version."""

from migrations.schema import MigrationError, allow, downgrade, head, migrate

__all__ = ["MigrationError", "allow", "downgrade", "head", "migrate"]
