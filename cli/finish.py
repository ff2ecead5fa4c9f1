"""Runs a command's work to its end: progress on the error stream, and expected failures as one line."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError

from cli.errors import CommandError
from stream_workers.errors import WorkerError

T = TypeVar("T")


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
        raise CommandError(f"PostgreSQL: {error}") from error


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar with the time that is left; nothing where nobody looks."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
