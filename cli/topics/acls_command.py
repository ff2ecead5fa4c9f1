"""`headgate topics acls`: the commands that give each part its rights."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer

from cli import environment
from cli.errors import CommandError
from cli.topics.rights import Right, rights
from gateway.settings import Settings


def acls(
    *,
    principal: Annotated[str, typer.Option(help="Who gets the rights.")] = "User:headgate",
    part: Annotated[str | None, typer.Option(help="Only of: gateway, 'worker metrics', commands …")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The rights as one JSON list instead of commands.")] = False,
) -> None:
    """Print the kafka-acls.sh commands that allow what Headgate needs; nothing is changed."""
    settings = environment.read(Settings)
    every = rights(settings.topics)
    wanted = [right for right in every if part in (None, right.part)]
    if not wanted:
        raise CommandError(f"no part is called {part}: {', '.join(dict.fromkeys(right.part for right in every))}")
    if as_json:
        typer.echo(json.dumps([asdict(right) for right in wanted], indent=2))
        return
    for line in commands(wanted, settings.kafka_bootstrap_servers, principal):
        typer.echo(line)


def commands(wanted: list[Right], bootstrap_servers: str, principal: str) -> Iterator[str]:
    """One for each right, under a line for each part; ``administrator.properties`` are whoever may give rights."""
    start = ["kafka-acls.sh", "--bootstrap-server", bootstrap_servers, "--command-config", "administrator.properties"]
    for part, of_part in groupby(wanted, key=lambda right: right.part):
        yield f"# {part}"
        for right in of_part:
            operations = [word for operation in right.operations for word in ("--operation", operation)]
            resource = ["--cluster"] if right.resource == "cluster" else [f"--{right.resource}", right.name]
            if right.without:
                yield f"# may be left out: {right.without}"
            yield shlex.join([*start, "--add", "--allow-principal", principal, *operations, *resource])
