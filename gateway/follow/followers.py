"""Who follows: so many at once, each with one piece of what is read in memory, all woken by the lease's heartbeat."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from uuid import UUID

from contracts import value_of
from gateway.commit.lease import LeaseKeeper
from gateway.follow.statements import closed
from gateway.problems.errors import DrainingError, StreamsFullError
from gateway.read.first_answer import first_of
from gateway.read.reads import Reads
from gateway.read.replica import Replica

# What one follower holds: so many applications are read at once, and so many bytes of them kept until they are sent.
_MANY, _FEW = 64, 8
_PIECE_BYTES = 128 * 1024


class Piece(NamedTuple):
    """Applications in the order of their ids, as JSON; ``last`` is where to go on, ``whole`` that all is read to there.

    ``until``: nothing comes below it any more; None where that is not known.
    """

    values: list[bytes]
    last: UUID
    until: UUID | None
    whole: bool


class Followers:
    """``ending`` is true once the process stops: who follows goes on at another one."""

    def __init__(self, *, keeper: LeaseKeeper, primary: Reads, replica: Replica | None, most: int) -> None:
        self._keeper, self._primary, self._replica, self._most = keeper, primary, replica, most
        self.open = 0
        self.ending = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places while it is entered; StreamsFullError, DrainingError."""
        if self.ending:
            raise DrainingError("the process stops, and its streams have ended")
        if self.open >= self._most:
            raise StreamsFullError("as many streams as are allowed are open")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self.open += more
        self._keeper.followed = self.open > 0
        if self.open == 1 and more > 0:
            self._keeper.look_soon()

    async def read(self, names: Mapping[str, Any], after: UUID, *, few: bool = False) -> Piece:
        """What is decided after this id, as much as one piece holds. DatabaseAwayError."""
        size = _FEW if few else _MANY
        statement, values = closed(tuple(names), size), {**names, "after": after}
        rows = await first_of(self._primary, self._replica, lambda reads: reads.rows(statement, values))
        return _piece([row for row in rows if row.id is not None], rows[0].until, after, size)

    async def change(self, seconds: float) -> None:
        """Returns when there may be more, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._keeper.next_change()

    def end(self) -> None:
        """Streams end as soon as they have sent what they hold."""
        self.ending = True
        self._keeper.wake()


def _piece(rows: list[Any], until: UUID | None, after: UUID, size: int) -> Piece:
    values: list[bytes] = []
    held, last, left = 0, after, len(rows)
    for row in rows:
        if held >= _PIECE_BYTES:
            break
        left, last = left - 1, row.id
        if row.created_at is not None:
            values.append(value_of(row))
            held += len(values[-1])
    whole = not left and len(rows) < size
    # A replica may be behind what was read elsewhere: nobody goes back.
    return Piece(values, max(last, until) if whole and until else last, until, whole)
