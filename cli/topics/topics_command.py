"""`headgate topics`: create them, let them grow, look at what is on them."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Annotated

import typer

from cli import environment
from cli.settings import Settings as TopicSettings
from cli.topics import acls_command, create, groups_command, grow_command, tail
from gateway.settings import Settings
from runtime.kafka.records import Record

app = typer.Typer(no_args_is_help=True, help="The topics: create them, let them grow, look at what is on them.")


@app.command("create")
def create_topics(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object: each topic, whether it is new.")] = False
) -> None:
    """Create the topics that are missing. Safe to repeat, also twice at once."""
    settings = environment.read(Settings)
    shape = environment.read(TopicSettings).shape()
    created = asyncio.run(create.create(settings.kafka, settings.topics, shape))
    if as_json:
        typer.echo(json.dumps(created))
        return
    for name, new in created.items():
        typer.echo(f"{name}  {'created' if new else 'was there'}")


app.command("grow")(grow_command.grow)
app.command("groups")(groups_command.groups)
app.command("acls")(acls_command.acls)


@app.command("tail")
def tail_topic(
    *,
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="The dead letters instead.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="From the oldest record on.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each record, a line each.")] = False,
) -> None:
    """Print events with their headers as a consumer sees them, until Ctrl-C."""
    settings = environment.read(Settings)
    topic = settings.topics.dead_letters if dead_letters else settings.topics.applications
    form = tail.as_json if as_json else tail.printed

    def show(record: Record) -> None:
        typer.echo(form(record))

    _until_interrupted(tail.tail(settings.kafka, topic, from_beginning=from_beginning, count=count, show=show))


def _until_interrupted(work: Coroutine[object, object, None]) -> None:
    """Ctrl-C is how one leaves a command that never ends by itself: no error."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(0)
