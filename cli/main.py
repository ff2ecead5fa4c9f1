"""`headgate`: every command of the project.

Only what the asked command needs is imported: all of it together takes seconds, and each service starts through here.
"""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import Annotated

import typer

from cli import config as config_
from cli import environment
from cli.errors import CommandError
from cli.settings import Settings as TopicSettings
from devstack.errors import DevstackError
from gateway.settings import Settings as GatewaySettings

# Commands and groups of commands with modules of their own: imported when asked for, or when help lists them all.
_ELSEWHERE = {
    "audit": "cli.audit.audit_command:audit",
    "dead-letters": "cli.topics.dead_letters_command:app",
    "doctor": "cli.doctor.doctor_command:doctor",
    "forget": "cli.removal.forget_command:forget",
    "keys": "cli.keys:app",
    "metrics": "cli.topics.metrics_command:app",
    "replay": "cli.topics.replay_command:replay",
    "retention": "cli.removal.retention_command:retention",
    "trace": "cli.audit.trace_command:trace",
    "worker": "cli.services.worker_command:app",
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
topics_app = typer.Typer(no_args_is_help=True, help="The topics: create them, let them grow, look at what is on them.")
app.add_typer(topics_app, name="topics")


@app.callback()
def prepare() -> None:
    """The front door of a Kafka stream: applications in over HTTP, stored in PostgreSQL, published on Kafka.

    Settings come from the environment and `.env`; `headgate config` shows what is in force.
    """
    environment.prepare()


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version. Safe to repeat, also twice at once."""
    from cli.services.migrate import migrate as migrate_

    settings = environment.read(GatewaySettings)
    revision = asyncio.run(migrate_(settings.database_url.get_secret_value()))
    typer.echo(f"the database is at revision {revision}")


@app.command()
def run() -> None:
    """Start everything on this machine: PostgreSQL and Kafka (unless settings name others), gateway, workers."""
    from cli.stack.run import run as run_  # needs the development stack, which an image does not have
    from cli.stack.wanted import Wanted

    run_(Wanted.read())


@app.command()
def gateway() -> None:
    """Run the gateway in the foreground; SIGTERM ends it after the drain, with exit code 0."""
    from gateway.server import run as serve

    serve(environment.read(GatewaySettings))


@app.command()
def load(
    *,
    url: Annotated[str, typer.Option(help="The gateway; by default the one of these settings.")] = "",
    rate: Annotated[float, typer.Option(min=0, help="Requests per second; 0 = as fast as possible.")] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many requests.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so long; 10 without --count.")] = None,
    connections: Annotated[int, typer.Option(min=1, max=10_000, help="Connections kept open.")] = 64,
    users: Annotated[int, typer.Option(min=1, max=100_000, help="Different user names.")] = 1000,
    idempotency_keys: Annotated[bool, typer.Option("--idempotency-keys", help="Send an Idempotency-Key each.")] = False,
) -> None:
    """Post made-up applications to the gateway, with a live line of rate, latency and errors, and a summary."""
    from cli.load.load import Plan
    from cli.load.screen import load as load_

    gateway_ = environment.read(GatewaySettings)
    load_(
        Plan(
            url=url or f"http://{_reachable(gateway_.gateway_host)}:{gateway_.gateway_port}",
            rate=rate,
            count=count,
            seconds=10.0 if seconds is None and count is None else seconds,
            connections=connections,
            users=users,
            idempotency_keys=idempotency_keys,
        )
    )


@app.command()
def config() -> None:
    """Show the effective settings and where each comes from; secrets are masked."""
    lines = config_.effective()
    names, values = (max(map(len, column)) for column in zip(*((line.name, line.value) for line in lines), strict=True))
    for line in lines:
        typer.echo(f"{line.name:{names}}  {line.value:{values}}  {line.source}")


@topics_app.command("create")
def create_topics() -> None:
    """Create the topics that are missing. Safe to repeat, also twice at once."""
    from cli.topics import create as topics

    settings = environment.read(GatewaySettings)
    shape = environment.read(TopicSettings).shape()
    for name, new in asyncio.run(topics.create(settings.kafka_bootstrap_servers, settings.topics, shape)).items():
        typer.echo(f"{name}  {'created' if new else 'was there'}")


@topics_app.command("grow")
def grow_topics(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Give the events and both changelogs as many partitions as KAFKA_PARTITIONS says. Nothing is counted again.

    Safe to repeat, also after an interruption and twice at once.
    """
    from cli.topics.grow_command import grow

    grow(yes=yes, dry_run=dry_run, as_json=as_json)


@topics_app.command("tail")
def tail_topic(
    *,
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="The dead letters instead.")] = False,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="From the oldest record on.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
) -> None:
    """Print events with their headers as a consumer sees them, until Ctrl-C."""
    from cli.topics import tail

    settings = environment.read(GatewaySettings)
    topic = settings.topics.dead_letters if dead_letters else settings.topics.applications
    _until_interrupted(
        tail.tail(settings.kafka_bootstrap_servers, topic, from_beginning=from_beginning, count=count, show=typer.echo)
    )


def main() -> None:
    """The entry point: an expected failure is one line on the error stream and exit code 1."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what it reports comes as an error too
    add_asked_for(sys.argv[1:])
    try:
        app()
    except (CommandError, DevstackError) as error:
        typer.echo(f"headgate: {error}", err=True)
        sys.exit(1)


def add_asked_for(arguments: list[str]) -> None:
    """Add the command that is asked for if it lives elsewhere; all of them for help, or for one that nobody knows."""
    asked = next((argument for argument in arguments if not argument.startswith("-")), "")
    own = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    if asked in _ELSEWHERE:
        _add(asked)
    elif asked not in own | {"topics"}:
        for name in _ELSEWHERE:
            _add(name)


def _add(name: str) -> None:
    module, attribute = _ELSEWHERE[name].split(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


def _reachable(host: str) -> str:
    """An address to connect to, for one to listen on."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 -- compared, not bound


def _until_interrupted(work: Coroutine[object, object, None]) -> None:
    """Ctrl-C is how one leaves a command that never ends by itself: no error."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(0)
