"""`headgate`: every command of the project.

Only what the asked command needs is imported: all of it together takes seconds, and each service starts through here.
"""

import logging
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from cli import commands, environment
from cli.errors import CommandError
from cli.loading import loading
from devstack.errors import DevstackError
from runtime import release

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
    with loading():
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
    """Add the command that is asked for; what all do for help, or for one that nobody knows; none for the version."""
    asked = next((argument for argument in arguments if not argument.startswith("-")), "")
    if asked in commands.COMMANDS:
        commands.add(app, asked)
    elif arguments != ["--version"]:
        for name in commands.COMMANDS:
            commands.announce(app, name)
