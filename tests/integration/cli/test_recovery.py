"""A drain that is stopped is listed with its reason, and goes on once a person has released it."""

import asyncio
import json
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner
from uuid_utils.compat import uuid7

from cli.recovery.recovery_command import app
from gateway.commit.lease_statements import NOBODY
from gateway.publish import recovery
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, rows, submission


async def test_a_stopped_drain_is_listed_and_released(
    settings: Settings, database_url: str, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_STOPPED_RETRY_SECONDS", 0.5)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("KAFKA_PREFIX", settings.kafka_prefix)
    monkeypatch.setenv("COLUMNS", "400")
    async with running(settings) as gateway:
        await gateway.keeper.held()
        lease, id_ = await _left_behind(database_url)
        gateway.keeper.look_soon()
        await eventually(lambda: _stopped(gateway), what="a stopped drain")
        listed = await _headgate("list")
        assert str(lease) in listed
        assert "created anew" in listed
        assert "lacks 1" in await _headgate("release", str(lease), answer="n\n", code=1)
        assert not await outbox_is_empty(database_url)
        assert "released: 1 rows" in await _headgate("release", str(lease), "--yes")
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert (await ids_on_topic(kafka, settings.topics.applications)).count(id_) == 1
        await eventually(lambda: _drained(database_url), what="the end of the lease")
        refused = await asyncio.to_thread(CliRunner().invoke, app, ["release", str(lease), "--yes"])
        assert "no gateway drains a lease" in str(refused.exception)


async def _left_behind(database_url: str) -> tuple[UUID, UUID]:
    """What a gateway that is gone leaves: its lease, and an application with the positions of another topic."""
    lease, one = uuid4(), submission()
    positions = json.dumps({"topic": uuid4().hex, "next": {"0": 7}})
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            application = (one.id, one.user_name, one.description, one.created_at)
            await connection.execute("INSERT INTO applications VALUES ($1, $2, $3, $4)", *application)
            left = "INSERT INTO outbox (id, lease, ids, positions) VALUES ($1, $2, $3, $4)"
            await connection.execute(left, uuid7(), lease, [one.id], positions)
            gone = "INSERT INTO gateway_leases (id, instance, claimed_by, seconds) VALUES ($1, 'gone', $2, 0)"
            await connection.execute(gone, lease, NOBODY)
    finally:
        await connection.close()
    return lease, one.id


async def _stopped(gateway: Gateway) -> bool:
    return bool(gateway.recovery.stopped)


async def _drained(database_url: str) -> bool:
    return not await rows(database_url, "SELECT FROM gateway_leases WHERE claimed_by IS NOT NULL")


async def _headgate(*arguments: str, answer: str = "", code: int = 0) -> str:
    """The command runs an event loop of its own, so it gets a thread."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, answer)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output or str(result.exception)
