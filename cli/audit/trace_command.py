"""The command line of `headgate trace`."""

import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from cli import environment
from cli.audit.trace import Way, way_of
from cli.errors import CommandError
from cli.finish import finish, progress
from gateway.database.connection import open_engine
from gateway.settings import Settings


def trace(
    id_: Annotated[UUID, typer.Argument(metavar="ID", help="The application's id.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """One application's way: accepted, published (partition and offset), journaled, counted."""
    with progress("searching the topic"):
        way = finish(_look(environment.read(Settings), id_))
    typer.echo(json.dumps(way.to_fields(), default=str) if as_json else "\n".join(_lines(way)))
    if way.accepted is None and way.removed is None and not way.published:
        raise CommandError(f"there is no application {id_}")


async def _look(settings: Settings, id_: UUID) -> Way:
    engine = open_engine(settings.postgresql)
    try:
        async with engine.connect() as connection:
            return await way_of(connection, settings.kafka, settings.topics, id_)
    finally:
        await engine.dispose()


def _lines(way: Way) -> list[str]:
    outbox = "a gateway's outbox holds it" if way.waiting else way.refused or "no outbox holds it"
    published = [
        f"partition {one.partition} offset {one.offset} at {_time(one.at)}{' (replay)' if one.replayed else ''}"
        for one in way.published
    ]
    return [
        f"accepted   {_time(way.accepted) if way.accepted else way.removed or 'not in PostgreSQL'}",
        f"committed  {outbox}" if way.accepted else "committed  -",
        *(f"published  {line}" for line in published or ["not on the topic"]),
        f"journaled  {_yes(way.journaled)}",
        f"counted    {_yes(way.counted)}",
    ]


def _time(instant: datetime | None) -> str:
    return instant.isoformat(timespec="milliseconds") if instant else "no time that can be"


def _yes(reached: bool | None) -> str:
    return {True: "yes", False: "not yet", None: "-"}[reached]
