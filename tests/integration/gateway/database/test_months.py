"""Months of `applications` are made ahead of need, from several places at once, and whatever the default holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cli.doctor import database
from gateway.database import month_watch, partitions
from gateway.database.months import Month
from gateway.database.partitions import make_months
from gateway.settings import Settings
from migrations import head, migrate
from tests.support.http_gateway import Served
from tests.support.write_path import eventually, execute, rows

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


async def test_what_is_closed_reaches_past_tomorrow_was_read_beforehand_and_keeps_no_mark(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the last day of a month some gateway's clock may be in the next one."""
    monkeypatch.setattr(partitions, "MOVE_MAX", 10)
    told: list[str] = []
    talkative = {"server_settings": {"client_min_messages": "debug1"}}
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT", connect_args=talkative)

    @event.listens_for(engine.sync_engine, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.driver_connection.add_log_listener(lambda _, message: told.append(message.message))

    last_day = datetime(2030, 5, 31, 12, tzinfo=UTC)
    await fill(database_url, 30, last_day)
    await fill(database_url, 2, last_day + timedelta(days=1))
    await make_months(engine, now=last_day)
    await engine.dispose()
    assert await held(database_url) == {"applications_before_2030_07": 32}
    implied = 'partition constraint for table "applications_before_2030_07" is implied by existing constraints'
    assert implied in told, "all rows were read while nobody could write"
    assert not await rows(database_url, "SELECT FROM pg_constraint WHERE conname = 'ck_applications_range'")


async def test_much_that_no_month_is_for_closes_nothing(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "MOVE_MAX", 10)
    await fill(database_url, 30, datetime(1999, 12, 31, tzinfo=UTC))
    assert await make_months(engine) == []
    assert await held(database_url) == {"applications_default": 30}


async def test_a_row_that_comes_while_its_month_is_made_is_in_nobodys_way(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the moving of what is there and the attaching: it waits, and is refused for now or stored."""
    [coming] = await rows(database_url, "SELECT max(relname) AS name FROM pg_class WHERE relname ~ '^applications_2'")
    await execute(database_url, f"DROP TABLE {coming['name']}")
    run = partitions._run
    row: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))

    async def waits_or_is_done() -> bool:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return row.done() or bool(await rows(database_url, waiting))

    async def interrupted(connection: Any, *statements: str) -> None:
        nonlocal row
        for statement in statements:
            if "ATTACH PARTITION" in statement:
                row = asyncio.create_task(fill(database_url, 1, Month.of(datetime.now(UTC)).later(2).begins))
                await eventually(waits_or_is_done, what="a row that waits")
            await run(connection, statement)

    monkeypatch.setattr(partitions, "_run", interrupted)
    assert await make_months(engine) == [coming["name"]]
    with suppress(asyncpg.CheckViolationError):
        await row
    assert not await rows(database_url, "SELECT FROM applications_default")


async def test_a_name_that_an_older_version_left_with_another_partition_is_in_nobodys_way(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0.1.0 closed the default partition and renamed two of its indexes: further ones kept its name."""
    monkeypatch.setattr(partitions, "MOVE_MAX", 10)
    await execute(database_url, "CREATE INDEX ix_applications_further ON applications (description)")
    await fill(database_url, 30, YEARS_ON)
    await make_months(engine, now=YEARS_ON)
    mine, default = "ix_applications_before_2030_06_further", "ix_applications_default_further"
    await execute(database_url, f"ALTER INDEX {default} RENAME TO something; ALTER INDEX {mine} RENAME TO {default}")
    years_later = YEARS_ON.replace(year=2032)
    await fill(database_url, 30, years_later)
    assert await make_months(engine, now=years_later)
    assert await held(database_url) == {"applications_before_2030_06": 30, "applications_before_2032_06": 30}


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


async def test_the_gateways_look_survives_what_fails_and_comes_back(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [coming] = await rows(database_url, "SELECT max(relname) AS name FROM pg_class WHERE relname ~ '^applications_2'")
    await execute(database_url, f"DROP TABLE {coming['name']}")
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            monkeypatch.undo()
        if len(pauses) == 3:
            raise asyncio.CancelledError

    async def refused(_: AsyncEngine) -> list[str]:
        raise DBAPIError("CREATE TABLE", None, Exception("permission denied"))

    monkeypatch.setattr(partitions, "make_months", refused)
    with pytest.raises(asyncio.CancelledError):
        await month_watch.run(engine, sleep=sleep, jitter=lambda: 0.5)
    assert pauses[1] < pauses[2]
    assert coming["name"] in await tables(database_url)


async def test_the_doctor_names_a_month_that_is_missing_and_what_should_be_in_it(
    http_settings: Settings, database_url: str
) -> None:
    findings = {finding.what: finding for finding in await database.examine(http_settings)}
    assert findings["months"].status == "ok"
    coming = Month.of(datetime.now(UTC)).following
    await execute(database_url, f"DROP TABLE {coming.table}")
    await fill(database_url, 2, coming.begins)
    findings = {finding.what: finding for finding in await database.examine(http_settings)}
    assert findings["months"].status == "warning"
    assert f"{coming.table} is missing, 2 of its" in findings["months"].found


async def test_health_and_figures_say_whether_the_coming_month_is_there(http: Served, database_url: str) -> None:
    def stored(report: dict[str, Any]) -> Any:
        return report["dependencies"]["postgresql"]["next_month"]

    assert stored((await http.client.get("/healthz")).json()) is True
    await execute(database_url, f"DROP TABLE {Month.of(datetime.now(UTC)).following.table}")

    async def noticed() -> bool:
        return stored((await http.client.get("/healthz")).json()) is False

    await eventually(noticed, what="a missing month in /healthz")
    assert "headgate_next_month_ready 0.0" in (await http.client.get("/metrics")).text


async def test_a_migration_is_done_although_the_months_must_wait(database_url: str) -> None:
    coming = Month.of(datetime.now(UTC)).following.table
    await execute(database_url, f"DROP TABLE {coming}")
    reader = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        async with reader.transaction():
            await reader.fetch("SELECT FROM applications")
            assert await migrate(database_url) == head()
    finally:
        await reader.close()
    assert coming not in await tables(database_url)
    assert await migrate(database_url) == head()
    assert coming in await tables(database_url)
