"""The command line of `headgate audit`."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli import environment
from cli.audit.audit import Audit
from cli.audit.audit import audit as compare_all
from cli.finish import finish, progress
from gateway.settings import Settings

NOTHING_COMPARED = 3

_MEANINGS = {
    "rows": "applications in PostgreSQL",
    "events": "of these and others on the topic, unmarked",
    "missing": "rows that are not on the topic",
    "duplicate": "events that are there once more",
    "differing": "events that do not say what the row says",
    "held": "in an outbox: a gateway is about to publish them",
    "unpublishable": "set aside: the broker refuses their content",
    "erased": "events whose row `headgate forget` erased",
    "expired": "events older than what `headgate retention` keeps",
    "foreign": "events without a row: younger than a restored backup, lost in a failover, or another producer's",
    "dead": "records that are no application",
    "replayed": "events marked as published again",
    "outside": "events older or younger than the range compared",
    "untold": "rows older than what the topic holds of their partition",
    "drift": "missing + duplicate + differing + the workers' drift + absent lines",
}


def audit(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    journal: Annotated[
        list[Path] | None,
        typer.Option(help="A file with the journal's lines; may be repeated.", exists=True, dir_okay=False),
    ] = None,
    differences: Annotated[
        typer.FileTextWrite | None,
        typer.Option(help="Write all differences to this file: kind and id, one a line.", lazy=False),
    ] = None,
) -> None:
    """Compare PostgreSQL, topic, counters and journal. Exit code 1 if anything is missing, double or different.

    Compared is what both sides still hold; what a gateway is about to publish is left out. Exit code 3 if that is
    nothing.
    """
    settings = environment.read(Settings)
    tell = partial(typer.echo, file=differences) if differences else lambda _: None
    with progress("auditing") as report:
        found = finish(compare_all(settings, report, journal=journal or (), tell=tell))
    fields = found.to_fields()
    if as_json:
        typer.echo(json.dumps(fields, indent=2))
    else:
        _show(found, fields)
    raise typer.Exit(int(found.drift > 0) if found.compared else NOTHING_COMPARED)


def _show(found: Audit, fields: dict[str, Any]) -> None:
    typer.echo(f"{found.verdict}\n")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("count", justify="right")
    for name, meaning in _MEANINGS.items():
        table.add_row(str(fields[name]), name, meaning)
    Console().print(table)
    for name in found.books:
        typer.echo(f"{name}: {_told(fields[name]) if fields[name] else 'not begun'}")
    for junk in found.junk:
        typer.echo(f"{junk}: no worker takes them for its own, but somebody else writes there")
    if fields["journal_lines"]:
        typer.echo(f"journal's files: {_told(fields['journal_lines'])}")
    for example in fields["examples"]:
        typer.echo(example)
    if found.compared:
        typer.echo(f"compared: {found.since:%Y-%m-%d %H:%M:%S} to {found.until:%Y-%m-%d %H:%M:%S} UTC")


def _told(books: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in books.items())
