"""`headgate worker KIND`: one worker in the foreground, one command for each kind."""

import os
import signal
from collections.abc import Callable

import typer

from cli import environment
from cli.loading import loading
from stream_workers.kinds import KINDS, Kind
from stream_workers.settings import Settings

app = typer.Typer(help="Run one stream worker in the foreground.", no_args_is_help=True)


def _command(kind: Kind) -> Callable[[], None]:
    def worker() -> None:
        # Until the worker takes over, nothing is begun that would have to be ended.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        with loading():
            from stream_workers.worker import run

        raise typer.Exit(run(environment.read(Settings), kind))

    return worker


for _kind in KINDS.values():
    app.command(_kind.name, help=_kind.does)(_command(_kind))
