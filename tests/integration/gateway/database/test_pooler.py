"""PgBouncer in transaction mode between Headgate and PostgreSQL: nothing is to be set, nothing relies on a session."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from cli.audit.audit import audit
from cli.doctor.database import examine
from cli.removal.removal import database, only_one
from contracts import Topics
from gateway.database.connection import Session, create_engine, open_engine
from gateway.database.locks import locked
from gateway.database.partitions import make_months
from gateway.health import Health
from gateway.service import running as gateway_of
from gateway.settings import Settings
from migrations import MigrationError, head, migrate
from runtime.kafka.clients import Kafka
from runtime.postgresql.server import PostgreSQL
from stream_workers.web.look.gateways import Database
from tests.support.http_gateway import NEW, served
from tests.support.managed import SCHEMA, Managed, settings_of
from tests.support.pooler import Pooler, needs_pgbouncer, pooler
from tests.support.write_path import eventually, execute, outbox_is_empty, rows

pytestmark = needs_pgbouncer

# What PgBouncer is told by people who meet its refusal: to drop what it does not know.
IGNORING = {"ignore_startup_parameters": "statement_timeout,lock_timeout,jit,default_transaction_read_only"}


@pytest.mark.parametrize("more", [{}, IGNORING], ids=["as it comes", "ignoring"])
async def test_a_gateway_works_through_it(more: dict[str, str], http_settings: Settings, tmp_path: Path) -> None:
    direct = http_settings.database_url.get_secret_value()
    async with pooler(direct, tmp_path, more=more) as between:
        settings = http_settings.model_copy(update={"database_url": SecretStr(between.url)})
        async with served(settings) as http:
            answers = await asyncio.gather(*(http.client.post("/applications", json=NEW) for _ in range(60)))
            keyed = [await http.client.post("/applications", json=NEW, headers={"Idempotency-Key": "k"}) for _ in "ab"]
            page = await http.client.get("/applications?size=100")
            ones = await asyncio.gather(*(http.client.get(answer.headers["location"]) for answer in answers))
            await eventually(lambda: outbox_is_empty(direct), what="an empty outbox")
            assert (await audit(settings, lambda *_: None)).drift == 0
            async with database(settings) as engine, only_one(engine):
                assert await make_months(engine) == []
            assert not any(http.front.running.telemetry.metrics.commit_failures.values())
    assert {answer.status_code for answer in (*answers, *keyed)} == {201}
    assert keyed[0].content == keyed[1].content
    assert page.json()["total"] == 61
    assert [one.content for one in ones] == [answer.content for answer in answers]


async def test_what_is_prepared_stays_here(http_settings: Settings, tmp_path: Path) -> None:
    """Servers go round among clients: a statement with a name would be missing at one, and in the way at another."""
    direct = http_settings.database_url.get_secret_value()
    async with pooler(direct, tmp_path, servers=1) as between:
        settings = http_settings.model_copy(update={"database_url": SecretStr(between.url)})
        async with served(settings) as http:
            for _ in range(10):
                assert (await http.client.post("/applications", json=NEW)).status_code == 201
                assert (await http.client.get("/applications")).status_code == 200
        connection = await asyncpg.connect(between.url.replace("+asyncpg", ""), statement_cache_size=0)
        left = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
        await connection.close()
    assert left == 0


async def test_migrations_run_through_it_two_at_once(empty_database_url: str, tmp_path: Path) -> None:
    async with pooler(empty_database_url, tmp_path, servers=6) as between:
        assert len(set(await asyncio.gather(migrate(between.url), migrate(between.url)))) == 1
        assert await migrate(between.url)
        assert await rows(empty_database_url, "SELECT FROM pg_tables WHERE tablename = 'outbox'")
        assert not await rows(empty_database_url, "SELECT FROM pg_locks WHERE locktype = 'advisory'")


async def test_a_lock_is_one_holder_s_whichever_server_answers(database_url: str, tmp_path: Path) -> None:
    async with pooler(database_url, tmp_path, servers=2) as between:
        first, second = open_engine(between.url), open_engine(between.url)
        try:
            async with locked(first, 7) as mine, locked(second, 7) as theirs:
                assert (mine, theirs) == (True, False)
            assert not await rows(database_url, "SELECT FROM pg_locks WHERE locktype = 'advisory'")
            async with locked(second, 7) as free:
                assert free
        finally:
            await first.dispose()
            await second.dispose()


async def test_a_lock_survives_a_server_that_ends_idle_transactions(database_url: str) -> None:
    [row] = await rows(database_url, "SELECT current_database() AS name")
    await execute(database_url, f"ALTER DATABASE {row['name']} SET idle_in_transaction_session_timeout = '100ms'")
    engine = open_engine(database_url)
    try:
        async with locked(engine, 7) as mine:
            assert mine
            await asyncio.sleep(0.5)  # what is tried is that nothing happens in this time
    finally:
        await engine.dispose()


async def test_without_one_there_is_no_talk_of_it_and_a_server_is_known_by_its_process(database_url: str) -> None:
    settings = Settings(_env_file=None, database_url=SecretStr(database_url))
    assert "pooler" not in {finding.what for finding in await examine(settings)}
    engine = create_engine(settings, pooled=False)
    session = Session(engine)
    [row] = await session.execute(text("SELECT pg_backend_pid() AS pid"), {})
    assert session._backend is not None
    assert session._backend[0] == row.pid
    await session.drop()
    await engine.dispose()


@pytest.mark.parametrize(("connect", "status"), [("", "warning"), ("SET statement_timeout = 3000", "ok")])
async def test_the_doctor_says_whether_statements_are_bounded(
    database_url: str, tmp_path: Path, connect: str, status: str
) -> None:
    async with pooler(database_url, tmp_path, connect=connect) as between:
        findings = await examine(Settings(_env_file=None, database_url=SecretStr(between.url)))
    assert [finding.status for finding in findings if finding.what == "pooler"] == [status]


async def test_the_view_reads_through_it(database_url: str, tmp_path: Path) -> None:
    async with pooler(database_url, tmp_path) as between:
        view = Database(PostgreSQL.at(between.url))
        assert (await view.intake()).batches == 0
        assert await view.stored("01890000-0000-7000-8000-000000000000") is None
        await view.close()


async def test_a_schema_of_one_s_own_with_the_least_rights(
    allowed: Managed, kafka: Kafka, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DATABASE_SCHEMA alone is refused, with the line that mends it; after that line everything works, both roles."""
    monkeypatch.setattr("cli.audit.audit.OPEN_FOR", timedelta(0))
    mend = f'SET search_path = "{SCHEMA}"'
    async with pooler(allowed.url("runner"), tmp_path) as between:
        settings = through(between, settings_of(allowed, "runner", kafka, topics))
        async with gateway_of(settings) as gateway:
            health = Health(gateway)
            await eventually(lambda: refused(health, mend), what="a gateway that names what is to be set")
            [found] = await examine(settings)
            assert (found.status, mend in found.found) == ("failed", True)
            with pytest.raises(MigrationError, match=mend):
                await migrate(settings.postgresql)
            for role in ("runner", "owner"):
                await execute(allowed.admin_url, f"ALTER ROLE {role}_{allowed.name} {mend}")
            await between.kill()
            await between.start()
            await gateway.keeper.held()
            await health.close()
        async with served(settings) as http:
            assert (await http.client.post("/applications", json=NEW)).status_code == 201
            assert (await http.client.get("/applications?user_name__like=к")).json()["total"] == 1
            tables = f'SELECT FROM "{SCHEMA}".outbox WHERE cardinality(ids) > 0'
            await eventually(lambda: no(allowed.admin_url, tables), what="an empty outbox")
            assert (await audit(settings, lambda *_: None)).drift == 0
    (tmp_path / "owner").mkdir()
    async with pooler(allowed.url("owner"), tmp_path / "owner") as between:
        server = through(between, settings_of(allowed, "owner", kafka, topics)).postgresql
        await execute(allowed.admin_url, f'DROP SCHEMA "{SCHEMA}" CASCADE')
        await execute(allowed.admin_url, f"GRANT CREATE ON DATABASE {allowed.name} TO owner_{allowed.name}")
        assert await migrate(server) == head()
        assert await rows(allowed.admin_url, f"SELECT FROM pg_tables WHERE schemaname = '{SCHEMA}'")


