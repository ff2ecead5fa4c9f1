"""An outage of Kafka that is longer than the topic's retention: what waits in PostgreSQL is published all the same."""

from pathlib import Path
from uuid import UUID

import httpx
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from runtime.kafka.clients import Kafka
from tests.support.gateways import GatewayProcess
from tests.support.retention import emptied
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty

pytestmark = pytest.mark.timeout(300)

PARTITIONS = 4


async def submitted(gateway: GatewayProcess, count: int) -> set[UUID]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=60) as client:
        body = [{"user_name": f"user {number}", "description": "text"} for number in range(count)]
        answer = await client.post("/applications/batch", json=body)
        assert answer.status_code == 200
        return {UUID(result["id"]) for result in answer.json()["results"]}


async def test_what_waited_longer_than_the_retention_is_published(
    fragile_broker: Broker, database_url: str, prefix: str, tmp_path: Path
) -> None:
    """What this gateway knew of the topic is gone from it: another one was the last to publish before the outage."""
    kafka, topics = Kafka(fragile_broker.bootstrap), Topics(prefix)
    await create(kafka, topics, Shape(partitions=PARTITIONS))
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": fragile_broker.bootstrap,
        "KAFKA_PREFIX": prefix,
        "LEASE_SECONDS": "12",
        "SEND_TIMEOUT_SECONDS": "4",
    }
    living, other = (GatewayProcess(environment, tmp_path / f"{name}.log") for name in ("living", "other"))
    try:
        for gateway in (living, other):
            gateway.start()
            await gateway.ready()
            await submitted(gateway, 20)
            await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert await other.stop() == 0
        fragile_broker.pause()
        # What of these lies in the broker's sockets is on the topic before all is removed from it.
        under_way = await submitted(living, 20)
        await eventually(lambda: is_without_kafka(living), what="a send that has failed")
        waiting = await submitted(living, 20)
        living.pause()  # it would publish before all is gone
        fragile_broker.resume()
        await eventually(lambda: is_emptied(kafka, topics), what="a topic without records")
        living.resume()
        await eventually(lambda: outbox_is_empty(database_url), seconds=120, what="an empty outbox")
        found = await ids_on_topic(kafka, topics.applications)
        assert waiting <= set(found) <= waiting | under_way
        assert len(found) == len(set(found))
    finally:
        fragile_broker.resume()
        for gateway in (living, other):
            gateway.kill()


async def is_emptied(kafka: Kafka, topics: Topics) -> bool:
    """A broker that was just resumed does not answer at once."""
    try:
        await emptied(kafka, [TopicPartition(topics.applications, number) for number in range(PARTITIONS)])
    except KafkaError:
        return False
    return True


async def is_without_kafka(gateway: GatewayProcess) -> bool:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client:
        return bool((await client.get("/healthz")).json()["status"] == "degraded")
