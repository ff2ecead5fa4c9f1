"""Reads from a streaming replica: used while it is near enough, never missed, and left out when it is not well."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import func, literal_column, select
from sqlalchemy.engine import make_url

from cli.doctor import replica as doctor
from contracts import Topics
from devstack.postgresql.postgres import Postgres
from devstack.postgresql.standby import Standby
from gateway.read import statements
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.following import caught_up, difference, followed
from tests.support.http_gateway import NEW, Served, served, settings_for
from tests.support.proxy import proxy
from tests.support.write_path import eventually, rows

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def standby(fragile_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    # A conflict with a read is not waited for: each test may make one.
    options = {"full_page_writes": "off", "max_standby_streaming_delay": "0"}
    server = Standby(tmp_path_factory.mktemp("standby"), fragile_postgres, options=options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def settings(standby: Standby, fragile_database_url: str, kafka: Kafka, topics: Topics) -> Settings:
    replica = standby.url(make_url(fragile_database_url).database or "")
    return settings_for(
        fragile_database_url,
        kafka,
        topics,
        database_read_url=SecretStr(replica),
        read_lag_seconds_max=6.0,
        rate_limit_per_minute=0,
        lame_duck_seconds=0,
    )


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[Served]:
    """A gateway that reads from its replica."""
    async with served(settings) as running:
        await eventually(lambda: usable(running), what="a replica that is read")
        yield running


async def usable(http: Served, *, wanted: bool = True) -> bool:
    report = (await http.client.get("/healthz")).json()
    return bool((report["dependencies"]["replica"]["status"] == "ok") == wanted)


def reads(http: Served) -> dict[str, int]:
    assert http.front.running.replica is not None
    return dict(http.front.running.replica.outcomes)


async def submitted(http: Served) -> str:
    answer = await http.client.post("/applications", json=NEW)
    assert answer.status_code == 201
    return str(answer.headers["location"])


async def listed(http: Served, **headers: str) -> int:
    answer = await http.client.get("/applications", headers=headers)
    assert answer.status_code == 200
    return int(answer.json()["total"])


async def replayed(standby: Standby) -> None:
    async def caught_up() -> bool:
        return await asyncio.to_thread(standby.lag_bytes) <= 0

    await eventually(caught_up, what="a replica that has replayed all")


async def test_lists_are_the_replicas_and_an_id_is_never_missed(http: Served, standby: Standby) -> None:
    first = await submitted(http)
    await replayed(standby)
    standby.query("SELECT pg_wal_replay_pause()")
    try:
        second = await submitted(http)
        assert await listed(http) == 1
        assert await listed(http, **{"Cache-Control": "No-Cache"}) == 2
        for place in (first, second):
            assert (await http.client.get(place)).status_code == 200
        assert reads(http) == {"answered": 2, "missed": 1, "failed": 0, "passed_over": 0}

        await eventually(lambda: usable(http, wanted=False), what="a replica that is too far behind")
        assert await listed(http) == 2
        report = (await http.client.get("/healthz")).json()
        assert report["status"] == "degraded"
        assert "more than 6 s behind" in report["dependencies"]["replica"]["reason"]
        assert "headgate_replica_up{" in (await http.client.get("/metrics")).text
    finally:
        standby.query("SELECT pg_wal_replay_resume()")
    await eventually(lambda: usable(http), what="a replica that has caught up")
    assert await listed(http) == 2
    assert (await http.client.get("/applications/0198f3a0-0000-7000-8000-000000000000")).status_code == 404


async def test_a_stream_goes_on_between_replica_and_primary_without_a_gap(http: Served, standby: Standby) -> None:
    """From the replica; then from the primary, because the replica stands still for too long; then from the replica."""
    url = http.settings.database_url.get_secret_value()
    async with followed([http.port], seed=1) as both:
        for _ in range(5):
            await submitted(http)
        for follower in both:
            await caught_up(follower, url)
        answered = reads(http)["answered"]
        standby.query("SELECT pg_wal_replay_pause()")
        try:
            await submitted(http)
            await eventually(lambda: usable(http, wanted=False), what="a replica that is too far behind")
            await submitted(http)
            for follower in both:
                await caught_up(follower, url)
        finally:
            standby.query("SELECT pg_wal_replay_resume()")
        await eventually(lambda: usable(http), what="a replica that has caught up")
        await submitted(http)
        for follower in both:
            await caught_up(follower, url)
            assert await difference(follower, url) == ""
        assert reads(http)["answered"] > answered


async def test_without_news_a_replica_is_not_behind(http: Served) -> None:
    """Nothing but heartbeats is written for longer than the bound."""
    replica = http.front.running.replica
    assert replica is not None
    lags = []
    for _ in range(80):
        lags.append(replica.lag)
        await asyncio.sleep(0.1)
    assert max(lags) < 6
    assert min(lags) >= 0


async def test_killed_and_back(http: Served, standby: Standby) -> None:
    await submitted(http)
    standby.kill()
    try:
        assert await listed(http) == 1
        await eventually(lambda: usable(http, wanted=False), what="a replica that is missed")
        assert await listed(http) == 1
    finally:
        await asyncio.to_thread(standby.start)
    await eventually(lambda: usable(http), what="a replica that is read again")
    before = reads(http)["answered"]
    assert await listed(http) == 1
    assert reads(http)["answered"] == before + 1


async def test_silent_and_back(http: Served, standby: Standby) -> None:
    await submitted(http)
    await replayed(standby)
    standby.pause()
    try:
        async with asyncio.timeout(100):
            assert await asyncio.gather(*(listed(http) for _ in range(20))) == [1] * 20
        assert reads(http)["failed"] > 0
        assert await listed(http) == 1
        assert reads(http)["passed_over"] > 0
    finally:
        standby.resume()
    await eventually(lambda: usable(http), what="a replica that is read again")
    assert await listed(http) == 1


async def test_connections_that_break_in_a_read(settings: Settings, standby: Standby) -> None:
    async with proxy("127.0.0.1", standby.port) as between:
        url = make_url(settings.database_read_url.get_secret_value() if settings.database_read_url else "")
        read_url = SecretStr(url.set(port=between.port).render_as_string(hide_password=False))
        async with served(settings.model_copy(update={"database_read_url": read_url})) as http:
            await submitted(http)
            await replayed(standby)
            for _ in range(5):
                await eventually(lambda: usable(http), what="a replica that is read")
                between.cut_after(b"applications.user_name")
                assert await listed(http) == 1
            assert between.cuts == 5
            assert reads(http)["failed"] == 5


async def test_a_read_that_conflicts_with_recovery_is_the_primarys(
    http: Served, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica must replay a lock that a read there is in the way of: PostgreSQL ends the read with 40001."""
    url = http.settings.database_url.get_secret_value()
    await submitted(http)
    await replayed(standby)
    page = statements.select_page

    def slow(*args: Any, **more: Any) -> Any:
        return page(*args, **more).where(select(func.pg_sleep(literal_column("1.5"))).scalar_subquery().is_not(None))

    monkeypatch.setattr(statements, "select_page", slow)
    statements.page.cache_clear()
    reading = asyncio.create_task(listed(http))

    async def is_reading() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        return int(await asyncio.to_thread(standby.query, query)) > 0

    await eventually(is_reading, what="a read on the replica")
    await rows(url, "CREATE INDEX tmp_conflict ON applications (created_at)")
    await rows(url, "DROP INDEX tmp_conflict")
    assert await reading == 1
    assert reads(http)["failed"] == 1


