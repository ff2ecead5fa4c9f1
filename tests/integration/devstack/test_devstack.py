"""The library that tests and `make run` start servers with."""

from pathlib import Path

from cli.settings import Shape
from cli.topics.admin import admin
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from migrations import head, migrate
from runtime.kafka.clients import Kafka
from stream_workers.kinds import JOURNAL, METRICS


async def test_topics_are_created_once(kafka: Kafka, topics: Topics) -> None:
    again = await create(kafka, topics, Shape())
    assert set(again) == {
        topics.applications,
        topics.dead_letters,
        JOURNAL.changelog(topics),
        METRICS.changelog(topics),
    }
    assert not any(again.values())


async def test_postgres_comes_back_after_sigkill_and_keeps_its_data(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "a folder, with spaces")
    try:
        server.start()
        assert await migrate(server.url()) == head()
        server.kill()
        server.start()
        assert await migrate(server.url()) == head()
    finally:
        server.kill()


async def test_a_broker_comes_back_after_sigkill_and_keeps_its_topics(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "a folder, with späces")
    try:
        broker.start()
        await create(broker.kafka, Topics("kept."), Shape())
        broker.kill()
        broker.start()
        async with admin(broker.kafka) as client:
            assert "kept.applications" in await client.list_topics()
    finally:
        broker.kill()
