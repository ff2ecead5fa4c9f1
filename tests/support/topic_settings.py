"""Settings of a topic, changed so that its brokers already go by them."""

from typing import Any

from aiokafka.admin.client import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from cli.topics.admin import admin
from runtime.kafka.clients import Kafka
from tests.support.write_path import eventually


async def set_topic(kafka: Kafka, topic: str, **values: object) -> None:
    """Give ``topic`` these settings alone (``max_message_bytes=3_000``); they are in force once this returns.

    A broker tells of a change before its log has taken it, but takes changes one after the other: by the time it
    tells of a second one, the first is in force.
    """
    wanted = {name.replace("_", "."): str(value) for name, value in values.items()}
    async with admin(kafka) as client:
        await _told(client, topic, wanted)
        await _told(client, topic, wanted | {"file.delete.delay.ms": "60001"})


async def _told(client: AIOKafkaAdminClient, topic: str, wanted: dict[str, str]) -> None:
    """Ask for the settings, and wait until a broker tells of them."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, wanted)
    answers: list[Any] = await client.alter_configs([resource])
    assert all(error[0] == 0 for answer in answers for error in answer.resources), answers

    async def told() -> bool:
        answer: Any = (await client.describe_configs([resource]))[0]
        return wanted == {entry[0]: entry[1] for entry in answer.resources[0][4]}

    await eventually(told, what=f"{topic} with {wanted}")
