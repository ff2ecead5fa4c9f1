"""Runs a command's work to its end: progress on the error stream, and expected failures as one line."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from cli import environment
from cli.errors import CommandError
from gateway.database.connection import first_line, sqlstate
from gateway.database.rights import INSUFFICIENT_PRIVILEGE, LACKING, UNDEFINED_TABLE, told
from gateway.settings import Settings
from runtime.postgresql.server import CONNECTION_ERRORS, PostgreSQL
from stream_workers.errors import WorkerError

T = TypeVar("T")

_SECONDS = 5.0
_INSTEAD = {
    INSUFFICIENT_PRIVILEGE: "run it as the role that owns the tables",
    UNDEFINED_TABLE: "run `headgate migrate`",
}


class Rate(ProgressColumn):
    """How many a second, over the last half minute or all of it."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Report(Protocol):
    """Says how much of how much is done."""

    def __call__(self, done: int, total: int) -> None: ...


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result; CommandError where Kafka or PostgreSQL is away, or a worker's rule forbids it."""
    try:
        return asyncio.run(work)
    except (WorkerError, KafkaError) as error:
        raise CommandError(str(error)) from error
    except (SQLAlchemyError, OSError) as error:
        raise CommandError(f"PostgreSQL: {first_line(getattr(error, 'orig', error))}{_hint(error)}") from error


def _hint(error: BaseException) -> str:
    """Where a table is missing or the right to one: what to do; else nothing."""
    instead = _INSTEAD.get(sqlstate(error))
    if instead is None:
        return ""
    with suppress(*CONNECTION_ERRORS):
        role, lacks = asyncio.run(_lacking(environment.read(Settings).postgresql))
        named = [one for one in lacks if one.startswith("USAGE") or one.rpartition(" ")[2] in first_line(error)]
        return f"; {told(role, named) if named else instead}"
    return f"; {instead}"


async def _lacking(server: PostgreSQL) -> tuple[str, Sequence[str]]:
    connection = await server.connect(timeout=_SECONDS, command_timeout=_SECONDS)
    try:
        row = await connection.fetchrow(LACKING)
        return row["role"], row["lacks"]
    finally:
        connection.terminate()


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar with how fast it goes and the time that is left; nothing where nobody looks.

    Before anything is reported it is a bar that moves, with the time that has passed.
    """
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
