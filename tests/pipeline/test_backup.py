"""PostgreSQL restored from a base backup and archived WAL, beside a topic that is ahead of it, or behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.settings import Shape
from cli.topics.admin import admin
from cli.topics.create import create
from contracts import Topics
from devstack.ports import free_port
from devstack.postgresql.postgres import Postgres
from migrations import migrate
from runtime.kafka.clients import Kafka
from tests.support import backup
from tests.support.commands import add_all
from tests.support.gateways import GatewayProcess
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, rows

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def everything_is_old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit and the replay leave the last minute out; here nothing is under way when they are asked."""
    for module in ("cli.audit.audit", "cli.audit.replay"):
        monkeypatch.setattr(f"{module}.OPEN_FOR", timedelta(0))


class Stand:
    """One topic, and whichever database stands beside it."""

    def __init__(self, kafka: Kafka, topics: Topics, folder: Path) -> None:
        self.kafka, self.topics, self.folder = kafka, topics, folder

    def environment(self, database: Postgres, kafka: Kafka | None = None) -> dict[str, str]:
        return {
            "DATABASE_URL": database.url(),
            "KAFKA_BOOTSTRAP_SERVERS": (kafka or self.kafka).bootstrap_servers,
            "KAFKA_PREFIX": self.topics.prefix,
            "LEASE_SECONDS": "4",
            "SEND_TIMEOUT_SECONDS": "1",
            "RATE_LIMIT_PER_MINUTE": "0",
        }

    @asynccontextmanager
    async def gateway(
        self, database: Postgres, *, kafka: Kafka | None = None, url: str = ""
    ) -> AsyncIterator[GatewayProcess]:
        """A ready one, killed at the end; ``url`` where it knows more than this database."""
        environment = self.environment(database, kafka) | ({"DATABASE_URL": url} if url else {})
        process = GatewayProcess(environment, self.folder / "gateway.log")
        process.start()
        try:
            await process.ready()
            yield process
        finally:
            process.kill()

    async def command(self, database: Postgres, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, words, env=self.environment(database))

    async def audit(self, database: Postgres) -> dict[str, Any]:
        done = await self.command(database, "audit", "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == int(found["drift"] > 0)
        return found

    async def until_published(self, database: Postgres) -> None:
        await eventually(lambda: outbox_is_empty(database.url()), what="an empty outbox")


async def submit(gateway: GatewayProcess, number: int) -> set[str]:
    """Their ids, each answered with 201."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client:
        new = {"user_name": "ada", "description": "a boat"}
        answers = [await client.post("/applications", json=new) for _ in range(number)]
    assert {answer.status_code for answer in answers} == {201}
    return {answer.json()["id"] for answer in answers}


async def is_primary(database: Postgres) -> bool:
    return await asyncio.to_thread(database.query, "SELECT pg_is_in_recovery()") == "f"


async def stored(database: Postgres) -> set[str]:
    return {str(row["id"]) for row in await rows(database.url(), "SELECT id FROM applications")}


async def published(stand: Stand) -> list[str]:
    return sorted(map(str, await ids_on_topic(stand.kafka, stand.topics.applications)))


@pytest.fixture
async def stand(kafka: Kafka, topics: Topics, tmp_path: Path) -> Stand:
    add_all()
    return Stand(kafka, topics, tmp_path / "a folder")


async def test_restored_beside_a_topic_that_is_ahead_and_one_that_is_behind(stand: Stand) -> None:
    folder = stand.folder
    primary = backup.archiving(folder)
    try:
        primary.start()
        await migrate(primary.url())
        async with stand.gateway(primary) as gateway:
            before = await submit(gateway, 20)
            await stand.until_published(primary)
            backup.take(primary, folder)
        async with stand.gateway(primary, kafka=Kafka(f"127.0.0.1:{free_port()}")) as gateway:
            waiting = await submit(gateway, 10)
        moment = primary.query("SELECT clock_timestamp()")
        async with stand.gateway(primary) as gateway:
            after = await submit(gateway, 15)
            await stand.until_published(primary)
        backup.archived(primary)
    finally:
        primary.stop()
    everything = before | waiting | after

    past = backup.restored(folder, "past", password_of=primary, until=moment)
    try:
        past.start()
        await eventually(lambda: is_primary(past), what="an end of the recovery")
        later = await _beside_a_topic_that_is_ahead(stand, past, kept=before | waiting, lost=after)
    finally:
        past.kill()
    assert await published(stand) == sorted(everything | later)

    latest = backup.restored(folder, "latest", password_of=primary)
    try:
        latest.start()
        await eventually(lambda: is_primary(latest), what="an end of the recovery")
        assert await stored(latest) == everything
        await _beside_a_topic_that_is_behind(stand, latest, everything)
    finally:
        latest.kill()


async def _beside_a_topic_that_is_ahead(
    stand: Stand, database: Postgres, *, kept: set[str], lost: set[str]
) -> set[str]:
    """What the dead gateways of the backup still owed is found on the topic; what it never saw is named.

    Returns what is accepted from then on.
    """
    assert await stored(database) == kept
    assert not await outbox_is_empty(database.url())
    leases = await rows(database.url(), "SELECT id FROM gateway_leases")
    async with stand.gateway(database) as gateway:
        await stand.until_published(database)
        later = await submit(gateway, 1)

        async def all_claimed() -> bool:
            left = {row["id"] for row in await rows(database.url(), "SELECT id FROM gateway_leases")}
            return not left & {row["id"] for row in leases}

        await eventually(all_claimed, what="an end of the leases in the backup")
        await stand.until_published(database)
    found = await stand.audit(database)
    assert {name: found[name] for name in ("rows", "missing", "duplicate", "foreign", "drift")} == {
        "rows": len(kept) + 1,
        "missing": 0,
        "duplicate": 0,
        "foreign": len(lost),
        "drift": 0,
    }
    assert {f"foreign {id_}" for id_ in lost} == set(found["examples"])
    return later


async def _beside_a_topic_that_is_behind(stand: Stand, database: Postgres, everything: set[str]) -> None:
    """A topic that was lost and made anew: every row is missing there, and is published once."""
    name = stand.topics.applications
    async with admin(stand.kafka) as client:
        await client.delete_topics([name])

        async def gone() -> bool:
            return name not in await client.list_topics()

        await eventually(gone, what="an end of the topic")
    await create(stand.kafka, stand.topics, Shape())
    found = await stand.audit(database)
    assert (found["missing"], found["drift"]) == (len(everything), len(everything))
    dry = await stand.command(database, "replay", "--missing", "--dry-run")
    assert f"{len(everything)} would be published" in dry.output
    mended = await stand.command(database, "replay", "--missing")
    assert f"{len(everything)} published" in mended.output
    assert await published(stand) == sorted(everything)
    assert (await stand.audit(database))["drift"] == 0
