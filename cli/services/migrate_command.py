"""`headgate migrate`: the database brought to the schema of this version, and who may use it."""

import asyncio
from typing import Annotated

import typer

from cli import environment
from cli.services import migrate as step
from gateway.settings import Settings


def migrate(
    *,
    grants: Annotated[
        str | None,
        typer.Option(
            "--grants", metavar="ROLE", help="Give this role what gateways and the web view need, and show it."
        ),
    ] = None,
) -> None:
    """Bring the database to the schema of this version. Safe to repeat, also twice at once.

    The months ahead are made on the way: where gateways run as a role of their own, run this every month.
    """
    server = environment.read(Settings).postgresql
    typer.echo(f"the database is at revision {asyncio.run(step.migrate(server, typer.echo))}")
    if grants:
        typer.echo("\n".join(f"{statement};" for statement in asyncio.run(step.allow(server, grants))))
