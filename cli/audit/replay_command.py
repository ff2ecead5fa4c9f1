"""The command line of `headgate replay`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli import environment
from cli.audit.replay import Choice, count_of, find_missing, found_rows, held_among, not_held, pages, publish
from cli.errors import CommandError
from cli.finish import finish, progress
from cli.numeric import numeric
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
    rate: Annotated[float, numeric("At most so many a second; 0: no limit.", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
) -> None:
    """Publish applications from PostgreSQL again. A run that was cut short may simply be repeated with --missing."""
    if missing == again:
        raise CommandError("say either --missing or --again")
    if again and not id_ and since is None:
        raise CommandError("--again needs --id or --since: it publishes whatever is chosen")
    choice = Choice(ids=id_ or (), since=_utc(since), until=_utc(until), after=after).closed_until(datetime.now(UTC))
    work = _again if again else _missing
    finish(work(environment.read(Settings), choice, rate=rate, dry_run=dry_run))


async def _missing(settings: Settings, choice: Choice, *, rate: float, dry_run: bool) -> None:
    with TemporaryFile() as ids:
        async with _connected(settings, isolation_level="REPEATABLE READ") as connection:
            with progress("comparing") as report:
                found = await find_missing(connection, settings.kafka, settings.topics, choice, ids, report=report)
        if found.held:
            typer.echo(f"{found.held} are in an outbox: a gateway publishes them by itself")
        if found.untold:
            typer.echo(f"{found.untold} are older than what the topic holds of their partition: left out")
        if dry_run:
            typer.echo(f"{found.count} would be published")
            return
        async with _connected(settings, isolation_level="AUTOCOMMIT") as connection:
            await _publish(settings, found_rows(connection, ids), found.count, again=False, rate=rate)


async def _again(settings: Settings, choice: Choice, *, rate: float, dry_run: bool) -> None:
    async with _connected(settings, isolation_level="AUTOCOMMIT") as connection:
        if choice.ids and (held := await held_among(connection, choice.ids)):
            raise CommandError(f"{min(held)} is in a gateway's outbox: replay it when the gateway has published it")
        count = await count_of(connection, choice)
        if dry_run:
            typer.echo(f"{count} would be published, but for those that an outbox holds by then")
            return
        first, last = choice.range()
        rows = not_held(connection, pages(connection, choice, first=first, last=last))
        await _publish(settings, rows, count, again=True, rate=rate)


async def _publish(
    settings: Settings, rows: AsyncIterator[Sequence[Stored]], count: int, *, again: bool, rate: float
) -> None:
    reached: UUID | None = None
    done = 0
    published = publish(settings.kafka, settings.topics, rows, again=again, rate=rate)
    whole = False
    try:
        with progress("publishing") as report:
            async for part in published:
                reached = part[-1].id
                done += len(part)
                report(done, count)
        whole = True
    finally:
        if not whole:
            typer.echo(
                f"cut short: go on with --after {reached}" if reached else "cut short before the first", err=True
            )
    typer.echo(f"{done} published" + (f", {count - done} left out: an outbox holds them" if done < count else ""))


@asynccontextmanager
async def _connected(settings: Settings, *, isolation_level: str) -> AsyncIterator[AsyncConnection]:
    engine = open_engine(settings.postgresql, isolation_level=isolation_level)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=instant.tzinfo or UTC)
