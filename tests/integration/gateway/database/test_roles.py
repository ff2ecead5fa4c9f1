"""A managed database: nobody is superuser, one role migrates a schema of its own, another one runs Headgate."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from cli.audit.audit import audit
from cli.doctor import database as doctor
from cli.removal.removal import database, only_one
from cli.removal.retention import expire, plan
from contracts import Topics
from gateway.admission.api_keys import Scope
from gateway.admission.issued_keys import create_key
from gateway.database.connection import open_engine
from gateway.database.months import Month
from gateway.database.partitions import make_months, months_ahead
from migrations import MigrationError, migrate
from runtime.kafka.clients import Kafka
from stream_workers.web.look.gateways import Database
from tests.support.http_gateway import NEW, served
from tests.support.managed import SCHEMA, Managed, headgate, settings_of
from tests.support.write_path import eventually, execute, ids_on_topic, rows


async def test_who_may_not_create_is_told_what_to_ask_for(managed: Managed) -> None:
    with pytest.raises(MigrationError, match=r"permission denied for schema public.*CREATE SCHEMA headgate"):
        await migrate(managed.url("owner"))
    found = await asyncio.to_thread(headgate, managed, "migrate")
    assert found.returncode == 1
    assert "permission denied for database" in found.stderr
    assert "AUTHORIZATION role" in found.stderr
    assert "Traceback" not in found.stderr


async def test_a_schema_is_made_where_that_is_allowed(managed: Managed) -> None:
    await execute(managed.admin_url, f"GRANT CREATE ON DATABASE {managed.name} TO owner_{managed.name}")
    for _ in range(2):
        assert (await asyncio.to_thread(headgate, managed, "migrate")).returncode == 0
    schemas = "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"
    assert [row[0] for row in await rows(managed.admin_url, schemas)] == [SCHEMA]


async def test_who_runs_gateways_may_go_on_with_a_table_that_a_migration_brings(
    managed: Managed, kafka: Kafka, topics: Topics
) -> None:
    """Rights are given table by table, when somebody thinks of it: without them commits that write to it would wait."""
    await execute(managed.admin_url, f'CREATE SCHEMA "{SCHEMA}" AUTHORIZATION owner_{managed.name}')
    server, runner = settings_of(managed, "owner", kafka, topics).postgresql, f"runner_{managed.name}"
    await migrate(server, "0004")
    await execute(managed.url("owner"), f'GRANT SELECT, INSERT ON "{SCHEMA}".applications TO {runner}')
    await migrate(server)
    for right, held in (("SELECT", True), ("INSERT", True), ("UPDATE", False), ("DELETE", False)):
        asked = f"SELECT has_table_privilege('{runner}', '\"{SCHEMA}\".ownerships', '{right}') AS held"
        assert (await rows(managed.admin_url, asked))[0]["held"] is held


async def test_the_whole_way_with_the_least_rights(
    allowed: Managed, kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.audit.audit.OPEN_FOR", timedelta(0))
    settings = settings_of(allowed, "runner", kafka, topics, auth_required=True, deduplicate_seconds=60)
    owner = open_engine(settings_of(allowed, "owner", kafka, topics).postgresql)
    try:
        scopes: tuple[Scope, ...] = ("applications:write", "applications:read")
        _, key = await create_key(owner, "a test", scopes)
        _, own = await create_key(owner, "another", scopes, own=True)
    finally:
        await owner.dispose()
    headers = {"Authorization": f"Bearer {key}"}
    async with served(settings) as http:
        once = headers | {"Idempotency-Key": "once"}
        answers = [await http.client.post("/applications", json=NEW, headers=once) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        id_ = answers[0].json()["id"]
        batch = [{"user_name": "Ann", "description": str(number)} for number in range(5)]
        assert (await http.client.post("/applications/batch", json=batch, headers=headers)).status_code == 200
        one = f"/applications/{id_}"
        lists = ("/applications", "/applications?user_name__like=nn", "/applications/export")
        for path in (one, f"{one}/status", *lists, "/healthz"):
            assert (await http.client.get(path, headers=headers)).status_code == 200, path

        assert (await http.client.post("/applications", json=NEW, headers={"X-API-Key": own})).status_code == 201
        assert (await http.client.get("/applications", headers={"X-API-Key": own})).json()["total"] == 1

        async def published() -> bool:
            return len(await ids_on_topic(kafka, topics.applications)) == 7

        await eventually(published, what="seven events")
        view = Database(settings.postgresql)
        assert [gateway.state for gateway in (await view.intake()).gateways] == ["running"]
        assert (await view.stored(id_)) is not None
        await view.close()
        findings = {finding.what: finding for finding in await doctor.examine(settings)}
        assert {finding.status for finding in findings.values()} == {"ok"}, findings
    found = await audit(settings, lambda *_: None)
    assert (found.drift, found.differences.rows) == (0, 7)
    used = f'SELECT FROM "{SCHEMA}".api_keys WHERE last_used_at IS NOT NULL'
    assert len(await rows(allowed.admin_url, used)) == 2


async def test_months_and_retention_are_left_to_the_role_that_migrates(
    allowed: Managed, kafka: Kafka, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    runner, owner = (settings_of(allowed, role, kafka, topics) for role in ("runner", "owner"))
    await execute(allowed.admin_url, f'INSERT INTO "{SCHEMA}".applications VALUES {OLD_ROW}')
    later = datetime.now(UTC) + timedelta(days=62)
    async with database(runner) as engine:
        with pytest.raises(DBAPIError, match="permission denied"):
            await make_months(engine, now=later)
        caplog.set_level("INFO")
        planned = await plan(engine, datetime(2021, 1, 1, tzinfo=UTC))
        assert planned.rows == 1
        with pytest.raises(DBAPIError, match="permission denied for table expirations"):
            async for _ in expire(engine, planned):
                pass
    async with database(owner) as engine, only_one(engine):
        assert [rows async for rows in expire(engine, planned)] == [1]
    async with database(owner) as engine:
        assert Month.of(later).later(2).table in await make_months(engine, now=later)
    async with database(runner) as engine:
        assert await months_ahead(engine)
    async with served(runner) as http:
        assert (await http.client.post("/applications", json=NEW)).status_code == 201

        async def published() -> bool:
            return not await rows(allowed.admin_url, f'SELECT FROM "{SCHEMA}".outbox WHERE cardinality(ids) > 0')

        await eventually(published, what="an empty outbox")


async def test_a_gateway_that_may_make_no_months_says_so_and_is_quiet(
    allowed: Managed, kafka: Kafka, topics: Topics, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.database.partitions.AHEAD", 4)
    caplog.set_level("INFO")
    month = Month.of(datetime.now(UTC)).later(2).table
    await execute(allowed.admin_url, f'DROP TABLE "{SCHEMA}".{month}')
    async with database(settings_of(allowed, "runner", kafka, topics)) as engine:
        assert await months_ahead(engine)
    assert "This role makes no months (" in caplog.text
    assert "`headgate migrate` does" in caplog.text


OLD_ROW = "('016f5e66-e800-7000-8000-000000000001', 'Ann', 'old', '2020-01-01T00:00:00Z')"
