"""The brokers' administration, for the commands that need it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from cli.errors import CommandError
from runtime.kafka.clients import Kafka


@asynccontextmanager
async def admin(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; CommandError if no broker answers."""
    client = kafka.admin()
    try:
        await client.start()
        yield client
    except KafkaError as error:
        raise CommandError(f"Kafka at {kafka}: {error}") from error
    finally:
        await client.close()


async def shapes_of(client: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The partitions of each topic; none of one that is not there. CommandError where Kafka does not tell."""
    described = await client.describe_topics(list(topics))
    for topic in described:
        if topic["error_code"] not in {0, UnknownTopicOrPartitionError.errno}:
            raise CommandError(f"Kafka does not tell of the topic {topic['topic']}: {for_code(topic['error_code'])()}")
    return {topic["topic"]: topic["partitions"] for topic in described}


async def partitions_of(kafka: Kafka, topic: str) -> list[int]:
    """The numbers of the topic's partitions; CommandError if there is no such topic."""
    async with admin(kafka) as client:
        found = (await shapes_of(client, [topic]))[topic]
    if not found:
        raise CommandError(f"there is no topic {topic}: `headgate topics create` makes it")
    return sorted(partition["partition"] for partition in found)
