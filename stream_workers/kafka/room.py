"""How much of what was fetched may wait for the agent."""

import asyncio

# Whole seconds without room and without a batch taken, after which the batches are thought lost: a rebalance throws
# waiting ones away.
PATIENCE = 30


class Room:
    """Keeps what waits for the agent small: no more is fetched while ``limit`` bytes or more do.

    Faust's own way, pausing partitions, sleeps for a whole second once all are paused.
    """

    def __init__(self, limit: int, *, second: float = 1.0) -> None:
        self._limit = limit
        self._second = second
        self._waiting = self._in_vain = 0
        self._enough = asyncio.Event()
        self._enough.set()

    def handed(self, size: int) -> None:
        self._count(self._waiting + size)

    def taken(self, size: int) -> None:
        self._in_vain = 0
        self._count(max(0, self._waiting - size))

    def emptied(self) -> None:
        self._in_vain = 0
        self._count(0)

    async def free(self) -> bool:
        """Wait for room, for a second at most; whether there is some."""
        try:
            async with asyncio.timeout(self._second):
                await self._enough.wait()
        except TimeoutError:
            self._in_vain += 1
            if self._in_vain >= PATIENCE:
                self.emptied()
        return self._enough.is_set()

    def _count(self, waiting: int) -> None:
        self._waiting = waiting
        if waiting < self._limit:
            self._enough.set()
        else:
            self._enough.clear()
