"""Applications by their ids, several with one statement: who comes while a read is under way goes with the next one.

What group commit is for writing: alone, an application is read at once; in a crowd, the crowd shares the cost.
"""

import asyncio
from uuid import UUID

from contracts import value_of
from gateway.problems.errors import DatabaseAwayError, GatewayError
from gateway.read import statements
from gateway.read.server import Server

# One that is answered while the other is asked.
_AT_ONCE = 2

_Waiting = tuple[UUID, "asyncio.Future[bytes | None]"]


class Joined:
    """``read`` answers what was stored before it was called, like a read of its own."""

    def __init__(self, server: Server) -> None:
        self._server, self._loop = server, asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._running: set[asyncio.Task[None]] = set()

    def read(self, id: UUID) -> "asyncio.Future[bytes | None]":  # noqa: A002 -- the field's name
        """The application as JSON, None if there is none; DatabaseAwayError."""
        future: asyncio.Future[bytes | None] = self._loop.create_future()
        self._waiting.append((id, future))
        if len(self._running) < _AT_ONCE:
            task = asyncio.create_task(self._run(), name="joined reads")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return future

    async def _run(self) -> None:
        while self._waiting:
            group = self._waiting[: statements.TOGETHER]
            del self._waiting[: len(group)]
            await self._answer(group)

    async def _answer(self, group: list[_Waiting]) -> None:
        try:
            rows = await self._server.fetch(*statements.by_ids([id_ for id_, _ in group]))
        except GatewayError as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(DatabaseAwayError(str(error), retry_after=2))
            return
        found = {row.id: value_of(row) for row in rows}
        for id_, future in group:
            if not future.done():
                future.set_result(found.get(id_))

    async def close(self) -> None:
        """End what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
