"""Creates the topics: one step of every installation, since brokers and services create none by themselves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiokafka.admin import NewTopic

from cli.errors import CommandError
from cli.settings import Shape
from cli.topics.admin import admin, shapes_of, until_answering
from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.chronicle.topic import CONFIG
from stream_workers.kinds import KINDS
from stream_workers.letters.dead_letters import TOPIC_BYTES

_ALREADY_EXISTS = 36
_DAY_MS = 24 * 60 * 60 * 1000


async def create(kafka: Kafka, topics: Topics, shape: Shape) -> dict[str, bool]:
    """Create what is missing; for each topic, whether it was created now. Safe to run twice, also at once.

    When it returns, every partition answers. Raises CommandError if the brokers cannot be reached or refuse, if some
    partition does not answer, or if a topic exists with other partitions; dead letters keep what they had when the
    others grew.
    """
    wanted = new_topics(topics, shape)
    async with admin(kafka) as client:
        response: Any = await client.create_topics(wanted)
        created = {}
        for name, code, message in (error[:3] for error in response.topic_errors):
            if code not in {0, _ALREADY_EXISTS}:
                raise CommandError(f"the brokers did not create the topic {name}: {message or f'error {code}'}")
            created[name] = code == 0
        shapes = await shapes_of(client, [topic.name for topic in wanted])
    found = {topic.name: len(shapes.get(topic.name, ())) or topic.num_partitions for topic in wanted}
    fixed = {topics.dead_letters, topics.happened}
    _refuse_other_partitions([topic for topic in wanted if topic.name not in fixed], found)
    await until_answering(kafka, found)
    return created


def new_topics(topics: Topics, shape: Shape) -> list[NewTopic]:
    """All topics. The changelogs have the source topic's partition count, as Faust requires."""
    forever = "-1"
    retention = str(shape.retention_days * _DAY_MS) if shape.retention_days else forever
    compacted = {"cleanup.policy": "compact"}
    return [
        _new_topic(topics.applications, shape, {"retention.ms": retention}),
        _new_topic(topics.dead_letters, shape, {"retention.ms": forever, "max.message.bytes": str(TOPIC_BYTES)}),
        *(_new_topic(kind.changelog(topics), shape, compacted) for kind in KINDS.values()),
        _new_topic(topics.happened, replace(shape, partitions=1), CONFIG),
    ]


def _new_topic(name: str, shape: Shape, config: dict[str, str]) -> NewTopic:
    return NewTopic(
        name,
        shape.partitions,
        shape.replication_factor,
        topic_configs={"min.insync.replicas": str(shape.min_insync_replicas), **config},
    )


def _refuse_other_partitions(wanted: list[NewTopic], found: Mapping[str, int]) -> None:
    for topic in wanted:
        if found[topic.name] != topic.num_partitions:
            has = f"the topic {topic.name} has {found[topic.name]} partitions"
            more = found[topic.name] < topic.num_partitions
            remedy = ": `headgate topics grow` adds the others" if more else ""
            raise CommandError(f"{has}, and KAFKA_PARTITIONS is {topic.num_partitions}{remedy}")
