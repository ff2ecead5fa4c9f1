"""The brokers' administration, for the commands that need it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from cli.errors import CommandError


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; CommandError if no broker answers."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        yield client
    except KafkaError as error:
        raise CommandError(f"Kafka at {bootstrap}: {error}") from error
    finally:
        await client.close()


async def partitions_of(bootstrap: str, topic: str) -> list[int]:
    """The numbers of the topic's partitions; CommandError if there is no such topic."""
    async with admin(bootstrap) as client:
        found = (await client.describe_topics([topic]))[0]["partitions"]
    if not found:
        raise CommandError(f"there is no topic {topic}: `headgate topics create` makes it")
    return sorted(partition["partition"] for partition in found)
