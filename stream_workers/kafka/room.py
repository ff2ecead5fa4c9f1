"""How many fetched records may wait for the agent."""

import asyncio
from contextlib import suppress


class Room:
    """Keeps the records that wait for the agent few: no more are fetched while ``limit`` or more do.

    Faust's own way, pausing partitions, sleeps for a whole second once all are paused. A rebalance throws waiting
    batches away, so waiting is bounded in time too.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._enough = asyncio.Event()
        self._enough.set()

    def handed(self, records: int) -> None:
        self._count(self._waiting + records)

    def taken(self, records: int) -> None:
        self._count(max(0, self._waiting - records))

    def emptied(self) -> None:
        self._count(0)

    async def wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._enough.wait()

    def _count(self, waiting: int) -> None:
        self._waiting = waiting
        if waiting < self._limit:
            self._enough.set()
        else:
            self._enough.clear()