async def test_another_database_is_not_read_and_is_named(settings: Settings, database_url: str) -> None:
    changed = settings.model_copy(update={"database_read_url": SecretStr(database_url)})
    async with served(changed) as http:
        await submitted(http)
        assert await listed(http) == 1
        assert reads(http) == {"answered": 0, "missed": 0, "failed": 0, "passed_over": 1}

        async def is_named() -> bool:
            report = (await http.client.get("/healthz")).json()["dependencies"]["replica"]
            return "no replica of this database" in report["reason"]

        await eventually(is_named, what="a look at the other database")
    [finding] = await doctor.examine(changed)
    assert (finding.status, finding.what) == ("failed", "replica")
    assert "another database" in finding.found


async def all_well(settings: Settings) -> bool:
    return [finding.status for finding in await doctor.examine(settings)] == ["ok"]


async def test_what_the_doctor_says_of_a_replica(settings: Settings, standby: Standby) -> None:
    await eventually(lambda: all_well(settings), what="a database of a moment ago on the replica")
    [primary] = await doctor.examine(settings.model_copy(update={"database_read_url": settings.database_url}))
    assert (primary.status, "not in recovery" in primary.found) == ("warning", True)
    standby.query("SELECT pg_wal_replay_pause()")
    try:
        await rows(settings.database_url.get_secret_value(), "CREATE TABLE later ()")
        [behind] = await doctor.examine(settings.model_copy(update={"read_lag_seconds_max": 1.0}))
    finally:
        standby.query("SELECT pg_wal_replay_resume()")
    assert (behind.status, "more than 1 s behind" in behind.found) == ("warning", True)
    standby.kill()
    try:
        [away] = await doctor.examine(settings)
    finally:
        await asyncio.to_thread(standby.start)
    assert (away.status, "DATABASE_READ_URL" in away.remedy) == ("warning", True)


def test_a_bound_below_the_heartbeat_is_refused(settings: Settings) -> None:
    values = settings.model_dump() | {"lease_seconds": 40.0}
    with pytest.raises(ValidationError, match="must be at most 2 times READ_LAG_SECONDS_MAX"):
        Settings(_env_file=None, **values)


async def test_without_a_replica_nothing_is_said_of_it(settings: Settings) -> None:
    async with served(settings.model_copy(update={"database_read_url": None})) as http:
        assert "replica" not in (await http.client.get("/healthz")).json()["dependencies"]
        assert "headgate_replica" not in (await http.client.get("/metrics")).text
        assert await listed(http) == 0
    assert await doctor.examine(settings.model_copy(update={"database_read_url": None})) == []
