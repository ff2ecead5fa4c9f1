"""`headgate topics grow`: what it says and asks."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from cli import environment
from cli.finish import finish
from cli.settings import Settings as TopicSettings
from cli.topics.grow import Step, plan
from cli.topics.grow import grow as carry_out
from gateway.settings import Settings

_MEANING = """\
Users move: the key decides the partition, and with more of them many keys get another one. Events of such a user from
before the growth stay where they are, so somebody may read a later one first; from then on they are in order again.
Partitions cannot be taken away. Gateways and workers may run: within a minute they use the new ones."""


def grow(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Give the events and all changelogs as many partitions as KAFKA_PARTITIONS says. Nothing is counted again.

    Safe to repeat, also after an interruption and twice at once.
    """
    settings = environment.read(Settings)
    partitions = environment.read(TopicSettings).kafka_partitions
    steps = finish(plan(settings.kafka, settings.topics, partitions))
    if steps and not dry_run:
        if not yes:
            _ask(steps)

        def report(step: Step) -> None:
            typer.echo(f"{step.topic}  {step.now} → {step.then}", err=as_json)

        finish(carry_out(settings.kafka, steps, report=report))
    if as_json:
        planned = [asdict(step) for step in steps]
        typer.echo(json.dumps({"partitions": partitions, "steps": planned, "dry_run": dry_run}))
    elif not steps:
        typer.echo(f"there are {partitions} partitions already")
    elif dry_run:
        typer.echo("\n".join(f"{step.topic}  {step.now} → {step.then} would be done" for step in steps))


def _ask(steps: Sequence[Step]) -> None:
    for step in steps:
        typer.echo(f"{step.topic}  {step.now} → {step.then} partitions", err=True)
    typer.echo(_MEANING, err=True)
    typer.confirm("Go on?", abort=True, err=True)
