"""One PostgreSQL server that applications are read from: a few connections that do nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.connection import (
    DATABASE_ERRORS,
    STATEMENT_SECONDS,
    Compiled,
    Session,
    sqlstate,
)
from gateway.problems.errors import DatabaseAwayError, OverloadedError, SearchTooBroadError
from gateway.read.search import PART

# The database's own limit is shorter; this one is for a database that says nothing at all.
READ_SECONDS = STATEMENT_SECONDS + 1.5
CONNECTIONS = 6
# Searches for a part of a name may read every name there is: so many at a time, and nothing else waits for them.
SEARCHES = 2
_QUERY_CANCELED = "57014"


class Server:
    """``fetch`` runs one statement, with nothing asked of the server before or after it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[Session] = []
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._searches = asyncio.Semaphore(SEARCHES)

    async def fetch(self, statement: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
        """The rows; DatabaseAwayError in time, SearchTooBroadError where the server stopped the statement.

        OverloadedError where too many search for parts of names.
        """
        if PART not in values:
            return await self._fetch(statement, values)
        async with self._turn():
            return await self._fetch(statement, values)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """That of a search, which waits for no longer than another one may take."""
        try:
            async with asyncio.timeout(STATEMENT_SECONDS):
                await self._searches.acquire()
        except TimeoutError as error:
            raise OverloadedError("too many search for parts of names", retry_after=2) from error
        try:
            yield
        finally:
            self._searches.release()

    async def _fetch(self, statement: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
        try:
            async with asyncio.timeout(READ_SECONDS), self._free:
                session = self._idle.pop() if self._idle else Session(self._engine, READ_SECONDS)
                try:
                    return await session.execute(statement, values)
                finally:
                    self._idle.append(session)
        except TimeoutError as error:
            raise DatabaseAwayError("no answer to a read", retry_after=2) from error
        except DATABASE_ERRORS as error:
            if sqlstate(error) == _QUERY_CANCELED:
                raise SearchTooBroadError(seconds=int(STATEMENT_SECONDS)) from error
            raise DatabaseAwayError(str(error), retry_after=2) from error

    async def close(self) -> None:
        """Drop every connection."""
        for session in self._idle:
            await session.drop()
