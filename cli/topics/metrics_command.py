"""`headgate metrics`: the counters built anew, and holes of the topic booked."""

from typing import Annotated

import typer

from cli import environment
from cli.finish import finish, progress
from stream_workers.books import repair
from stream_workers.kinds import METRICS, OF_TABLE
from stream_workers.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The states of the workers: rebuild them, book what the topic lost.")


def _known(table: str) -> str:
    if table not in OF_TABLE:
        raise typer.BadParameter(f"there are {' and '.join(OF_TABLE)}")
    return table


Table = Annotated[str, typer.Option(callback=_known, metavar="|".join(OF_TABLE), help="Whose state.")]


@app.command()
def rebuild(
    *,
    table: Table = METRICS.table,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Count the whole topic again beside the running workers, then switch to the result.

    A worker goes on where it ends: at the topic's end, or earlier at an open breaker or a bad event not set aside yet.
    Only what the topic still holds is counted; every other kind begins again with its first event.
    """
    settings = environment.read(Settings)
    if not yes:
        typer.confirm(f"What the topic no longer holds will be missing from the {table}. Go on?", abort=True)
    kind = OF_TABLE[table]
    if kind != METRICS:
        finish(repair.restart(settings.kafka, settings.topics, kind))
        typer.echo(f"the {kind} begins again at the topic's first event")
        return
    with progress("counting the topic") as report:
        states = finish(repair.rebuild_counters(settings.kafka, settings.topics, progress=report))
    for partition, state in sorted(states.items()):
        typer.echo(f"partition {partition}: {state.total} counted, {state.dead} dead, up to offset {state.last_offset}")


@app.command("book-missing")
def book_missing(
    *,
    partition: Annotated[int, typer.Option(min=0, help="The number of the partition.")],
    table: Table = METRICS.table,
) -> None:
    """Go on without offsets that the topic lost before they were read; they are booked as missing."""
    settings = environment.read(Settings)
    booked = finish(repair.book_missing(settings.kafka, settings.topics, kind=OF_TABLE[table], partition=partition))
    if booked is None:
        typer.echo("nothing is missing there")
    else:
        first, last = booked
        typer.echo(f"partition {partition}: offsets {first} to {last} are booked as missing; start the workers again")
