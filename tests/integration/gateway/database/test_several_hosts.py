"""A primary and its standby in DATABASE_URL: whoever is the primary is found, and nobody else is written to."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
from sqlalchemy import text

from contracts import Topics
from gateway.database.connection import open_engine
from gateway.problems.errors import DatabaseAwayError
from gateway.service import Gateway, running
from runtime.kafka.clients import Kafka
from runtime.postgresql.primary import NoPrimaryError
from runtime.postgresql.server import PostgreSQL
from stream_workers.web.look.gateways import Database
from tests.integration.cli.test_doctor import run_doctor
from tests.support.failover import Pair
from tests.support.write_path import rows, settings_for, submission


async def port_behind(url: str) -> int:
    """The port of the server that a new engine comes to."""
    engine = open_engine(url, connect_args={"timeout": 6.0})
    try:
        async with engine.connect() as connection:
            return int(await connection.scalar(text("SELECT current_setting('port')")))
    finally:
        await engine.dispose()


async def test_the_primary_is_found_also_while_the_other_host_is_silent(pair: Pair) -> None:
    assert await port_behind(pair.url) == pair.primary.port
    pair.primary.pause()
    with pytest.raises(NoPrimaryError, match=rf"{pair.primary.port}: silent.*is a standby|is a standby.*silent"):
        await port_behind(pair.url)
    await asyncio.to_thread(pair.standby.promote)
    assert await port_behind(pair.url) == pair.standby.port
    await asyncio.to_thread(pair.primary.kill)
    assert await port_behind(pair.url) == pair.standby.port


async def test_a_former_primary_that_takes_writes_is_not_written_to(pair: Pair) -> None:
    engine = open_engine(pair.url, connect_args={"timeout": 6.0})
    try:
        await asyncio.to_thread(pair.promote)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT current_setting('port')::int")) == pair.standby.port
        await asyncio.to_thread(pair.primary.start)
        assert await port_behind(pair.url) == pair.standby.port
        await asyncio.to_thread(pair.standby.kill)
        await engine.dispose()
        with pytest.raises(NoPrimaryError, match="is a former primary, on timeline 00000001; 00000002 was seen"):
            async with engine.connect():
                pass
    finally:
        await engine.dispose()


async def test_a_gateway_leaves_a_server_that_became_read_only(pair: Pair, kafka: Kafka, topics: Topics) -> None:
    async with running(settings_for(pair.url, kafka, topics)) as gateway:
        await gateway.writer.submit(submission())
        await asyncio.to_thread(pair.standby.promote)
        read_only = ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        await asyncio.to_thread(pair.primary.query, *read_only)
        accepted = await submitted_again(gateway)
        assert await rows(pair.standby.url(), f"SELECT FROM applications WHERE id = '{accepted}'")


async def submitted_again(gateway: Gateway) -> UUID:
    """As a submitter does whom 503 told that the outcome is unknown: the id of what was accepted in the end.

    A commit that began before the server read its new configuration waits for a standby that is none any more.
    """
    async with asyncio.timeout(60):
        while True:
            one = submission()
            with suppress(DatabaseAwayError):
                await gateway.writer.submit(one)
                return one.id


async def test_the_web_view_reads_from_the_primary(pair: Pair) -> None:
    database = Database(PostgreSQL.at(pair.url))
    try:
        await asyncio.to_thread(pair.promote)
        assert (await database.intake()).waiting == 0
    finally:
        await database.close()


async def test_the_doctor_tells_primary_and_standby_apart(pair: Pair, kafka: Kafka, topics: Topics) -> None:
    first, second = (f"127.0.0.1:{server.port}" for server in (pair.primary, pair.standby))
    settings = {
        "DATABASE_URL": pair.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
    }

    _, found = await asyncio.to_thread(run_doctor, settings)
    assert found["PostgreSQL"]["found"].endswith(first)
    assert found[f"PostgreSQL {second}"]["status"] == "ok"
    assert "a standby, " in found[f"PostgreSQL {second}"]["found"]

    await asyncio.to_thread(pair.primary.kill)
    code, found = await asyncio.to_thread(run_doctor, settings)
    assert code == 1
    assert found["PostgreSQL"]["found"] == "no host takes writes"
    assert "Promote a standby" in found["PostgreSQL"]["remedy"]

    await asyncio.to_thread(pair.standby.promote)
    await asyncio.to_thread(pair.primary.start)
    code, found = await asyncio.to_thread(run_doctor, settings)
    assert code == 1
    assert found["PostgreSQL"]["found"].endswith(second)
    assert found[f"PostgreSQL {first}"]["found"] == "takes writes too, on timeline 00000001"
