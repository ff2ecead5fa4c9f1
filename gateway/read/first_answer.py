"""Which server answers a read: the replica while it can, else the primary."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.problems.errors import DatabaseAwayError
from gateway.read.reads import Reads
from gateway.read.replica import Replica

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


def first_of(
    primary: Reads, replica: Replica | None, read: Callable[[Reads], Awaitable[_Answer]]
) -> Awaitable[_Answer]:
    """The replica's answer where it has one, else the primary's.

    What the replica has not got yet the primary is asked for: whoever was answered 201 finds it.
    """
    return read(primary) if replica is None else _of_both(primary, replica, read)


async def _of_both(primary: Reads, replica: Replica, read: Callable[[Reads], Awaitable[_Answer]]) -> _Answer:
    answer = await _of_replica(replica, read)
    return await read(primary) if answer is None else answer


async def _of_replica(replica: Replica, read: Callable[[Reads], Awaitable[_Answer]]) -> _Answer | None:
    """None where it has no answer: it is away or behind, breaks off, falls silent, or has not got it yet."""
    if not replica.usable or replica.gone is None:
        replica.outcomes["passed_over"] += 1
        return None
    try:
        answer = await _unless(replica.gone, read(replica.reads))
    except DatabaseAwayError as error:
        log.debug("The replica failed a read: %s", error)
        replica.outcomes["failed"] += 1
        return None
    replica.outcomes["missed" if answer is None else "answered"] += 1
    return answer


async def _unless(gone: asyncio.Future[None], read: Awaitable[_Answer]) -> _Answer:
    """The read's answer, or DatabaseAwayError as soon as ``gone`` ends; the read is then left to itself."""
    task = asyncio.ensure_future(read)
    waited: set[asyncio.Future[Any]] = {task, gone}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.add_done_callback(_forget)
        task.cancel()
        raise DatabaseAwayError("the replica went away during a read", retry_after=2)
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more; its error is not worth a word."""
    if not task.cancelled():
        task.exception()
