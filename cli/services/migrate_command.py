"""`headgate migrate`: the database brought to the schema of this version."""

import asyncio

import typer

from cli import environment
from cli.services import migrate as step
from gateway.settings import Settings


def migrate() -> None:
    """Bring the database to the schema of this version. Safe to repeat, also twice at once."""
    settings = environment.read(Settings)
    revision = asyncio.run(step.migrate(settings.postgresql))
    typer.echo(f"the database is at revision {revision}")
