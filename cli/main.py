"""`headgate`: every command of the project.

Only what the asked command needs is imported: all of it together takes seconds, and each service starts through here.
"""

import logging
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from cli import environment
from cli.errors import CommandError
from devstack.errors import DevstackError
from runtime import release

# Each command, or group of commands, and where it lives: imported when asked for, or when help lists them all.
COMMANDS = {
    "audit": "cli.audit.audit_command:audit",
    "config": "cli.config_command:config",
    "dead-letters": "cli.topics.dead_letters_command:app",
    "doctor": "cli.doctor.doctor_command:doctor",
    "forget": "cli.removal.forget_command:forget",
    "gateway": "cli.services.gateway_command:gateway",
    "keys": "cli.keys_command:app",
    "load": "cli.load.load_command:load",
    "metrics": "cli.topics.metrics_command:app",
    "migrate": "cli.services.migrate_command:migrate",
    "recovery": "cli.recovery.recovery_command:app",
    "replay": "cli.audit.replay_command:replay",
    "retention": "cli.removal.retention_command:retention",
    "run": "cli.stack.run_command:run",
    "topics": "cli.topics.topics_command:app",
    "trace": "cli.audit.trace_command:trace",
    "worker": "cli.services.worker_command:app",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"headgate {release.described()}")
        raise typer.Exit


@app.callback()
def prepare(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="The version, and its commit.")
    ] = False,
) -> None:
    """The front door of a Kafka stream: applications in over HTTP, stored in PostgreSQL, published on Kafka.

    Settings come from the environment and `.env`; `headgate config` shows what is in force.
    """
    environment.prepare()


def main() -> None:
    """The entry point: an expected failure is one line on the error stream and exit code 1."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what it reports comes as an error too
    show_no_type_of_flags()
    add_asked_for(sys.argv[1:])
    try:
        app()
    except (CommandError, DevstackError) as error:
        typer.echo(f"headgate: {error}", err=True)
        sys.exit(1)


def show_no_type_of_flags() -> None:
    """Help shows what kind of value an option takes; a flag takes none, and would be shown to take a `<bool>`."""
    shown = TyperOption.display_type_rich

    def of_a_value(self: TyperOption, ctx: Any) -> str | None:
        return None if self.is_bool_flag else shown(self, ctx)

    TyperOption.display_type_rich = of_a_value  # type: ignore[method-assign]


def add_asked_for(arguments: list[str]) -> None:
    """Add the command that is asked for, none for the version; all for help, or for one that nobody knows."""
    asked = next((argument for argument in arguments if not argument.startswith("-")), "")
    for name in [asked] if asked in COMMANDS else [] if arguments == ["--version"] else COMMANDS:
        _add(name)


def _add(name: str) -> None:
    module, attribute = COMMANDS[name].split(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)
