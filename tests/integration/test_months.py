"""Months of `applications` are made ahead of need, from several places at once, and whatever the default holds."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway import partitions
from gateway.months import Month
from gateway.partitions import make_months
from tests.support.write_path import rows

YEARS_ON = datetime(2030, 5, 17, tzinfo=UTC)
INSERT = """
INSERT INTO applications
SELECT (lpad(to_hex(ms), 12, '0') || '70008' || lpad(n::text, 15, '0'))::uuid, 'user', 'text', to_timestamp(ms / 1000.0)
FROM generate_series(1, $1::bigint) AS n,
     LATERAL (SELECT floor(extract(epoch FROM $2::timestamptz) * 1000)::bigint + n) AS at (ms)
"""


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT")
    yield engine
    await engine.dispose()


async def fill(database_url: str, count: int, at: datetime) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute(INSERT, count, at)
    finally:
        await connection.close()


async def tables(database_url: str) -> list[str]:
    query = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'applications'::regclass"
    return sorted(row["name"] for row in await rows(database_url, query))


async def held(database_url: str) -> dict[str, int]:
    query = "SELECT tableoid::regclass::text AS name, count(*) AS count FROM applications GROUP BY 1"
    return {row["name"]: row["count"] for row in await rows(database_url, query)}


async def test_a_migrated_database_has_this_month_and_two_more(database_url: str) -> None:
    months = [Month.of(datetime.now(UTC)).later(number).table for number in range(3)]
    assert await tables(database_url) == sorted([*months, "applications_default"])


async def test_all_months_since_the_last_one_are_made_once(engine: AsyncEngine) -> None:
    made = await make_months(engine, now=YEARS_ON)
    assert made[-1] == "applications_2030_07"
    assert len(made) == len(set(made)) > 30
    assert await make_months(engine, now=YEARS_ON) == []


async def test_several_at_once_make_each_month_once(engine: AsyncEngine, database_url: str) -> None:
    made = await asyncio.gather(*(make_months(engine, now=datetime.now(UTC) + timedelta(days=62)) for _ in range(6)))
    assert len([name for names in made for name in names]) == len(set(await tables(database_url))) - 4


async def test_rows_of_any_time_are_stored_and_a_new_month_takes_its_own(
    engine: AsyncEngine, database_url: str
) -> None:
    await fill(database_url, 5, YEARS_ON)
    await fill(database_url, 3, datetime(1999, 12, 31, tzinfo=UTC))
    assert await held(database_url) == {"applications_default": 8}
    await make_months(engine, now=YEARS_ON)
    assert await held(database_url) == {"applications_default": 3, "applications_2030_05": 5}


@pytest.mark.parametrize("outside", [0, 3], ids=["all of one stretch", "some of other times"])
async def test_more_than_can_be_moved_at_once_becomes_a_partition_as_it_is(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch, outside: int
) -> None:
    monkeypatch.setattr(partitions, "MOVE_MAX", 10)
    await fill(database_url, 30, YEARS_ON)
    await fill(database_url, outside, datetime(1999, 12, 31, tzinfo=UTC))
    assert await make_months(engine, now=YEARS_ON) == ["applications_2030_06", "applications_2030_07"]
    others = {"applications_default": outside} if outside else {}
    assert await held(database_url) == {"applications_before_2030_06": 30, **others}
    await fill(database_url, 2, datetime(1998, 12, 31, tzinfo=UTC))
    assert await make_months(engine, now=YEARS_ON) == []


async def test_who_cannot_have_the_lock_gives_up_and_holds_up_no_writer(engine: AsyncEngine, database_url: str) -> None:
    """A long read of the default partition must not make the others queue behind the one who waits for it."""
    reader = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        async with reader.transaction():
            await reader.fetch("SELECT FROM applications")
            making = asyncio.create_task(make_months(engine, now=YEARS_ON))
            await fill(database_url, 1, datetime.now(UTC))
            with pytest.raises(DBAPIError, match="lock timeout"):
                await making
    finally:
        await reader.close()
    assert await make_months(engine, now=YEARS_ON)
