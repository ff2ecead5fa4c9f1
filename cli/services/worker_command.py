"""`headgate worker journal` and `headgate worker metrics`: one worker in the foreground."""

import signal
import sys

import typer

from cli import environment
from stream_workers.settings import Kind, Settings

app = typer.Typer(help="Run one stream worker in the foreground.", no_args_is_help=True)


@app.command()
def journal() -> None:
    """Write one line for each event."""
    _run("journal")


@app.command()
def metrics() -> None:
    """Keep the exact counters, and serve the web view."""
    _run("metrics")


def _run(kind: Kind) -> None:
    # Until the worker takes over, nothing is begun that would have to be ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stream_workers.worker import run

    raise typer.Exit(run(environment.read(Settings), kind))
