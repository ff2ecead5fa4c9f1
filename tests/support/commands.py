"""The commands of `headgate` and their options, as the program itself knows them: asked once, not once a question."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cli.commands import COMMANDS, add
from cli.main import app

ROOT = Path(__file__).parents[2]


def exists(*words: str) -> bool:
    """Whether `headgate WORDS… --help` has something to say; words after a command are its arguments."""
    return _command(*words) is not None


def options(*words: str) -> set[str]:
    """The long options of `headgate WORDS…`."""
    return {option for option in _options(_command(*words)) if option.startswith("--")}


def add_all() -> None:
    """Make every command known to the program of this process."""
    for name in COMMANDS:
        add(app, name)


@functools.cache
def commands() -> Any:
    """All of them, each with its ``params`` and, in a group, the ``commands`` below it."""
    add_all()
    return typer.main.get_command(app)


def _command(*words: str) -> Any:
    command = commands()
    for word in words:
        below = getattr(command, "commands", None)
        if below is None or command is None:
            break
        command = below.get(word)
    return command


def _options(command: Any) -> Iterator[str]:
    yield "--help"
    for parameter in command.params if command else ():
        yield from parameter.opts
        yield from parameter.secondary_opts
