"""The brokers' administration, for the commands that need it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from cli.errors import CommandError
from gateway.publish.topic import BROKER_ERRORS, brokers, look, readable_ends
from runtime.kafka.clients import Kafka

_LOOK_SECONDS = 0.05


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


async def until_answering(kafka: Kafka, partitions: Mapping[str, int], *, seconds: float = 30) -> None:
    """Return when so many partitions of each topic answer; CommandError with what is missing after so many seconds.

    Brokers say that a partition is made, and even who leads it, before its leader takes requests.
    """
    missing: str | None = "nothing was said"
    try:
        async with asyncio.timeout(seconds), brokers(kafka) as client:
            for topic, count in partitions.items():
                while missing := await _missing(client, topic, count):  # noqa: ASYNC110 -- the brokers do it
                    await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise CommandError(f"not every partition answers after {seconds:g} s: {missing}; repeat the command") from None
    except KafkaError as error:
        raise CommandError(f"Kafka at {kafka}: {error}") from error


async def _missing(client: AIOKafkaClient, topic: str, count: int) -> str | None:
    try:
        answering = len(await readable_ends(client, topic, await look(client, topic)))
    except BROKER_ERRORS as error:
        return ", ".join(map(str, error.args)) or type(error).__name__
    return None if answering >= count else f"topic {topic}: {answering} of {count} partitions"
