"""The web view's connection to PostgreSQL: one, kept while somebody looks, and cut when it breaks."""

from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
from asyncpg.exceptions import InternalClientError

from runtime.postgresql.server import PostgreSQL
from stream_workers.web.look.gateways import Database
from tests.support.write_path import eventually, rows

BACKENDS = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'headgate-web-view' AND datname = current_database()
"""


@pytest.fixture
async def database(database_url: str, clock: list[float]) -> AsyncIterator[Database]:
    one = Database(PostgreSQL.at(database_url), clock=lambda: clock[0])
    yield one
    await one.close()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


async def backends(database_url: str) -> list[int]:
    return [row["pid"] for row in await rows(database_url, BACKENDS)]


async def test_every_look_asks_over_the_same_connection(database: Database, database_url: str) -> None:
    assert (await database.intake()).gateways == []
    first = await backends(database_url)
    await database.intake()
    assert await backends(database_url) == first
    assert len(first) == 1


async def test_after_a_minute_the_primary_is_looked_for_again(
    database: Database, database_url: str, clock: list[float]
) -> None:
    await database.intake()
    first = await backends(database_url)
    clock[0] += 61
    await database.intake()

    async def is_another() -> bool:
        return (now := await backends(database_url)) != first and len(now) == 1

    await eventually(is_another, what="another connection alone")


async def test_a_broken_connection_costs_one_look_at_most(database: Database, database_url: str) -> None:
    await database.intake()
    await rows(database_url, f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) AS ours")
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, InternalClientError):
        await database.intake()
    assert (await database.intake()).waiting == 0


async def test_it_cannot_write(database: Database) -> None:
    await database.intake()
    connection = database._connection
    assert connection is not None
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("DELETE FROM outbox")
