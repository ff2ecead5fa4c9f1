"""`headgate topics grow`: more partitions for events and changelogs, in an order that may be interrupted.

The topic `applications` comes last: whoever sees its new partitions finds those of every changelog, and until then the
workers go on with the partitions that all have. The states stay as they are; a new partition is counted from offset 0.
The dead letters do not grow: a letter and the mark that it was sent again have the same key, and so must stay together.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError

from cli.errors import CommandError
from cli.topics.admin import admin, shapes_of, until_answering
from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.kinds import KINDS

_LOOK_SECONDS = 0.1
_LOOKS = 20


@dataclass(frozen=True)
class Step:
    """One topic: its partitions now, and how many it is to have."""

    topic: str
    now: int
    then: int


async def plan(kafka: Kafka, topics: Topics, partitions: int) -> list[Step]:
    """What is left to do, in order; empty if all have so many, and answer. CommandError where it cannot be."""
    order = [*(kind.changelog(topics) for kind in KINDS.values()), topics.applications]
    async with admin(kafka) as client:
        steps = [Step(topic, await _count(client, topic), partitions) for topic in order]
    for step in steps:
        if step.now == 0:
            raise CommandError(f"there is no topic {step.topic}: `headgate topics create` makes it")
        if step.now > partitions:
            has = f"the topic {step.topic} has {step.now} partitions, and KAFKA_PARTITIONS is {partitions}"
            raise CommandError(f"{has}: Kafka can only add partitions; set KAFKA_PARTITIONS to {step.now} or more")
    await until_answering(kafka, {step.topic: step.now for step in steps})
    return [step for step in steps if step.now < partitions]


async def grow(kafka: Kafka, steps: Sequence[Step], *, report: Callable[[Step], None]) -> None:
    """Carry out a plan; each step is done when all partitions of its topic answer. Safe to repeat, also at once.

    Raises CommandError if the brokers cannot be reached or refuse; what is done by then stays.
    """
    async with admin(kafka) as client:
        for step in steps:
            await _add(client, step)
            await until_answering(kafka, {step.topic: step.then})
            report(step)


async def _add(client: AIOKafkaAdminClient, step: Step) -> None:
    try:
        await client.create_partitions({step.topic: NewPartitions(step.then)})
    except KafkaError:
        if await _count(client, step.topic, at_least=step.then) < step.then:
            raise  # else somebody else was faster


async def _count(client: AIOKafkaAdminClient, topic: str, *, at_least: int = 1) -> int:
    """How many partitions a topic has; what was made just now may show a bit later."""
    for _ in range(_LOOKS):
        partitions = (await shapes_of(client, [topic]))[topic]
        if len(partitions) >= at_least:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return len(partitions)
