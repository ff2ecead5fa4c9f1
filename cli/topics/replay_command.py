"""The command line of `headgate replay`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from cli import environment
from cli.errors import CommandError
from cli.finish import finish, progress
from cli.topics.replay import Choice, find_missing, pages, publish
from contracts import Stored
from gateway.database.connection import open_engine
from gateway.settings import Settings

Instant = Annotated[datetime | None, typer.Option(help="Accepted from then on, or until then; UTC.")]


def replay(
    *,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only what is not on the topic; counted as usual.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Whatever is chosen, marked as a replay: not counted.")
    ] = False,
    id_: Annotated[list[UUID] | None, typer.Option("--id", help="This application; may be repeated.")] = None,
    since: Instant = None,
    until: Instant = None,
    after: Annotated[UUID | None, typer.Option(help="Go on after this id, as an interrupted run says.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="At most so many a second; 0: no limit.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
) -> None:
    """Publish applications from PostgreSQL again. A run that was cut short may simply be repeated with --missing."""
    if missing == again:
        raise CommandError("say either --missing or --again")
    if again and not id_ and since is None:
        raise CommandError("--again needs --id or --since: it publishes whatever is chosen")
    choice = Choice(ids=id_ or (), since=_utc(since), until=_utc(until), after=after)
    finish(_replay(environment.read(Settings), choice, again=again, rate=rate, dry_run=dry_run))


async def _replay(settings: Settings, choice: Choice, *, again: bool, rate: float, dry_run: bool) -> None:
    rows = await _chosen(settings, choice, again=again)
    if dry_run:
        typer.echo(f"{len(rows)} would be published")
        return
    reached: UUID | None = None
    try:
        with progress("publishing") as report:
            published = publish(
                settings.kafka_bootstrap_servers, settings.topics, rows, again=again, rate=rate, report=report
            )
            async for id_ in published:
                reached = id_
    finally:
        if rows and reached != rows[-1].id:
            typer.echo(
                f"cut short: go on with --after {reached}" if reached else "cut short before the first", err=True
            )
    typer.echo(f"{len(rows)} published")


async def _chosen(settings: Settings, choice: Choice, *, again: bool) -> list[Stored]:
    engine = open_engine(settings.database_url.get_secret_value())
    now = datetime.now(UTC)
    try:
        async with engine.connect() as connection:
            if again:
                until = choice.closed_until(now)
                return [row async for page in pages(connection, choice, until=until) for row in page]
            found = await find_missing(connection, settings.kafka_bootstrap_servers, settings.topics, choice, now=now)
    finally:
        await engine.dispose()
    if found.held:
        typer.echo(f"{found.held} are in an outbox: a gateway publishes them by itself")
    if found.before_topic:
        typer.echo(f"{found.before_topic} are older than what the topic holds: left out")
    return list(found.rows)


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=instant.tzinfo or UTC)