def through(between: Pooler, settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(between.url)})


async def refused(health: Health, mend: str) -> bool:
    return mend in (await health.report())["dependencies"]["postgresql"].get("reason", "")


async def no(url: str, query: str) -> bool:
    return not await rows(url, query)


async def test_what_a_url_sets_for_a_session_is_refused(database_url: str, tmp_path: Path) -> None:
    """Poolers that are told to ignore it would lead to other tables in silence."""
    more = {"ignore_startup_parameters": "options"}
    async with pooler(database_url, tmp_path, more=more) as between:
        engine = open_engine(f"{between.url}?options=-c%20search_path%3Delsewhere")
        with pytest.raises(OSError, match="`options` of the URL set nothing: say ALTER ROLE"):
            await engine.connect()
        await engine.dispose()


async def test_a_schema_is_the_role_s_own_or_refused(database_url: str, tmp_path: Path) -> None:
    """A search path that the pooler drops would lead to other tables."""
    wanted = {"server_settings": {"search_path": '"elsewhere"'}}
    async with pooler(database_url, tmp_path) as between:
        engine = open_engine(between.url, connect_args=wanted)
        with pytest.raises(OSError, match='SET search_path = "elsewhere"'):
            await engine.connect()
        await engine.dispose()
    await execute(database_url, "CREATE SCHEMA elsewhere")
    (tmp_path / "own").mkdir()
    async with pooler(database_url, tmp_path / "own", connect="SET search_path = elsewhere") as between:
        engine = open_engine(between.url, connect_args=wanted)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT current_schema()")) == "elsewhere"
        await engine.dispose()
