"""`headgate metrics`: the counters built anew, and holes of the topic booked."""

from enum import StrEnum
from typing import Annotated

import typer

from cli import environment
from cli.finish import finish, progress
from contracts import JOURNAL_TABLE, METRICS_TABLE
from stream_workers.books import repair
from stream_workers.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The states of the workers: rebuild them, book what the topic lost.")


class Table(StrEnum):
    """Whose state."""

    COUNTERS = METRICS_TABLE
    POSITIONS = JOURNAL_TABLE


@app.command()
def rebuild(
    *,
    table: Annotated[Table, typer.Option(help="The counters, or the journal's positions.")] = Table.COUNTERS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Count the whole topic again beside the running workers, then switch to the result.

    Only what the topic still holds is counted; the journal begins again with its first event.
    """
    settings = environment.read(Settings)
    if not yes:
        typer.confirm(f"What the topic no longer holds will be missing from the {table}. Go on?", abort=True)
    if table is Table.POSITIONS:
        finish(repair.restart_journal(settings.kafka_bootstrap_servers, settings.topics))
        typer.echo("the journal begins again at the topic's first event")
        return
    with progress("counting the topic") as report:
        states = finish(repair.rebuild_counters(settings.kafka_bootstrap_servers, settings.topics, progress=report))
    for partition, state in sorted(states.items()):
        typer.echo(f"partition {partition}: {state.total} counted, {state.dead} dead, up to offset {state.last_offset}")


@app.command("book-missing")
def book_missing(
    *,
    partition: Annotated[int, typer.Option(min=0)],
    table: Annotated[Table, typer.Option(help="Whose state.")] = Table.COUNTERS,
) -> None:
    """Go on without offsets that the topic lost before they were read; they are booked as missing."""
    settings = environment.read(Settings)
    booked = finish(
        repair.book_missing(settings.kafka_bootstrap_servers, settings.topics, table=table, partition=partition)
    )
    if booked is None:
        typer.echo("nothing is missing there")
    else:
        first, last = booked
        typer.echo(f"partition {partition}: offsets {first} to {last} are booked as missing; start the workers again")
