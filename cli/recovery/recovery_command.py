"""`headgate recovery …`: leases of gateways that are gone, listed, and let go on where their drain is stopped."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncConnection

from cli import environment
from cli.errors import CommandError
from cli.finish import finish, progress
from cli.listing import listing, show
from cli.recovery import release as step
from cli.recovery import waiting
from cli.recovery.release import Owed
from cli.recovery.waiting import Waiting
from gateway.database.connection import open_engine
from gateway.settings import Settings

app = typer.Typer(help="What gateways that are gone have left to publish: list, release.", no_args_is_help=True)


@app.command("list")
def list_(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of a table.")] = False
) -> None:
    """Show the leases that are being drained, and why a drain is stopped."""
    with progress("looking"):
        found = finish(_waiting(environment.read(Settings)))
    if as_json:
        typer.echo(json.dumps([asdict(one) | {"lease": str(one.lease)} for one in found]))
    elif found:
        _show(found)
    else:
        typer.echo("No lease is being drained: what gateways that are gone have left is published.")


def _show(found: Sequence[Waiting]) -> None:
    table = listing("lease", "gateway", "rows", "applications", "oldest", "why it waits")
    for one in found:
        why = one.reason or "being drained"
        table.add_row(str(one.lease), one.instance, str(one.rows), str(one.applications), f"{one.age:.0f} s", why)
    show(table, Console())


@app.command()
def release(
    lease: Annotated[UUID, typer.Argument(help="as `headgate recovery list` shows it")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let a stopped drain go on: what the topic of today does not hold is published to it, in order."""
    settings = environment.read(Settings)
    found, owed = finish(_owed(settings, lease))
    if found.reason is None:
        raise CommandError(f"the drain of {lease} is not stopped: it goes on by itself")
    typer.echo(f"It is stopped: {found.reason}")
    typer.echo(f"{found.applications} applications, of which the topic of today lacks {len(owed.missing)}.")
    typer.echo("The gateway that has claimed the lease publishes those within half a minute of your yes.")
    _name(owed.doubtful)
    if not yes:
        typer.confirm("Release it?", abort=True)
    typer.echo(f"released: {finish(_release(settings, lease))} rows")


def _name(doubtful: Sequence[UUID]) -> None:
    if doubtful:
        typer.echo(f"Of {len(doubtful)} nobody can tell: they may have been published before retention removed them,")
        typer.echo("and consumers may then see them a second time, under the same id:")
        for id_ in doubtful:
            typer.echo(f"  {id_}")


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """One transaction, committed at the end of the block."""
    engine = open_engine(settings.postgresql)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _waiting(settings: Settings) -> list[Waiting]:
    now = await waiting.topic_now(settings.kafka, settings.topics.applications)
    async with _connected(settings) as connection:
        return await waiting.waiting(connection, now)


async def _owed(settings: Settings, lease: UUID) -> tuple[Waiting, Owed]:
    kafka, topic = settings.kafka, settings.topics.applications
    now = await waiting.topic_now(kafka, topic)
    async with _connected(settings) as connection:
        for one in await waiting.waiting(connection, now):
            if one.lease == lease:
                return one, await step.owed(connection, lease, now, kafka=kafka, topic=topic)
    raise CommandError(f"no gateway drains a lease {lease}; `headgate recovery list` shows those that are drained")


async def _release(settings: Settings, lease: UUID) -> int:
    async with _connected(settings) as connection:
        return await step.release(connection, lease)
