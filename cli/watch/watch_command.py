"""The command line of `headgate watch`."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.doctor.examination import Examined, examine
from cli.doctor.finding import failed, ok
from cli.errors import CommandError
from cli.numeric import numeric
from cli.watch.changes import Change, changes
from cli.watch.memory import Memory
from cli.watch.program import run, words_of

LOOK_SECONDS = 60.0


def _program(command: str | None) -> str | None:
    try:
        if command is not None:
            words_of(command)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return command


def watch(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="One look, for cron. Exit code 1 if anything has failed.")
    ] = False,
    interval: Annotated[float, numeric("Seconds from one look to the next.", min=1, max=86_400)] = 30,
    command: Annotated[
        str | None,
        typer.Option(
            "--run",
            callback=_program,
            metavar="COMMAND",
            help="Run for each change, without a shell: HEADGATE_STATUS, _BEFORE, _WHAT, _FOUND, _REMEDY, _AT in its "
            "environment, the change on its standard input. Run again at the next look if it fails.",
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A file that remembers what was told, over restarts and cron.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each change, a line each.")] = False,
) -> None:
    """Tell what the doctor finds, once when it changes: what became worse, and what is well again. Until Ctrl-C."""
    signal.signal(signal.SIGTERM, _stop)
    memory = Memory(state)
    words = words_of(command) if command else []
    try:
        while True:
            began = time.monotonic()
            examined = asyncio.run(_look())
            for change in changes(memory.known, examined):
                if _tell(change, words, as_json=as_json):
                    memory.keep(change)
            if once:
                raise typer.Exit(int(any(one.status == "failed" for part in examined.values() for one in part)))
            time.sleep(max(0.0, began + interval - time.monotonic()))
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _look() -> Examined:
    """What the doctor finds; a look that breaks, or takes too long, is a finding too."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await examine() | {"look": [ok("look", "everything was looked at")]}
    except CommandError:
        raise
    except TimeoutError:
        found = f"took longer than {LOOK_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 -- whoever watches is told, and goes on watching
        found = f"{type(error).__name__}: {error}"
    return {"look": [failed("look", found, "Run `headgate doctor` to see where it stops.")]}


def _tell(change: Change, words: list[str], *, as_json: bool) -> bool:
    """Whether it was told, to the program too where there is one."""
    fields = change.to_fields()
    text = json.dumps(fields, ensure_ascii=False) if as_json else change.lines()
    typer.echo(text)
    sys.stdout.flush()
    wrong = run(words, fields, f"{text}\n") if words else None
    if wrong:
        typer.echo(f"headgate: {wrong}; it is run again at the next look", err=True)
    return wrong is None


def _stop(_signal: int, _frame: object) -> NoReturn:
    """Asked to end is no error."""
    raise KeyboardInterrupt
